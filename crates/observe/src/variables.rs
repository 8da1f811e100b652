//! Variables of the environment in definitions: `${NAME}`, which keeps secrets out of files and the lake.

/// A text with each `${NAME}` replaced by what `value_of` knows for the name.
///
/// # Errors
/// A message that names the variable that is not set, or says how one is written.
pub(crate) fn variables(text: &str, value_of: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            return Err("`${` begins the name of a variable, which ends with `}`".to_owned());
        };
        let value = value_of(name).ok_or_else(|| format!("the environment variable `{name}` is not set"))?;
        replaced.push_str(before);
        replaced.push_str(&value);
        rest = behind;
    }
    replaced.push_str(rest);
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_missed() {
        let known = |name: &str| (name == "A").then(|| "x".to_owned());
        assert_eq!(variables("${A}-${A}$", known), Ok("x-x$".into()));
        assert_eq!(variables("${B}", known), Err("the environment variable `B` is not set".into()));
    }
}
