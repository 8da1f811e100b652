//! An engine's error in words that its author understands.

/// The innermost cause of an engine's error, in plain words.
#[must_use]
pub fn plain_cause(text: &str) -> String {
    in_plain_words(&cause(text)).0
}

/// The innermost cause in an error's text, without the engine's own prefixes.
pub(super) fn cause(text: &str) -> String {
    let last = text.rsplit("caused by\n").next().unwrap_or(text);
    let mut rest = last.lines().next().unwrap_or_default().trim();
    loop {
        let before = rest;
        for prefix in PREFIXES {
            rest = rest.strip_prefix(prefix).unwrap_or(rest);
        }
        if rest == before {
            break;
        }
    }
    rest.split(". This issue was likely caused")
        .next()
        .unwrap_or(rest)
        .trim_end_matches(['.', ' '])
        .to_owned()
}

const PREFIXES: [&str; 10] = [
    "Error during planning: ",
    "Schema error: ",
    "Internal error: ",
    "External error: ",
    "Arrow error: ",
    "Compute error: ",
    "Parser error: ",
    "Cast error: ",
    "Execution error: ",
    "This feature is not implemented: ",
];

/// What the engine says, in an analyst's words, with advice where there is any.
pub(super) fn in_plain_words(text: &str) -> (String, Option<String>) {
    let quoted =
        |after: &str| text.split(after).nth(1).and_then(|rest| rest.split('\'').next()).map(str::to_owned);
    if let Some(table) = text.strip_prefix("table '").and_then(|rest| rest.split('\'').next()) {
        let table = table.rsplit("public.").next().unwrap_or(table);
        return (format!("there is no table `{table}`"), None);
    }
    if let Some(field) =
        text.strip_prefix("Field ").and_then(|rest| rest.strip_suffix(" not found in struct"))
    {
        return (format!("there is no field `{field}`"), None);
    }
    if let Some(function) = quoted("Invalid function '") {
        return (format!("there is no function `{function}`"), None);
    }
    if let Some(function) = quoted("Function '").filter(|_| text.contains("failed to match any signature")) {
        return (format!("`{function}` does not take arguments of these types"), usage(&function));
    }
    if let Some(function) = quoted("No function matches the given name and argument types '") {
        let function = function.split('(').next().unwrap_or(&function);
        return (format!("`{function}` does not take arguments of these types"), usage(function));
    }
    if let Some((_, plain)) = SYNTAX.iter().find(|(engine, _)| text.starts_with(engine)) {
        return ((*plain).to_owned(), None);
    }
    let convert =
        || Some("convert one of them, such as CAST(x AS double) or CAST(x AS timestamp)".to_owned());
    for (before, after, plain) in TYPE_MISMATCHES {
        if let Some((types, _)) = text.strip_prefix(before).and_then(|rest| rest.rsplit_once(after)) {
            return (format!("{}: {plain}", plain_types(types)), convert());
        }
    }
    // Of a list, one type says it.
    if let Some((own, list)) = text.strip_prefix(LIST_MISMATCH).and_then(|rest| rest.split_once(" with [")) {
        let first = list.split([',', ']']).next().unwrap_or_default();
        return (format!("{}: {CANNOT_BE_COMPARED}", plain_types(&format!("{own} IN {first}"))), convert());
    }
    if let Some(condition) = quoted("Cannot create filter with non-boolean predicate '") {
        return (format!("the condition after WHERE is neither true nor false: `{condition}`"), None);
    }
    let mut chars = text.chars();
    let head = match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    };
    let head = plain_types(&head).replace(": Expected: ", ": expected ");
    (head.strip_suffix("EOF").map_or(head.clone(), |head| format!("{head}the end")), None)
}

/// What the parser says of text that it cannot take apart, and what is meant.
const SYNTAX: [(&str, &str); 3] = [
    ("Unterminated string literal", "the text in single quotes is not closed"),
    ("Unexpected EOF while in a multi-line comment", "the comment is not closed"),
    ("Expected close delimiter '\"' before EOF", "the name in double quotes is not closed"),
];

