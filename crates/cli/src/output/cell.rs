//! A value as a text: for people, and for programs.

use serde_json::Value;
use tranche_workspace::{is_hidden, legible};

use super::column::Kind;

/// Digits of an estimate that people see.
const DIGITS: i32 = 4;

/// A value as people see it, in one line.
pub(super) fn shown(value: &Value, kind: Kind) -> String {
    match (kind, value) {
        (Kind::Estimate, Value::Number(number)) => number.as_f64().map_or_else(String::new, significant),
        (Kind::Probability, Value::Number(number)) => number.as_f64().map_or_else(String::new, probability),
        (Kind::Interval, Value::Array(_)) => {
            let [low, high] = ends(value);
            let end = |end: Option<f64>, open: &str| end.map_or_else(|| open.to_owned(), significant);
            format!("[{}, {}]", end(low, "-inf"), end(high, "inf"))
        }
        (_, Value::String(text)) if text.contains(['\n', '\r', '\t']) => {
            legible(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
        }
        (_, Value::String(text)) => legible(text).into_owned(),
        _ => plain(value),
    }
}

/// A value in CSV, as it is; but for a text that a spreadsheet would compute, which has an apostrophe before it.
pub(super) fn in_spreadsheet(value: &Value) -> String {
    match value {
        Value::String(text) => as_text(text),
        other => plain(other),
    }
}

/// A text that a spreadsheet takes as a text. What begins with a sign stays as it is where it is a number, a word or a long id.
pub(super) fn as_text(text: &str) -> String {
    let begins = text.trim_start_matches(|c: char| c.is_whitespace() || is_hidden(c));
    let rest = begins.get(1..).unwrap_or_default();
    let is_computed = match begins.chars().next() {
        Some('=' | '＝' | '＠' | '＋' | '－') => true,
        Some('+' | '-' | '@') => !is_plain(rest) && !is_id(rest),
        _ => text.starts_with(['\t', '\r']),
    };
    if is_computed { format!("'{text}") } else { text.to_owned() }
}

/// Whether nothing is computed of what follows a sign: it is a number or words.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ' '))
}

/// Whether it is an id, as some databases make them: `-KrHx8sZ-a_9`.
fn is_id(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text.len() >= 8 && text.chars().all(is_part) && text.contains(|c: char| c.is_ascii_lowercase())
}

/// A value as it is, nothing for null.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The ends of an interval; a side without a bound has none.
pub(super) fn ends(interval: &Value) -> [Option<f64>; 2] {
    [0, 1].map(|side| interval.get(side).and_then(Value::as_f64))
}

/// A number with four digits that say something, and no fewer than those before the point.
fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-4..15).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let decimals = usize::try_from(DIGITS - 1 - magnitude).unwrap_or(0);
    format!("{value:.decimals$}")
}

fn probability(value: f64) -> String {
    if value > 0.0 && value < 0.0001 { "<0.0001".to_owned() } else { format!("{value:.4}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(kind: Kind, value: Value, expected: &str) {
        assert_eq!(shown(&value, kind), expected);
    }

    #[test]
    fn estimates_have_four_digits() {
        check(Kind::Estimate, json!(0.0), "0");
        check(Kind::Estimate, json!(0.123_456), "0.1235");
        check(Kind::Estimate, json!(-12.345_67), "-12.35");
        check(Kind::Estimate, json!(123_456.7), "123457");
        check(Kind::Estimate, json!(0.000_012_34), "1.234e-5");
        check(Kind::Estimate, json!(12), "12.00");
        check(Kind::Estimate, Value::Null, "");
    }

    #[test]
    fn probabilities_have_four_decimals() {
        check(Kind::Probability, json!(0.031_249), "0.0312");
        check(Kind::Probability, json!(1.2e-9), "<0.0001");
        check(Kind::Probability, json!(1.0), "1.0000");
        check(Kind::Probability, json!("no variance"), "no variance");
    }

    #[test]
    fn a_side_without_a_bound_is_open() {
        check(Kind::Interval, json!([-0.5, 1.25]), "[-0.5000, 1.250]");
        check(Kind::Interval, json!([null, 1.0]), "[-inf, 1.000]");
        check(Kind::Interval, json!([1.0, null]), "[1.000, inf]");
        check(Kind::Interval, Value::Null, "");
    }

    #[test]
    fn a_spreadsheet_computes_no_text() {
        for text in [
            "=1+1",
            " =1",
            "@SUM(1)",
            "+1+1",
            "-2-3",
            "-1+cmd|' /C calc'!A0",
            "+49-170-123",
            "\t=1",
            "\r1",
            "\u{feff}=1",
            "＝1",
        ] {
            assert_eq!(in_spreadsheet(&json!(text)), format!("'{text}"));
        }
        for text in [
            "",
            "a=1",
            "-5",
            "-inf",
            "+49 170 123",
            "-0.5",
            "-KrHx8sZ-a_9",
            "-1 days",
            "-",
            "@ada",
            "1 + 1",
            "é",
        ] {
            assert_eq!(in_spreadsheet(&json!(text)), text);
        }
        assert_eq!(
            (in_spreadsheet(&json!(-1.5)), in_spreadsheet(&Value::Null)),
            ("-1.5".to_owned(), String::new())
        );
    }

    #[test]
    fn a_text_stands_in_one_line() {
        check(Kind::Text, json!("a\n  b\tc"), "a b c");
        check(Kind::Text, json!("a  b"), "a  b");
        check(Kind::Text, json!("a\u{1b}[31m\u{202e}b"), "a\\u{1b}[31m\\u{202e}b");
        check(Kind::Number, json!(0.1), "0.1");
    }
}
