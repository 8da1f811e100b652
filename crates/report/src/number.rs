//! Numbers as people read them: separators, sensible digits, units, real minus signs, and spaces that never break.

use crate::document::{Interval, ValueKind};

/// What stands where there is no number.
pub(crate) const MISSING: &str = "–";

const MINUS: &str = "−";
const SPACE: char = '\u{a0}';
const NARROW_SPACE: char = '\u{202f}';

/// How the values of one metric are written: all with the same unit and the same number of decimals.
#[derive(Debug, Clone)]
pub(crate) struct ValueFormat {
    kind: ValueKind,
    unit: Option<String>,
    decimals: usize,
}

impl ValueFormat {
    /// A format that shows about three digits of a value as large as `reference`.
    pub(crate) fn new(kind: ValueKind, unit: Option<&str>, reference: Option<f64>) -> Self {
        let unit = unit.filter(|unit| !unit.is_empty() && kind != ValueKind::Proportion).map(str::to_owned);
        let reference = finite(reference).map_or(1.0, f64::abs);
        let decimals = match kind {
            ValueKind::Count => 0,
            ValueKind::Proportion => sensible_decimals(reference * 100.0).min(4),
            _ if unit.as_deref().is_some_and(is_currency) && (0.1..1000.0).contains(&reference) => 2,
            _ => sensible_decimals(reference),
        };
        Self { kind, unit, decimals }
    }

    /// The same without a unit that is a word, for columns whose head names it.
    pub(crate) fn terse(&self) -> Self {
        let unit = self.unit.clone().filter(|unit| currency_symbol(unit).is_some());
        Self { unit, ..self.clone() }
    }

    /// A value with its unit: "€36.20", "4.2 %", "1.31 orders".
    pub(crate) fn value(&self, value: Option<f64>) -> String {
        self.written(value, Sign::Negative, self.suffix())
    }

    /// A difference of two values, always signed: "+€1.20", "−0.3 pp".
    pub(crate) fn difference(&self, value: Option<f64>) -> String {
        self.written(value, Sign::Always, self.difference_suffix())
    }

    /// Bounds of a value: "€34.10 to €38.00", "3.9 to 4.5 %".
    pub(crate) fn interval(&self, interval: Option<Interval>) -> String {
        self.bounds(interval, Sign::Negative, self.suffix())
    }

    /// Bounds of a difference: "−0.3 to +1.2 pp".
    pub(crate) fn difference_interval(&self, interval: Option<Interval>) -> String {
        self.bounds(interval, Sign::Always, self.difference_suffix())
    }

    /// A mark on an axis whose marks are `step` apart.
    pub(crate) fn tick(&self, value: f64, step: f64) -> String {
        Self { decimals: exact_decimals(self.scaled(step)), ..self.terse() }.value(Some(value))
    }

    fn written(&self, value: Option<f64>, sign: Sign, suffix: String) -> String {
        finite(value).map_or(MISSING.to_owned(), |value| format!("{}{suffix}", self.signed(value, sign)))
    }

    fn bounds(&self, interval: Option<Interval>, sign: Sign, suffix: String) -> String {
        let Some(interval) = interval else { return MISSING.to_owned() };
        match (interval.low(), interval.high()) {
            (Some(low), Some(high)) => {
                format!("{} to {}{suffix}", self.signed(low, sign), self.signed(high, sign))
            }
            (Some(low), None) => format!("at least {}{suffix}", self.signed(low, sign)),
            (None, Some(high)) => format!("at most {}{suffix}", self.signed(high, sign)),
            (None, None) => MISSING.to_owned(),
        }
    }

    fn signed(&self, value: f64, sign: Sign) -> String {
        let magnitude = self.scaled(value).abs();
        let digits =
            if magnitude >= 1e6 { compact_magnitude(magnitude) } else { grouped(magnitude, self.decimals) };
        sign.before(value, &format!("{}{digits}", self.prefix()))
    }

    fn scaled(&self, value: f64) -> f64 {
        if self.kind == ValueKind::Proportion { value * 100.0 } else { value }
    }

    fn prefix(&self) -> &'static str {
        self.unit.as_deref().and_then(currency_symbol).unwrap_or("")
    }

    fn suffix(&self) -> String {
        match &self.unit {
            _ if self.kind == ValueKind::Proportion => format!("{NARROW_SPACE}%"),
            Some(unit) if currency_symbol(unit).is_none() => format!("{SPACE}{unit}"),
            _ => String::new(),
        }
    }

    fn difference_suffix(&self) -> String {
        if self.kind == ValueKind::Proportion { format!("{SPACE}pp") } else { self.suffix() }
    }
}

