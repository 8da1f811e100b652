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

/// A text that a spreadsheet takes as a text. A number with a sign, such as one of a telephone, stays as it is.
pub(super) fn as_text(text: &str) -> String {
    let begins = text.trim_start_matches(|c: char| c.is_whitespace() || is_hidden(c));
    let is_number = begins.get(1..).is_some_and(|rest| {
        let is_digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | ' ');
        rest == "inf" || (!rest.is_empty() && rest.chars().all(is_digit))
    });
    let is_computed = match begins.chars().next() {
        Some('=' | '@' | '＝' | '＠') => true,
        Some('+' | '-') => !is_number,
        Some('＋' | '－') => true,
        _ => text.starts_with(['\t', '\r']),
    };
    if is_computed { format!("'{text}") } else { text.to_owned() }
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
            "-1+cmd|' /C calc'!A0",
            "\t=1",
            "\r1",
            "\u{feff}=1",
            "＝1",
            "-a",
        ] {
            assert_eq!(in_spreadsheet(&json!(text)), format!("'{text}"));
        }
        for text in ["", "a=1", "-5", "-inf", "+49170123", "-0.5", "a-b", "1 + 1", "é"] {
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
