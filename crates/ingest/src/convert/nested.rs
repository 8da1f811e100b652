//! From nested values: to the JSON that a line of NDJSON would have for them, and to nested values of other types.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, StringBuilder, StructArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use arrow::error::ArrowError;
use arrow_json::EncoderOptions;
use arrow_json::writer::make_encoder;

use super::parts::{Parts, named, place};

pub(super) fn json(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let field = Arc::new(Field::new("value", array.data_type().clone(), true));
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, array, &options)?;
    let mut texts = StringBuilder::new();
    let mut text = Vec::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            texts.append_null();
            continue;
        }
        text.clear();
        encoder.encode(row, &mut text);
        texts.append_value(String::from_utf8_lossy(&text));
    }
    Ok(Arc::new(texts.finish()))
}

/// Nested values with the fields and the types of others, by the names of their fields.
pub(super) fn convert(
    array: &ArrayRef,
    to: &DataType,
    parts: &mut Parts<'_>,
) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), to) {
        (DataType::Struct(_), DataType::Struct(fields)) => structs(array.as_struct(), fields, parts),
        (DataType::List(_), DataType::List(item)) => lists(array.as_list(), item, parts),
        (DataType::Map(..), DataType::Map(entries, _)) => maps(array.as_map(), entries, parts),
        _ => cast(array, to),
    }
}

fn structs(array: &StructArray, fields: &Fields, parts: &mut Parts<'_>) -> Result<ArrayRef, ArrowError> {
    let column = |field: &FieldRef| match array.column_by_name(field.name()) {
        Some(own) => parts.convert(own, field.data_type(), &|row| Some((row, named(field.name())))),
        None => Ok(new_null_array(field.data_type(), array.len())),
    };
    let columns = fields.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let nulls = array.nulls().cloned();
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())?))
}

fn lists(array: &ListArray, item: &FieldRef, parts: &mut Parts<'_>) -> Result<ArrayRef, ArrowError> {
    let place = |at: usize| place(array.offsets(), at);
    let items = parts.convert(array.values(), item.data_type(), &place)?;
    let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, items, nulls)?))
}

fn maps(array: &MapArray, entries: &FieldRef, parts: &mut Parts<'_>) -> Result<ArrayRef, ArrowError> {
    let DataType::Struct(fields) = entries.data_type() else { return cast(array, entries.data_type()) };
    let place = |at: usize| place(array.offsets(), at);
    let keys = parts.convert(array.keys(), fields[0].data_type(), &place)?;
    let values = parts.convert(array.values(), fields[1].data_type(), &place)?;
    let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, false)?))
}