const CANNOT_BE_COMPARED: &str = "values of these types cannot be compared";

/// How the engine says that a value is compared with a list of other types: what stands before them.
const LIST_MISMATCH: &str = "Can not find compatible types to compare ";

/// How the engine says that types do not fit: what stands before and behind them, and what is meant.
const TYPE_MISMATCHES: [(&str, &str, &str); 2] = [
    ("Cannot infer common argument type for comparison operation ", "", CANNOT_BE_COMPARED),
    (
        "Cannot coerce arithmetic expression ",
        " to valid types",
        "values of these types cannot be computed with",
    ),
];

/// The engine's names of types, and an author's.
const TYPES: [(&str, &str); 19] = [
    ("Timestamp", "timestamp"),
    ("Interval", "interval"),
    ("Duration", "duration"),
    ("Decimal128", "decimal"),
    ("Decimal256", "decimal"),
    ("Utf8View", "text"),
    ("LargeUtf8", "text"),
    ("Utf8", "text"),
    ("Boolean", "boolean"),
    ("Float64", "float64"),
    ("Float32", "float32"),
    ("Int64", "int64"),
    ("Int32", "int32"),
    ("Int16", "int16"),
    ("Int8", "int8"),
    ("UInt64", "uint64"),
    ("Date32", "date"),
    ("Date64", "date"),
    ("Null", "null"),
];

/// A message with types as authors know them; of what stands in brackets behind one, only numbers are kept.
pub(crate) fn plain_types(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let word_end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(word_end.max(next.len_utf8()));
        rest = behind;
        let Some((_, name)) = TYPES.iter().find(|(engine, _)| *engine == word) else {
            plain.push_str(word);
            continue;
        };
        plain.push_str(name);
        if let Some(end) = rest.strip_prefix('(').and_then(|_| closing(rest)) {
            let (arguments, behind) = rest.split_at(end);
            if arguments.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) {
                plain.push_str(&arguments.replace(", ", ","));
            }
            rest = behind;
        }
    }
    plain
}

/// Where the bracket that a text begins with is closed again.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// How a function of ours is used; those of the engine are in its manual.
fn usage(function: &str) -> Option<String> {
    let usage = match function {
        "bucket" => "write bucket('a name', key), where the key is a text or a whole number",
        _ => return None,
    };
    Some(usage.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_names_of_contracts() {
        for (text, expected) in [
            ("Cannot compare Utf8 with Int64", "Cannot compare text with int64"),
            (
                "Timestamp(Microsecond, Some(\"UTC\")) + Decimal128(12, 2) < Interval(MonthDayNano)",
                "timestamp + decimal(12,2) < interval",
            ),
            ("Nullable utf8 (Null)", "Nullable utf8 (null)"),
        ] {
            assert_eq!(plain_types(text), expected);
        }
    }

    #[test]
    fn the_innermost_cause_is_put_in_plain_words() {
        for (text, expected) in [
            (
                "Optimizer rule 'simplify_expressions' failed\ncaused by\nArrow error: Parser error: Error parsing timestamp from 'soon': error",
                "error parsing timestamp from 'soon': error",
            ),
            (
                "Error during planning: table 'datafusion.public.ordres' not found",
                "there is no table `ordres`",
            ),
            (
                "Error during planning: Invalid function 'days'.\nDid you mean 'day'?",
                "there is no function `days`",
            ),
            ("Error during planning: Field nope not found in struct", "there is no field `nope`"),
            ("Arrow error: Divide by zero error", "divide by zero error"),
            (
                "Arrow error: Cast error: Cannot cast string 'DE' to value of Int32 type",
                "cannot cast string 'DE' to value of int32 type",
            ),
            (
                "Internal error: Function 'date_part' failed to match any signature, errors: x",
                "`date_part` does not take arguments of these types",
            ),
        ] {
            assert_eq!(in_plain_words(&cause(text)).0, expected);
        }
    }
}
