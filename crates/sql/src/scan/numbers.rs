//! The values of columns as plain numbers.
//!
//! Whole numbers, dates, instants, truth values and decimals of up to 18 digits are 64-bit integers; longer decimals are 128-bit
//! ones; floats are floats. Where only the order of values matters, a float stands as the integer of the same order.

use std::hash::{BuildHasher, Hasher};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use crate::SqlError;

/// How the values of a type are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// As a 64-bit integer.
    Integer,
    /// As a 128-bit integer: a decimal's digits.
    Decimal,
    /// As a float.
    Float,
}

/// Digits of a decimal that fit into 64 bits.
const SHORT_DECIMAL: u8 = 18;

impl ValueKind {
    /// How values of a type are held; `None` for types that are no numbers, such as text.
    #[must_use]
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Boolean | DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
                Some(Self::Integer)
            }
            DataType::UInt64 | DataType::Float16 => None,
            data_type if data_type.is_integer() => Some(Self::Integer),
            DataType::Decimal128(precision, _) if *precision <= SHORT_DECIMAL => Some(Self::Integer),
            DataType::Decimal128(..) => Some(Self::Decimal),
            DataType::Float32 | DataType::Float64 => Some(Self::Float),
            _ => None,
        }
    }
}

/// Numbers of a column and where there is none.
#[derive(Debug, Clone)]
pub enum Numbers {
    /// Whole numbers; the digits of decimals.
    Digits(ScalarBuffer<i64>, Option<NullBuffer>),
    /// Floats.
    Floats(Vec<f64>, Option<NullBuffer>),
}

impl Numbers {
    /// The numbers of a column: exact where they have up to 18 digits.
    ///
    /// # Errors
    /// [`SqlError::Data`] when the column holds no numbers.
    pub fn of(column: &ArrayRef) -> Result<Self, SqlError> {
        if Self::are_digits(column.data_type()) {
            let (digits, nulls) = integers(column)?;
            return Ok(Self::Digits(digits, nulls));
        }
        let Values { values, nulls } = floats(column)?;
        Ok(Self::Floats(values, nulls))
    }

    /// Whether numbers of a type are held as digits.
    #[must_use]
    pub fn are_digits(data_type: &DataType) -> bool {
        ValueKind::of(data_type) == Some(ValueKind::Integer)
    }
}

/// The values of a column; what stands where there is no value is undefined.
pub(super) struct Values<T> {
    pub(super) values: Vec<T>,
    pub(super) nulls: Option<NullBuffer>,
}

/// A column whose kind is [`ValueKind::Integer`].
pub(super) fn integers(column: &ArrayRef) -> Result<(ScalarBuffer<i64>, Option<NullBuffer>), SqlError> {
    if let DataType::Decimal128(..) = column.data_type() {
        let digits: &PrimitiveArray<Decimal128Type> = column.as_primitive();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "up to 18 digits, as the kind says; what stands for null may be anything"
        )]
        let narrow: Vec<i64> = digits.values().iter().map(|&value| value as i64).collect();
        return Ok((narrow.into(), digits.nulls().cloned()));
    }
    let narrow = cast(column, &DataType::Int64)?;
    let narrow: &Int64Array = narrow.as_primitive::<Int64Type>();
    Ok((narrow.values().clone(), narrow.nulls().cloned()))
}

/// A column whose kind is [`ValueKind::Integer`] or [`ValueKind::Decimal`], as 128-bit integers.
pub(super) fn decimals(column: &ArrayRef) -> Result<Values<i128>, SqlError> {
    match column.data_type() {
        DataType::Decimal128(..) => {
            let digits: &PrimitiveArray<Decimal128Type> = column.as_primitive();
            Ok(Values { values: digits.values().to_vec(), nulls: digits.nulls().cloned() })
        }
        _ => {
            let (values, nulls) = integers(column)?;
            Ok(Values { values: values.iter().map(|&value| i128::from(value)).collect(), nulls })
        }
    }
}

/// A column of any kind as floats.
pub(super) fn floats(column: &ArrayRef) -> Result<Values<f64>, SqlError> {
    let wide = cast(column, &DataType::Float64)?;
    let wide: &PrimitiveArray<Float64Type> = wide.as_primitive();
    Ok(Values { values: wide.values().to_vec(), nulls: wide.nulls().cloned() })
}

/// A column of a kind other than [`ValueKind::Decimal`] as integers of the same order.
pub(super) fn ordered(column: &ArrayRef) -> Result<(ScalarBuffer<i64>, Option<NullBuffer>), SqlError> {
    if ValueKind::of(column.data_type()) == Some(ValueKind::Float) {
        let Values { values, nulls } = floats(column)?;
        let codes: Vec<i64> = values.into_iter().map(order_of_float).collect();
        return Ok((codes.into(), nulls));
    }
    integers(column)
}

/// The integer that stands among integers where the float stands among floats; both zeros are one.
pub(super) fn order_of_float(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// The float whose order an integer stands for.
#[must_use]
pub fn float_of_order(code: i64) -> f64 {
    f64::from_bits((code ^ ((code >> 63).cast_unsigned() >> 1).cast_signed()).cast_unsigned())
}

/// A code for each value of a column, equal for equal values: the value itself where it is a number, 128 bits of a hash for a text.
pub(super) fn codes(column: &ArrayRef) -> Result<Values<u128>, SqlError> {
    if ValueKind::of(column.data_type()).is_some_and(|kind| kind != ValueKind::Decimal) {
        let (values, nulls) = ordered(column)?;
        return Ok(Values {
            values: values.iter().map(|&value| u128::from(value.cast_unsigned())).collect(),
            nulls,
        });
    }
    if let DataType::Decimal128(..) = column.data_type() {
        let Values { values, nulls } = decimals(column)?;
        return Ok(Values { values: values.into_iter().map(i128::cast_unsigned).collect(), nulls });
    }
    let texts = cast(column, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let values = (0..texts.len()).map(|row| text_code(texts.value(row))).collect();
    Ok(Values { values, nulls: texts.nulls().cloned() })
}

/// Two independent 64-bit hashes with fixed keys.
fn text_code(text: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().build_hasher();
        hasher.write_u8(salt);
        hasher.write(text.as_bytes());
        hasher.finish()
    };
    u128::from(half(0)) << 64 | u128::from(half(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_keep_their_order_as_integers() {
        let sorted = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 0.25, 7.0, f64::INFINITY];
        for pair in sorted.windows(2) {
            assert!(order_of_float(pair[0]) < order_of_float(pair[1]), "{pair:?}");
        }
        for value in sorted {
            assert_eq!(float_of_order(order_of_float(value)), value);
        }
        assert_eq!(order_of_float(-0.0), order_of_float(0.0));
    }
}
