//! A text as the number that it is written as, for expressions over raw rows.
//!
//! Authors do not call it: it is put around a text where an expression needs a number. Exact, it is a decimal that has every digit
//! of the text; what has more digits than that can be read as floating point instead.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Builder, Float64Builder, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Digits of an exact number, before and after the point.
const PRECISION: u8 = 38;
/// Digits of an exact number after the point.
const SCALE: i8 = 10;

/// How texts are read as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Numbers {
    /// As decimals with 28 digits before the point and 10 after it; a text with more is an error.
    Exact,
    /// As the nearest 64-bit floating point.
    Floating,
}

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    signature: Signature,
    numbers: Numbers,
}

impl Number {
    pub(crate) const NAME: &str = "number";

    pub(crate) fn function(numbers: Numbers) -> Arc<ScalarUDF> {
        let signature = Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Self { signature, numbers }))
    }
}

impl ScalarUDFImpl for Number {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.numbers {
            Numbers::Exact => DataType::Decimal128(PRECISION, SCALE),
            Numbers::Floating => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = ColumnarValue::values_to_arrays(&arguments.args)?;
        let texts = texts[0].as_string::<i32>();
        let refused = |text: &str| exec_err!("`{text}` is not a number");
        let array: ArrayRef = match self.numbers {
            Numbers::Exact => {
                let mut numbers = Decimal128Builder::with_capacity(texts.len())
                    .with_precision_and_scale(PRECISION, SCALE)?;
                for text in texts {
                    match text.map(|text| decimal_of(text, PRECISION, SCALE).ok_or(text)).transpose() {
                        Ok(number) => numbers.append_option(number),
                        Err(text) => return refused(text),
                    }
                }
                Arc::new(numbers.finish())
            }
            Numbers::Floating => {
                let mut numbers = Float64Builder::with_capacity(texts.len());
                for text in texts {
                    match text.map(|text| floating(text).ok_or(text)).transpose() {
                        Ok(number) => numbers.append_option(number),
                        Err(text) => return refused(text),
                    }
                }
                Arc::new(numbers.finish())
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// The float nearest to what a text is written as; words such as NaN are no numbers, nor is what is beyond all floats.
fn floating(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// A decimal as text, without zeros at the end of its fraction.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct NumberText {
    signature: Signature,
}

impl NumberText {
    pub(crate) fn function() -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(Self { signature: Signature::any(1, Volatility::Immutable) }))
    }
}

impl ScalarUDFImpl for NumberText {
    fn name(&self) -> &'static str {
        "number_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let numbers = ColumnarValue::values_to_arrays(&arguments.args)?;
        let texts = cast(&numbers[0], &DataType::Utf8)?;
        let plain: StringArray = texts.as_string::<i32>().iter().map(|text| text.map(plain)).collect();
        Ok(ColumnarValue::Array(Arc::new(plain)))
    }
}

/// A number as text, without zeros at the end of its fraction.
#[must_use]
pub fn plain(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// The number that a text is written as, in units of the last digit of a decimal: `-1.5`, `+.5`, `12E4`. `None` where it is not a number, or
/// has digits that the decimal does not.
#[must_use]
pub fn decimal_of(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let text = text.trim();
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (written, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], exponent_of(&unsigned[at + 1..])?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = written.split_once('.').unwrap_or((written, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    // Digits that the decimal has after the last one read.
    let mut shift = i64::from(scale) + i64::from(exponent) - i64::try_from(fraction.len()).ok()?;
    let mut zeros = 0u32;
    for digit in whole.bytes().chain(fraction.bytes()) {
        let digit = i128::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        if digit == 0 && value != 0 {
            zeros += 1;
        } else if digit != 0 {
            value = value.checked_mul(10i128.checked_pow(zeros + 1)?)?.checked_add(digit)?;
            zeros = 0;
        }
    }
    if value == 0 {
        return Some(0);
    }
    shift += i64::from(zeros);
    let scaled = value.checked_mul(10i128.checked_pow(u32::try_from(shift).ok()?)?)?;
    let fits = scaled < 10i128.pow(u32::from(precision.min(PRECISION)));
    fits.then_some(if negative { -scaled } else { scaled })
}

fn exponent_of(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_written = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_written.then(|| text.parse().ok()).flatten().filter(|exponent: &i32| exponent.abs() < 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<i128>) {
        assert_eq!(decimal_of(text, 38, 2), expected, "{text}");
    }

    #[test]
    fn a_number_is_what_its_digits_say() {
        check("0", Some(0));
        check("-0.00", Some(0));
        check("12", Some(1200));
        check(" +12.50 ", Some(1250));
        check("-.5", Some(-50));
        check("5.", Some(500));
        check("12E4", Some(12_000_000));
        check("125e-2", Some(125));
        check("1200000e-7", Some(12));
        check("0.10000000000000000000000000000000000000000000", Some(10));
        check("000000000000000000000000000000000000000000000001067", Some(106_700));
        check(
            "999999999999999999999999999999999999.99",
            Some(99_999_999_999_999_999_999_999_999_999_999_999_999),
        );
        check("1000000000000000000000000000000000000", None);
        check("0.001", None);
        check("1e-3", None);
        for text in [
            "",
            " ",
            ".",
            "-",
            "e5",
            "1e",
            "1e+",
            "1,5",
            "1 2",
            "0x1F",
            "NaN",
            "inf",
            "1e999999999999",
            "12a",
            "--1",
        ] {
            check(text, None);
        }
    }
}
