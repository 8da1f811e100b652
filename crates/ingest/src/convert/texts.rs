//! From texts.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, ListBuilder,
    StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, FieldRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use tranche_sql::decimal_of;

use super::numbers::WHOLE;
use super::reject::{FLOAT_HOLDS, Failures, describe, reject};

/// Digits of a fraction of a second that an instant holds.
const FRACTION_DIGITS: usize = 6;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

pub(super) fn convert(
    texts: &StringArray,
    to: &DataType,
    failures: &mut Failures,
) -> Result<ArrayRef, ArrowError> {
    match to {
        DataType::Int32 => {
            let wide = whole_numbers(texts, i128::from(i32::MIN)..=i128::from(i32::MAX), failures);
            cast(&wide, &DataType::Int32)
        }
        DataType::Int64 => Ok(whole_numbers(texts, i128::from(i64::MIN)..=i128::from(i64::MAX), failures)),
        DataType::Float64 => Ok(floats(texts, failures)),
        DataType::Decimal128(precision, scale) => decimals(texts, (*precision, *scale), failures),
        DataType::Date32 => dates(texts, failures),
        DataType::Timestamp(..) => instants(texts, to, failures),
        DataType::List(item) => Ok(lists(texts, item, failures)),
        _ => {
            let trimmed: StringArray = texts.iter().map(|text| text.map(str::trim)).collect();
            let converted = cast(&trimmed, to)?;
            reject_lost(texts, &converted, to, failures);
            Ok(converted)
        }
    }
}

/// Rejects what was there before, and is not after.
fn reject_lost(texts: &StringArray, converted: &ArrayRef, to: &DataType, failures: &mut Failures) {
    if converted.null_count() > texts.null_count() {
        for row in (0..texts.len()).filter(|&row| converted.is_null(row) && texts.is_valid(row)) {
            reject(failures, row, texts.value(row), describe(to));
        }
    }
}

/// Whole numbers within a range.
fn whole_numbers(
    texts: &StringArray,
    range: std::ops::RangeInclusive<i128>,
    failures: &mut Failures,
) -> ArrayRef {
    let mut numbers = Int64Builder::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text else {
            numbers.append_null();
            continue;
        };
        let number = whole_number(text);
        let fitting = number.filter(|number| range.contains(number));
        numbers.append_option(fitting.and_then(|number| i64::try_from(number).ok()));
        match (number, fitting) {
            (Some(_), None) => reject(failures, row, text, "a whole number that fits the column"),
            (None, _) => reject(failures, row, text, "a whole number"),
            _ => {}
        }
    }
    Arc::new(numbers.finish())
}

/// A whole number: `7`, `12E4`, and `1.0` as some programs write them, but not `1.000`, which may be a thousand.
fn whole_number(text: &str) -> Option<i128> {
    let text = text.trim();
    let digits = text.strip_suffix(".0").unwrap_or(text);
    (!digits.contains('.')).then(|| digits.parse().ok().or_else(|| decimal_of(digits, 38, 0))).flatten()
}

/// The nearest numbers to those written; NaN and infinities are none.
fn floats(texts: &StringArray, failures: &mut Failures) -> ArrayRef {
    let mut numbers = Float64Builder::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let number = text.and_then(floating);
        numbers.append_option(number);
        if let (Some(text), None) = (text, number) {
            let is_number = decimal_of(text, 38, 0).is_some();
            reject(failures, row, text, if is_number { FLOAT_HOLDS } else { "a number" });
        }
    }
    Arc::new(numbers.finish())
}

/// The nearest number; of a whole number whose digits are all written, that number or none.
fn floating(text: &str) -> Option<f64> {
    let text = text.trim();
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    if number.abs() <= WHOLE || text.contains(['.', 'e', 'E']) {
        return Some(number);
    }
    #[expect(clippy::cast_possible_truncation, reason = "compared with what was written")]
    let keeps = decimal_of(text, 38, 0) == Some(number as i128);
    keeps.then_some(number)
}

