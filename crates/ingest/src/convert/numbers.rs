//! From numbers and truth values.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, StringArray,
    StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use arrow::error::ArrowError;
use tranche_sql::{decimal_of, plain};

use super::reject::{FLOAT_HOLDS, Failures, describe, reject};

/// Where a value is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueOrigin {
    /// A raw column: all of its digits count.
    Raw,
    /// An expression: what it has more of than a decimal column holds is rounded, half away from zero.
    Computed,
}

/// Beyond this, floating point does not hold every whole number: 2^53.
pub(super) const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Decimal digits that any floating point number holds.
const CERTAIN_DIGITS: usize = 15;

/// A number as it was, whatever its type.
#[derive(Clone, Copy)]
enum Value {
    /// Units of the last of so many digits after the point.
    Exact(i128, i8),
    Floating(f64),
}

pub(super) fn convert(
    array: &ArrayRef,
    to: &DataType,
    from: ValueOrigin,
    failures: &mut Failures,
) -> Result<ArrayRef, ArrowError> {
    let value = |row: usize| match array.data_type() {
        DataType::Boolean => Value::Exact(i128::from(array.as_boolean().value(row)), 0),
        DataType::Int64 => Value::Exact(array.as_primitive::<Int64Type>().value(row).into(), 0),
        DataType::Decimal128(_, scale) => {
            Value::Exact(array.as_primitive::<Decimal128Type>().value(row), *scale)
        }
        _ => Value::Floating(array.as_primitive::<Float64Type>().value(row)),
    };
    let values = (0..array.len()).map(|row| array.is_valid(row).then(|| value(row)));
    Ok(match to {
        DataType::Int32 | DataType::Int64 => {
            let range = if *to == DataType::Int32 {
                i128::from(i32::MIN)..=i128::from(i32::MAX)
            } else {
                i128::from(i64::MIN)..=i128::from(i64::MAX)
            };
            let mut numbers = Int64Builder::with_capacity(array.len());
            each(values, failures, to, |value| {
                let whole = value.and_then(|value| whole(value).filter(|whole| range.contains(whole)));
                numbers.append_option(whole.and_then(|whole| i64::try_from(whole).ok()));
                whole.is_some()
            });
            cast(&numbers.finish(), to)?
        }
        DataType::Float64 => {
            let mut numbers = Float64Builder::with_capacity(array.len());
            each(values, failures, to, |value| {
                let number = value.and_then(floating);
                numbers.append_option(number);
                number.is_some()
            });
            Arc::new(numbers.finish())
        }
        DataType::Decimal128(precision, scale) => {
            let mut numbers =
                Decimal128Builder::with_capacity(array.len()).with_precision_and_scale(*precision, *scale)?;
            each(values, failures, to, |value| {
                let number = value.and_then(|value| decimal(value, (*precision, *scale), from));
                numbers.append_option(number);
                number.is_some()
            });
            Arc::new(numbers.finish())
        }
        DataType::Boolean => {
            let mut truths = BooleanBuilder::with_capacity(array.len());
            each(values, failures, to, |value| {
                let truth = value.and_then(whole).filter(|whole| (0..=1).contains(whole));
                truths.append_option(truth.map(|whole| whole == 1));
                truth.is_some()
            });
            Arc::new(truths.finish())
        }
        _ if *array.data_type() == DataType::Boolean => cast(array, to)?,
        _ => {
            let mut texts = StringBuilder::new();
            each(values, failures, to, |value| {
                let text = value.and_then(|value| text(value, from));
                texts.append_option(text.as_deref());
                text.is_some()
            });
            Arc::new(texts.finish())
        }
    })
}

/// Hands each value to `take`, which says whether it could be taken; what could not is rejected.
fn each(
    values: impl Iterator<Item = Option<Value>>,
    failures: &mut Failures,
    to: &DataType,
    mut take: impl FnMut(Option<Value>) -> bool,
) {
    for (row, value) in values.enumerate() {
        if let (false, Some(value)) = (take(value), value) {
            let shown = match value {
                Value::Floating(number) => number.to_string(),
                Value::Exact(units, scale) => plain(&digits(units, scale)).to_owned(),
            };
            let is_exact = matches!(value, Value::Exact(..));
            let what = if is_exact && *to == DataType::Float64 { FLOAT_HOLDS } else { describe(to) };
            reject(failures, row, shown, what);
        }
    }
}

/// The whole number that a value is, if it certainly is one.
fn whole(value: Value) -> Option<i128> {
    match value {
        Value::Exact(units, scale) => rescaled(units, scale, 0, ValueOrigin::Raw),
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
        Value::Floating(number) => (number.fract() == 0.0 && number.abs() <= WHOLE).then_some(number as i128),
    }
}

/// The number nearest to a value; for a whole number, that number or none.
fn floating(value: Value) -> Option<f64> {
    match value {
        Value::Floating(number) => number.is_finite().then_some(number),
        Value::Exact(units, scale) => {
            let digits = digits(units, scale);
            let number: f64 = digits.parse().ok()?;
            let is_whole = rescaled(units, scale, 0, ValueOrigin::Raw);
            #[expect(clippy::cast_possible_truncation, reason = "a whole number below 10^38")]
            let keeps = is_whole.is_none_or(|whole| number as i128 == whole);
            keeps.then_some(number)
        }
    }
}

