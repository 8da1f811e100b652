//! From raw types to the contract's types: a value is what it was, or its row is a reject, or the pair of types is refused with what
//! to write. `docs/definitions/conversions.md` has the tables.

mod json_texts;
mod nested;
mod numbers;
mod parts;
mod reject;
#[cfg(test)]
mod table_tests;
mod texts;
mod times;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;
use tranche_schema::raw_type_name;
use tranche_sql::names;

use crate::values::Values;
pub(crate) use numbers::ValueOrigin;
use parts::Parts;
use reject::{Failures, describe, reject};

/// Why no value of one type can become a value of another, with what to write; `None` where values can.
pub(crate) fn refused(from: &DataType, to: &DataType, name: &str) -> Option<String> {
    let from = plain_type(from);
    let what = describe(to);
    let message =
        |write: String| Some(format!("a value of type {} is not {what}; {write}", raw_type_name(&from)));
    let written = names::as_written(name);
    let quote = if written.contains('"') { '\'' } else { '"' };
    let sql = |sql: &str| message(format!("write `{name}: {quote}{sql}{quote}`, or whatever else is meant"));
    match (&from, to) {
        (DataType::Null | DataType::Utf8, _) => None,
        (_, DataType::Utf8) if !matches!(from, DataType::Interval(_) | DataType::Duration(_)) => None,
        (from, DataType::Timestamp(..)) if from.is_numeric() => {
            sql(&format!("to_timestamp_millis({written})"))
        }
        (from, DataType::Date32) if from.is_numeric() => {
            sql(&format!("CAST(to_timestamp_millis({written}) AS DATE)"))
        }
        (DataType::Date32 | DataType::Timestamp(..), DataType::Date32 | DataType::Timestamp(..)) => None,
        (DataType::Boolean | DataType::Int64, DataType::Boolean) => None,
        (from, DataType::Boolean) if from.is_numeric() => sql(&format!("{written} <> 0")),
        (from, to) if (from.is_numeric() || *from == DataType::Boolean) && to.is_numeric() => None,
        (DataType::Date32 | DataType::Timestamp(..), to) if to.is_numeric() => {
            sql(&format!("date_part('epoch', {written})"))
        }
        (DataType::List(items), DataType::List(_)) if plain_type(items.data_type()) == DataType::Utf8 => None,
        _ => message(format!("map it in the source with `columns: {{{name}: \"...\"}}`")),
    }
}

/// The values of a column in the contract's type; [`refused`] knows types for which this fails as a whole.
pub(crate) fn convert(array: &ArrayRef, to: &DataType, from: ValueOrigin) -> Result<Values, ArrowError> {
    let mut failures = HashMap::new();
    let array = plain(array, to, &mut failures)?;
    let converted = match (array.data_type(), to) {
        (from, to) if from == to && !to.is_floating() => array,
        (DataType::Null, to) => new_null_array(to, array.len()),
        (DataType::Utf8, to) if to.is_nested() && !is_list_of_texts(to) => {
            let mut parts = Parts { of_values: convert, failures: &mut failures };
            json_texts::convert(array.as_string(), to, &mut parts)?
        }
        (DataType::Utf8, to) => texts::convert(array.as_string::<i32>(), to, &mut failures)?,
        (DataType::Date32 | DataType::Timestamp(..), to) => times::convert(&array, to, &mut failures)?,
        (source, to) if source.is_numeric() || *source == DataType::Boolean => {
            numbers::convert(&array, to, from, &mut failures)?
        }
        (source, DataType::Utf8) if source.is_nested() => nested::json(&array)?,
        (source, to) if source.is_nested() => {
            nested::convert(&array, to, &mut Parts { of_values: convert, failures: &mut failures })?
        }
        (_, to) => cast(&array, to)?,
    };
    Ok(Values { array: converted, failures })
}

fn is_list_of_texts(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(item) if *item.data_type() == DataType::Utf8)
}

/// Whether raw values of one type are values of another whatever they are: of the same kind, in another encoding or not as wide. Only
/// instants may have digits that the other lacks.
pub(crate) fn reads_as(from: &DataType, to: &DataType) -> bool {
    use DataType as Type;
    if from == to {
        return true;
    }
    if let Type::Dictionary(_, values) = from {
        return reads_as(values, to);
    }
    let widest = |from: &DataType| matches!(from, Type::UInt32 | Type::Int64);
    match (plain_type(from), to) {
        (Type::Null, _) => true,
        (Type::Int64, Type::Int32) => !widest(from),
        (Type::Decimal128(own, scale), Type::Decimal128(precision, wanted)) => {
            let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
            scale <= *wanted && whole(own, scale) <= whole(*precision, *wanted)
        }
        (Type::Utf8, Type::Decimal128(precision, wanted)) => match from {
            Type::Decimal256(own, scale) => (own, scale) == (precision, wanted),
            _ => false,
        },
        (Type::Utf8, Type::Utf8) => !matches!(from, Type::Decimal256(..)),
        (Type::Date32 | Type::Timestamp(..), to) if *from == Type::Date64 => {
            matches!(to, Type::Date32 | Type::Timestamp(..))
        }
        (Type::Timestamp(..), Type::Timestamp(..)) => true,
        (Type::Struct(own), Type::Struct(wanted)) => wanted.iter().all(|field| {
            own.find(field.name()).is_some_and(|(_, own)| reads_as(own.data_type(), field.data_type()))
        }),
        (Type::List(own), Type::List(wanted)) => reads_as(own.data_type(), wanted.data_type()),
        (Type::Map(own, _), Type::Map(wanted, _)) => match (own.data_type(), wanted.data_type()) {
            (Type::Struct(own), Type::Struct(wanted)) => {
                own.iter().zip(wanted).all(|(own, wanted)| reads_as(own.data_type(), wanted.data_type()))
            }
            _ => false,
        },
        (own, to) => own == *to,
    }
}

/// The type that values of a type are looked at in: different encodings and widths of the same are one.
fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Utf8
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 => DataType::Int64,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 | DataType::Float32 => DataType::Float64,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(..) => DataType::Utf8,
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::LargeList(items) | DataType::ListView(items) | DataType::LargeListView(items) => {
            DataType::List(Arc::clone(items))
        }
        DataType::FixedSizeList(items, _) => DataType::List(Arc::clone(items)),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Utf8,
        other => other.clone(),
    }
}

/// The bytes of a UUID.
const UUID: i32 = 16;

fn plain(array: &ArrayRef, to: &DataType, failures: &mut Failures) -> Result<ArrayRef, ArrowError> {
    let wanted = plain_type(array.data_type());
    match array.data_type() {
        DataType::FixedSizeBinary(UUID) => Ok(uuids(array)),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let bytes = cast(array, &DataType::Binary)?;
            for (row, bytes) in bytes.as_binary::<i32>().iter().enumerate() {
                if bytes.is_some_and(|bytes| std::str::from_utf8(bytes).is_err()) {
                    reject(failures, row, "a sequence of bytes", "text in UTF-8");
                }
            }
            cast(&bytes, &DataType::Utf8)
        }
        // The digits of a narrow number are those that it is printed with.
        DataType::Float16 | DataType::Float32 if matches!(to, DataType::Utf8 | DataType::Decimal128(..)) => {
            numbers::digits_of_narrow(array)
        }
        own if *own == wanted => Ok(Arc::clone(array)),
        _ => cast(array, &wanted),
    }
}

fn uuids(array: &ArrayRef) -> ArrayRef {
    let text = |bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    };
    let texts: StringArray = array.as_fixed_size_binary().iter().map(|bytes| bytes.map(text)).collect();
    Arc::new(texts)
}
