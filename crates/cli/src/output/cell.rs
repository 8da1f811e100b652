//! A value as a text: for people, and for programs.

use serde_json::Value;

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
        (_, Value::String(text)) if text.contains(char::is_control) => {
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        }
        _ => plain(value),
    }
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
    fn a_text_stands_in_one_line() {
        check(Kind::Text, json!("a\n  b\tc"), "a b c");
        check(Kind::Text, json!("a  b"), "a  b");
        check(Kind::Number, json!(0.1), "0.1");
    }
}
