//! Values that cannot become what a column holds.

use std::collections::HashMap;

use arrow::datatypes::DataType;

use crate::reason::Reason;

/// Why values are rejected, by the place of the row.
pub(super) type Failures = HashMap<usize, Reason>;

/// Notes that a value is not what it has to be.
pub(super) fn reject(failures: &mut Failures, row: usize, value: impl std::fmt::Display, what: &str) {
    failures.entry(row).or_insert_with(|| Reason::is_not(&value.to_string(), what));
}

/// What a whole number is not that would be another one in floating point.
pub(super) const FLOAT_HOLDS: &str = "a whole number that float64 holds";

/// What a value of a type is called in a message.
pub(super) fn describe(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int32 | DataType::Int64 => "a whole number",
        DataType::Float64 => "a number",
        DataType::Decimal128(..) => "a number that fits the column",
        DataType::Boolean => "true or false",
        DataType::Date32 => "a date",
        DataType::Timestamp(..) => "an instant",
        DataType::List(item) if *item.data_type() == DataType::Utf8 => "a JSON list of texts",
        DataType::List(_) => "a JSON list",
        DataType::Struct(_) | DataType::Map(..) => "a JSON object",
        _ => "a text",
    }
}