/// 1,234,567
pub(crate) fn integer(value: u64) -> String {
    let digits = value.to_string();
    let head = digits.len() % 3;
    let mut text = digits[..head].to_owned();
    for group in digits.as_bytes()[head..].chunks(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.extend(group.iter().map(|digit| char::from(*digit)));
    }
    text
}

/// 940, 12.3k, 4.6M, 1.2e18
pub(crate) fn compact(value: f64) -> String {
    finite(Some(value))
        .map_or(MISSING.to_owned(), |value| Sign::Negative.before(value, &compact_magnitude(value.abs())))
}

/// A ratio in percent: 0.123 is "12.3 %".
pub(crate) fn percent(ratio: Option<f64>) -> String {
    percentage(ratio, Sign::Negative)
}

/// A change in percent, always signed: "+3.2 %".
pub(crate) fn signed_percent(ratio: Option<f64>) -> String {
    percentage(ratio, Sign::Always)
}

/// Bounds of a change in percent: "−1.2 % to +3.4 %".
pub(crate) fn signed_percent_interval(interval: Option<Interval>) -> String {
    let Some(interval) = interval else { return MISSING.to_owned() };
    match (interval.low(), interval.high()) {
        (None, None) => MISSING.to_owned(),
        (low, None) => format!("at least {}", signed_percent(low)),
        (None, high) => format!("at most {}", signed_percent(high)),
        (low, high) => format!("{} to {}", signed_percent(low), signed_percent(high)),
    }
}

/// "p = 0.0123", "p < 0.0001"
pub(crate) fn p_value(p: Option<f64>) -> String {
    match finite(p) {
        None => MISSING.to_owned(),
        Some(p) if p < 0.0001 => format!("p{SPACE}<{SPACE}0.0001"),
        Some(p) if p < 0.1 => format!("p{SPACE}={SPACE}{p:.4}"),
        Some(p) => format!("p{SPACE}={SPACE}{p:.2}"),
    }
}

#[derive(Clone, Copy)]
enum Sign {
    Negative,
    Always,
}

impl Sign {
    /// Puts the sign of `value` before its magnitude; a zero after rounding has none.
    fn before(self, value: f64, magnitude: &str) -> String {
        let is_zero = !magnitude.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
        match self {
            _ if is_zero => magnitude.to_owned(),
            _ if value < 0.0 => format!("{MINUS}{magnitude}"),
            Sign::Always => format!("+{magnitude}"),
            Sign::Negative => magnitude.to_owned(),
        }
    }
}

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

fn percentage(ratio: Option<f64>, sign: Sign) -> String {
    let Some(ratio) = finite(ratio) else { return MISSING.to_owned() };
    let magnitude = ratio.abs() * 100.0;
    let digits = match magnitude {
        0.0 => "0".to_owned(),
        1e6.. => compact_magnitude(magnitude),
        99.95.. => grouped(magnitude, 0),
        1.0.. => grouped(magnitude, 1),
        0.1.. => grouped(magnitude, 2),
        _ => grouped(magnitude, 3),
    };
    format!("{}{NARROW_SPACE}%", sign.before(ratio, &digits))
}

/// Decimals that show three digits.
fn sensible_decimals(reference: f64) -> usize {
    if reference == 0.0 { 2 } else { (2.0 - reference.log10().floor()).clamp(0.0, 6.0) as usize }
}

fn grouped(magnitude: f64, decimals: usize) -> String {
    let plain = format!("{magnitude:.decimals$}");
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), integer);
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

fn compact_magnitude(magnitude: f64) -> String {
    const STEPS: [(f64, &str); 5] = [(1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "B"), (1e12, "T")];
    match STEPS.iter().find(|(size, _)| magnitude < size * 999.5) {
        Some((size, suffix)) => format!("{}{suffix}", three_digits(magnitude / size)),
        None => format!("{magnitude:.1e}"),
    }
}

/// Decimals that write every multiple of `step` in full.
fn exact_decimals(step: f64) -> usize {
    let scaled = |decimals: usize| step * 10f64.powi(decimals as i32);
    let is_whole = |scaled: f64| scaled >= 0.5 && (scaled - scaled.round()).abs() < 1e-6 * scaled;
    (0..10).find(|decimals| is_whole(scaled(*decimals))).unwrap_or(2)
}