fn decimals(
    texts: &StringArray,
    (precision, scale): (u8, i8),
    failures: &mut Failures,
) -> Result<ArrayRef, ArrowError> {
    let mut numbers =
        Decimal128Builder::with_capacity(texts.len()).with_precision_and_scale(precision, scale)?;
    let digits = format!("at most {scale} digits after the point and {precision} in all");
    for (row, text) in texts.iter().enumerate() {
        let number = text.and_then(|text| decimal_of(text, precision, scale));
        numbers.append_option(number);
        if let (Some(text), None) = (text, number) {
            let is_number = text.trim().parse::<f64>().is_ok_and(f64::is_finite);
            let what = describe(&DataType::Decimal128(precision, scale));
            reject(
                failures,
                row,
                text,
                &if is_number { format!("{what} ({digits})") } else { what.to_owned() },
            );
        }
    }
    Ok(Arc::new(numbers.finish()))
}

fn instants(texts: &StringArray, to: &DataType, failures: &mut Failures) -> Result<ArrayRef, ArrowError> {
    let trimmed: StringArray = texts.iter().map(|text| text.map(str::trim)).collect();
    let converted = cast(&trimmed, to)?;
    reject_lost(texts, &converted, to, failures);
    for (row, text) in texts.iter().enumerate().filter(|(row, _)| converted.is_valid(*row)) {
        let text = text.unwrap_or_default();
        let cut = text.split_once('.').is_some_and(|(_, fraction)| {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit);
            digits.skip(FRACTION_DIGITS).any(|digit| digit != b'0')
        });
        if cut {
            reject(failures, row, text, "an instant in whole microseconds");
        } else if !text.contains('-') {
            // Digits alone could be a date, or seconds since 1970.
            reject(failures, row, text, "an instant");
        }
    }
    Ok(converted)
}

/// Dates, and instants at midnight.
fn dates(texts: &StringArray, failures: &mut Failures) -> Result<ArrayRef, ArrowError> {
    let trimmed: StringArray = texts.iter().map(|text| text.map(str::trim)).collect();
    let days = cast(&trimmed, &DataType::Date32)?;
    let days = days.as_primitive::<Date32Type>();
    let mut dates = Date32Builder::with_capacity(texts.len());
    for (row, text) in trimmed.iter().enumerate() {
        let Some(text) = text else {
            dates.append_null();
            continue;
        };
        let is_date = text.len() <= 10 && text.bytes().filter(|&byte| byte == b'-').count() == 2;
        let date = if is_date { days.is_valid(row).then(|| days.value(row)) } else { midnight(text)? };
        dates.append_option(date);
        if date.is_none() {
            reject(failures, row, text, "a date");
        }
    }
    Ok(Arc::new(dates.finish()))
}

/// The day that begins at an instant.
fn midnight(text: &str) -> Result<Option<i32>, ArrowError> {
    if !text.contains('-') {
        return Ok(None);
    }
    let instant = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
    let found = cast(&StringArray::from(vec![text]), &instant)?;
    let found = found.as_primitive::<TimestampMicrosecondType>();
    let at = found.is_valid(0).then(|| found.value(0));
    Ok(at.filter(|at| at.rem_euclid(DAY) == 0).and_then(|at| i32::try_from(at.div_euclid(DAY)).ok()))
}

fn lists(texts: &StringArray, item: &FieldRef, failures: &mut Failures) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(Arc::clone(item));
    for (row, text) in texts.iter().enumerate() {
        match text.map(serde_json::from_str::<Vec<Option<String>>>) {
            Some(Ok(values)) => {
                for value in values {
                    lists.values().append_option(value);
                }
                lists.append(true);
            }
            Some(Err(_)) => {
                reject(failures, row, text.unwrap_or_default(), "a JSON list of texts");
                lists.append(false);
            }
            None => lists.append(false),
        }
    }
    Arc::new(lists.finish())
}
