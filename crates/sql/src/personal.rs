//! Personal data: which columns hold it, and what stands in a message in place of a value of theirs.
//!
//! A message is read by more people than a table: it stands in logs, notifications and chats. So it names rows and columns, and shows no
//! value of a column that a contract marks `pii`, and none that is made from one.

use std::collections::BTreeSet;

use datafusion::logical_expr::UNNAMED_TABLE;
use tranche_schema::Contract;

use crate::Origin;
use crate::locate::words::plain_types;

/// What stands in place of a value.
pub(crate) const WITHHELD: &str = "(personal)";

/// The columns that contracts mark as personal data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonalColumns {
    marked: BTreeSet<Origin>,
    /// The tables of the contracts.
    tables: BTreeSet<String>,
}

impl PersonalColumns {
    /// Those of some contracts.
    pub fn of<'a>(contracts: impl IntoIterator<Item = &'a Contract>) -> Self {
        let mut found = Self::default();
        for contract in contracts {
            let own = contract.columns.iter().filter(|column| column.pii.is_some());
            found.marked.extend(own.map(|column| (contract.table.clone(), column.name.clone())));
            found.tables.insert(contract.table.clone());
        }
        found
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marked.is_empty()
    }

    /// Whether a column of a table is marked.
    #[must_use]
    pub fn has(&self, origin: &Origin) -> bool {
        self.marked.contains(origin)
    }

    /// Whether some table has a marked column of this name.
    #[must_use]
    pub fn has_named(&self, column: &str) -> bool {
        self.marked.iter().any(|(_, name)| name == column)
    }

    /// Whether a column of a plan's tables may hold personal data: it is marked, or what a table has that is made from others is not
    /// known.
    pub(crate) fn may_be(&self, (table, column): &Origin) -> bool {
        let is_made = table != UNNAMED_TABLE && !self.tables.contains(table);
        self.has_named(column) || (is_made && !self.is_empty())
    }

    /// A value, unless it is personal.
    #[must_use]
    pub fn shown(is_personal: bool, value: impl FnOnce() -> String) -> String {
        if is_personal { WITHHELD.to_owned() } else { value() }
    }
}

/// What kind of failure an engine's text tells of, without the values in it: only what is known to have none is repeated.
#[must_use]
pub fn failure_kind(text: &str) -> String {
    let lower = text.to_lowercase();
    let has = |part: &str| lower.contains(part);
    let target = text.rsplit_once("to value of ").and_then(|(_, rest)| rest.split_once(" type"));
    match target {
        Some((target, _)) if has("cast") && target.chars().all(char::is_alphanumeric) => {
            format!("a value cannot be read as {}", plain_types(target))
        }
        _ if has("divide by zero") || has("dividebyzero") => "division by zero".to_owned(),
        _ if has("regular expression") || has("regex") => "a text is not a regular expression".to_owned(),
        _ if has("overflow") || has("too large") || has("too small") => "a number is too large".to_owned(),
        _ if has("parsing timestamp") || has("parsing date") => {
            "a value cannot be read as an instant".to_owned()
        }
        _ if has("cast") || has("pars") || has("convert") => "a value cannot be converted".to_owned(),
        _ => "the expression fails for a value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_failures_have_no_values() {
        for (text, expected) in [
            (
                "cannot cast string 'ada@example.org' to value of Int32 type",
                "a value cannot be read as int32",
            ),
            (
                "cannot cast string 'to value of ada type' to value of Int32 type",
                "a value cannot be read as int32",
            ),
            ("cannot cast string 'x' to value of ada@example.org type", "a value cannot be converted"),
            ("error parsing timestamp from 'O'Brien': bad", "a value cannot be read as an instant"),
            ("overflow happened on: 9223372036854775807 + -1", "a number is too large"),
            ("Arrow error: Divide by zero error", "division by zero"),
            ("Regular expression did not compile: ada[", "a text is not a regular expression"),
            ("duplicate key found: ada", "the expression fails for a value"),
        ] {
            assert_eq!(failure_kind(text), expected);
        }
    }
}
