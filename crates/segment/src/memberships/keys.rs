//! The keys of an index, for many rows at once.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;

/// The keys of an index, by number.
#[derive(Debug)]
pub(crate) enum Keys {
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Everything else, as text.
    Texts(StringArray),
}

impl Keys {
    /// All keys that the index knows.
    pub(crate) fn of(index: &KeyIndex) -> Result<Self, SqlError> {
        let column = index.column(0..index.len())?;
        if column.data_type().is_integer() {
            let wide = cast(&column, &DataType::Int64)?;
            return Ok(Self::Integers(wide.as_primitive::<Int64Type>().values().to_vec()));
        }
        Ok(Self::Texts(cast(&column, &DataType::Utf8)?.as_string::<i32>().clone()))
    }

    /// The keys with these numbers, as a column of the type.
    pub(crate) fn column(&self, numbers: &[u32], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let column: ArrayRef = match self {
            Self::Integers(keys) => {
                Arc::new(Int64Array::from_iter_values(numbers.iter().map(|&number| keys[number as usize])))
            }
            Self::Texts(keys) => take(keys, &UInt32Array::from(numbers.to_vec()), None)?,
        };
        cast(&column, data_type)
    }
}
