//! Names in SQL: they are read in lower case unless they stand in double quotes.

use datafusion::sql::sqlparser::ast::Ident;

/// A name as the engine reads it.
#[must_use]
pub fn as_read(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// A name as SQL has to have it: in double quotes where it is another one without them.
#[must_use]
pub fn as_written(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.chars().all(is_plain) { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// What to write for a name where only other letter cases of it are known; none where it is known itself, or not at all.
#[must_use]
pub fn write_quoted<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut quoted = None;
    for other in known {
        if other == name {
            return None;
        }
        if quoted.is_none() && other.to_lowercase() == name.to_lowercase() {
            quoted = Some(other);
        }
    }
    let written = as_written(quoted?);
    Some(format!("write {written}: names are read in lower case unless they stand in double quotes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_other_letters_is_told_how_to_write() {
        let known = ["CustomerId", "amount"];
        let help = write_quoted("customerid", known).unwrap();
        assert!(help.starts_with("write \"CustomerId\": "), "{help}");
        assert!(write_quoted("Amount", known).unwrap().starts_with("write amount: "));
        for name in ["CustomerId", "amount", "customer"] {
            assert_eq!(write_quoted(name, known), None);
        }
        assert_eq!(["orderTS", "a b", "a_1"].map(as_written), ["\"orderTS\"", "\"a b\"", "a_1"]);
    }
}
