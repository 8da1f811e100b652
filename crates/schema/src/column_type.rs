//! Column types as a contract writes them: `int64`, `decimal(12,2)`, `timestamp(us, UTC)`, `list(utf8)`; and the nested ones that raw
//! columns may have besides: [`parse_raw_type`](crate::parse_raw_type).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use thiserror::Error;

/// The author's: a column type that contracts do not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "unknown column type `{0}`; use one of int32, int64, float64, utf8, boolean, date32, timestamp(us, UTC), decimal(precision,scale), list(utf8)"
)]
pub struct ColumnTypeError(String);

/// Reads a column type as a contract writes it. Spaces and letter case do not matter.
///
/// # Errors
/// [`ColumnTypeError`] when the text names no type, or a decimal's precision lies outside 1 to 38 or its
/// scale above the precision.
pub fn parse_column_type(text: &str) -> Result<DataType, ColumnTypeError> {
    let compact: String =
        text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    let unknown = || ColumnTypeError(text.to_owned());
    Ok(match compact.as_str() {
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "float64" => DataType::Float64,
        "utf8" => DataType::Utf8,
        "boolean" => DataType::Boolean,
        "date32" => DataType::Date32,
        "timestamp(us,utc)" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "list(utf8)" => DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))),
        other => {
            let inner =
                other.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(unknown)?;
            let (precision, scale) = inner.split_once(',').ok_or_else(unknown)?;
            let precision: u8 = precision.parse().map_err(|_| unknown())?;
            let scale: i8 = scale.parse().map_err(|_| unknown())?;
            if !(1..=38).contains(&precision) || scale < 0 || scale.unsigned_abs() > precision {
                return Err(unknown());
            }
            DataType::Decimal128(precision, scale)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_contracts_write_them() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (text, expected) in [
            ("int64", Some(DataType::Int64)),
            ("timestamp(us, UTC)", Some(utc)),
            ("decimal(12,2)", Some(DataType::Decimal128(12, 2))),
            ("Decimal(38, 0)", Some(DataType::Decimal128(38, 0))),
            ("decimal(39,2)", None),
            ("decimal(4,5)", None),
            ("decimal(4)", None),
            ("string", None),
        ] {
            assert_eq!(parse_column_type(text).ok(), expected, "{text}");
        }
    }
}
