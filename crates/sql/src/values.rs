//! Columns of a result as plain Rust values.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;
use jiff::Timestamp;

use crate::SqlError;

/// An instant as a literal of an expression.
#[must_use]
pub fn instant_literal(instant: Timestamp) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(instant.as_microsecond()), Some("UTC".into())))
}

/// A column as numbers, over all batches.
///
/// # Errors
/// [`SqlError::Data`] when the column is not numeric.
pub fn column_f64(batches: &[RecordBatch], column: usize) -> Result<Vec<Option<f64>>, SqlError> {
    let mut values = Vec::new();
    for batch in batches {
        let array = cast(batch.column(column), &DataType::Float64)?;
        values.extend(array.as_primitive::<Float64Type>().iter());
    }
    Ok(values)
}

/// A column as whole numbers (an instant as microseconds), over all batches.
///
/// # Errors
/// [`SqlError::Data`] when the column is not numeric.
pub fn column_i64(batches: &[RecordBatch], column: usize) -> Result<Vec<Option<i64>>, SqlError> {
    let mut values = Vec::new();
    for batch in batches {
        let array = cast(batch.column(column), &DataType::Int64)?;
        values.extend(array.as_primitive::<Int64Type>().iter());
    }
    Ok(values)
}

/// A column as text, over all batches.
///
/// # Errors
/// [`SqlError::Data`] when the column cannot be shown as text.
pub fn column_text(batches: &[RecordBatch], column: usize) -> Result<Vec<Option<String>>, SqlError> {
    let mut values = Vec::new();
    for batch in batches {
        let array = cast(batch.column(column), &DataType::Utf8)?;
        let text = array.as_string::<i32>();
        values.extend((0..text.len()).map(|row| text.is_valid(row).then(|| text.value(row).to_owned())));
    }
    Ok(values)
}