fn decimal(value: Value, (precision, scale): (u8, i8), from: ValueOrigin) -> Option<i128> {
    let fits = |units: &i128| units.unsigned_abs() < 10u128.pow(u32::from(precision.min(38)));
    match value {
        Value::Exact(units, own) => rescaled(units, own, scale, from).filter(fits),
        Value::Floating(number) if number.is_finite() => {
            // What a sum of such numbers ends in beyond its certain digits is noise.
            let certain = format!("{number:.*e}", CERTAIN_DIGITS - 1);
            let exact = decimal_of(&number.to_string(), precision, scale);
            exact.or_else(|| decimal_of(&certain, precision, scale)).or_else(|| {
                let wide = decimal_of(&certain, 38, scale.saturating_add(12))?;
                (from == ValueOrigin::Computed)
                    .then(|| rescaled(wide, scale.saturating_add(12), scale, from).filter(fits))
                    .flatten()
            })
        }
        Value::Floating(_) => None,
    }
}

fn text(value: Value, from: ValueOrigin) -> Option<String> {
    match value {
        Value::Exact(units, scale) if from == ValueOrigin::Raw => Some(digits(units, scale)),
        Value::Exact(units, scale) => Some(plain(&digits(units, scale)).to_owned()),
        Value::Floating(number) if number.fract() == 0.0 => whole(value).map(|whole| whole.to_string()),
        Value::Floating(number) => number.is_finite().then(|| number.to_string()),
    }
}

/// The same number with another number of digits after the point; `None` where that cuts digits, or there are too many.
fn rescaled(units: i128, own: i8, wanted: i8, from: ValueOrigin) -> Option<i128> {
    let power = |digits: i8| 10i128.checked_pow(u32::from(digits.unsigned_abs()));
    if wanted >= own {
        return units.checked_mul(power(wanted - own)?);
    }
    let unit = power(own - wanted)?;
    let (quotient, rest) = (units / unit, units % unit);
    if rest == 0 {
        return Some(quotient);
    }
    let away = if rest.unsigned_abs() * 2 >= unit.unsigned_abs() { rest.signum() } else { 0 };
    (from == ValueOrigin::Computed).then_some(quotient + away)
}

/// The digits of a decimal.
fn digits(units: i128, scale: i8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = units.unsigned_abs().to_string();
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{digits}"),
        Ok(scale) => {
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => format!("{sign}{digits}{}", "0".repeat(usize::from(scale.unsigned_abs()))),
    }
}

/// Numbers of fewer than 64 bits as wider ones with the same digits when printed.
pub(super) fn digits_of_narrow(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let narrow = cast(array, &DataType::Float32)?;
    let texts: StringArray = narrow
        .as_primitive::<arrow::datatypes::Float32Type>()
        .iter()
        .map(|number| number.map(|number| number.to_string()))
        .collect();
    cast(&texts, &DataType::Float64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_cut_nowhere_and_rounded_where_they_are_computed() {
        assert_eq!(rescaled(1250, 2, 1, ValueOrigin::Raw), Some(125));
        assert_eq!(rescaled(1255, 3, 2, ValueOrigin::Raw), None);
        assert_eq!(rescaled(1255, 3, 2, ValueOrigin::Computed), Some(126));
        assert_eq!(rescaled(-1255, 3, 2, ValueOrigin::Computed), Some(-126));
        assert_eq!(rescaled(1254, 3, 2, ValueOrigin::Computed), Some(125));
        assert_eq!(decimal(Value::Floating(0.1 + 0.2), (10, 2), ValueOrigin::Raw), Some(30));
        assert_eq!(decimal(Value::Floating(0.125), (10, 2), ValueOrigin::Raw), None);
        assert_eq!(decimal(Value::Floating(0.125), (10, 2), ValueOrigin::Computed), Some(13));
        assert_eq!(decimal(Value::Floating(1e9), (10, 2), ValueOrigin::Raw), None);
    }

    #[test]
    fn whole_numbers_stay_whole() {
        assert_eq!(whole(Value::Floating(1001.0)), Some(1001));
        assert_eq!(whole(Value::Floating(1e300)), None);
        assert_eq!(whole(Value::Floating(f64::NAN)), None);
        assert_eq!(text(Value::Floating(1001.0), ValueOrigin::Raw).as_deref(), Some("1001"));
        assert_eq!(text(Value::Floating(-0.5), ValueOrigin::Raw).as_deref(), Some("-0.5"));
        assert_eq!(floating(Value::Exact(9_007_199_254_740_993, 0)), None);
        assert_eq!(floating(Value::Exact(59_970_000_000_000_000_000, 18)), Some(59.97));
        assert_eq!(digits(-5, 3), "-0.005");
        assert_eq!(digits(12, -2), "1200");
    }
}
