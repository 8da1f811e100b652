//! The rows of a query's result.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

use super::column::Column;
use super::rows::Rows;
use crate::failure::Failure;

impl Rows {
    /// The rows of a query's result.
    pub(crate) fn from_batches(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Self, Failure> {
        let column = |field: &FieldRef| match field.data_type() {
            DataType::Timestamp(..) | DataType::Date32 => Column::instant(field.name()),
            _ => Column::any(field.name()),
        };
        let columns: Vec<Column> = schema.fields().iter().map(column).collect();
        let mut rows = Self::new(&columns);
        let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
        for batch in batches {
            let internal = |e: arrow::error::ArrowError| Failure::internal(e.to_string());
            let formatters = batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options));
            let formatters = formatters.collect::<Result<Vec<_>, _>>().map_err(internal)?;
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter().zip(&formatters);
                rows.push(values.map(|(column, text)| value(column.as_ref(), row, text)).collect());
            }
        }
        Ok(rows)
    }
}

/// A cell: numbers and truth values as such, everything else as text.
fn value(column: &dyn Array, row: usize, formatter: &ArrayFormatter<'_>) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    let shown = formatter.value(row).to_string();
    match column.data_type() {
        DataType::Boolean => Value::Bool(shown == "true"),
        t if t.is_integer() => shown.parse::<i64>().map_or_else(|_| Value::String(shown), Value::from),
        // A double holds fifteen digits for certain; a longer number keeps them as text.
        DataType::Decimal128(..) if shown.chars().filter(char::is_ascii_digit).count() > 15 => {
            Value::String(shown)
        }
        t if t.is_numeric() => shown.parse::<f64>().map_or_else(|_| Value::String(shown), Value::from),
        _ => Value::String(shown),
    }
}