fn three_digits(magnitude: f64) -> String {
    match magnitude {
        99.95.. => format!("{magnitude:.0}"),
        9.995.. => format!("{magnitude:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{magnitude:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

fn is_currency(unit: &str) -> bool {
    unit.len() == 3 && unit.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn currency_symbol(unit: &str) -> Option<&'static str> {
    match unit {
        "EUR" => Some("€"),
        "USD" => Some("$"),
        "GBP" => Some("£"),
        "JPY" => Some("¥"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with plain spaces, so that the tables below can be read.
    fn check(actual: String, expected: &str) {
        assert_eq!(actual.replace([SPACE, NARROW_SPACE], " "), expected);
    }

    #[test]
    fn integers_have_separators() {
        for (value, expected) in
            [(0, "0"), (12, "12"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")]
        {
            check(integer(value), expected);
        }
    }

    #[test]
    fn compact_keeps_about_three_digits() {
        let cases = [
            (7.25, "7.25"),
            (12_345.0, "12.3k"),
            (-4_600_000.0, "−4.6M"),
            (999_950.0, "1M"),
            (2.5e12, "2.5T"),
            (1.23e18, "1.2e18"),
            (f64::NAN, "–"),
        ];
        for (value, expected) in cases {
            check(compact(value), expected);
        }
    }

    #[test]
    fn percentages_have_sensible_digits() {
        let cases = [
            (0.0, "0 %", "0 %"),
            (0.123, "12.3 %", "+12.3 %"),
            (-0.032, "−3.2 %", "−3.2 %"),
            (0.00321, "0.32 %", "+0.32 %"),
            (0.9996, "100 %", "+100 %"),
            (-12.5, "−1,250 %", "−1,250 %"),
            (f64::NAN, "–", "–"),
        ];
        for (ratio, plain, signed) in cases {
            check(percent(Some(ratio)), plain);
            check(signed_percent(Some(ratio)), signed);
        }
        check(signed_percent_interval(Some(Interval::new(-0.012, 0.034))), "−1.2 % to +3.4 %");
        check(signed_percent_interval(Some(Interval::new(f64::NEG_INFINITY, 0.034))), "at most +3.4 %");
    }

    #[test]
    fn p_values_never_are_zero() {
        for (p, expected) in
            [(0.0, "p < 0.0001"), (0.01234, "p = 0.0123"), (0.45678, "p = 0.46"), (f64::NAN, "–")]
        {
            check(p_value(Some(p)), expected);
        }
    }

    #[test]
    fn values_carry_their_unit() {
        use ValueKind::*;
        let cases = [
            (Mean, Some("EUR"), 36.2, "€36.20", "+€36.20"),
            (Mean, Some("EUR"), -3.456, "−€3.46", "−€3.46"),
            (Mean, Some("CHF"), 1234.5, "1,234 CHF", "+1,234 CHF"),
            (Mean, Some("USD"), 45_600_000.0, "$45.6M", "+$45.6M"),
            (Ratio, Some("orders"), 0.0312, "0.0312 orders", "+0.0312 orders"),
            (Proportion, Some("share"), 0.0423, "4.23 %", "+4.23 pp"),
            (Count, None, -1e20, "−1.0e20", "−1.0e20"),
            (Mean, None, 0.0, "0.00", "0.00"),
        ];
        for (kind, unit, value, plain, signed) in cases {
            let format = ValueFormat::new(kind, unit, Some(value));
            check(format.value(Some(value)), plain);
            check(format.difference(Some(value)), signed);
        }
    }

    #[test]
    fn intervals_name_their_unit_once() {
        use ValueKind::*;
        let cases = [
            (Mean, Some("EUR"), 36.0, (34.1, 38.0), "€34.10 to €38.00", "+€34.10 to +€38.00"),
            (Proportion, None, 0.2, (-0.0312, 0.05), "−3.1 to 5.0 %", "−3.1 to +5.0 pp"),
            (
                Mean,
                Some("orders"),
                1.0,
                (f64::NEG_INFINITY, 2.0),
                "at most 2.00 orders",
                "at most +2.00 orders",
            ),
        ];
        for (kind, unit, reference, (low, high), plain, signed) in cases {
            let format = ValueFormat::new(kind, unit, Some(reference));
            check(format.interval(Some(Interval::new(low, high))), plain);
            check(format.difference_interval(Some(Interval::new(low, high))), signed);
        }
    }

    #[test]
    fn ticks_are_as_precise_as_their_step() {
        use ValueKind::*;
        let cases = [
            (Mean, Some("EUR"), 30.0, 5.0, "€30"),
            (Proportion, None, 0.0425, 0.0025, "4.25 %"),
            (Count, None, -40_000.0, 20_000.0, "−40,000"),
            (Count, None, 1_250_000.0, 250_000.0, "1.25M"),
            (Count, None, 1e300, 1e299, "1.0e300"),
        ];
        for (kind, unit, value, step, expected) in cases {
            check(ValueFormat::new(kind, unit, Some(value)).tick(value, step), expected);
        }
    }
}
