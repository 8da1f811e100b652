//! From JSON in texts to nested values, digits as they are written.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, MapArray, StringArray, StringBuilder, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields};
use arrow::error::ArrowError;
use serde_json::value::RawValue;

use super::parts::{Parts, named, place};
use super::reject::{describe, reject};
use crate::json::{self, text_of};
use crate::reason::Reason;
use crate::shown::legible;

pub(super) fn convert(
    texts: &StringArray,
    to: &DataType,
    parts: &mut Parts<'_>,
) -> Result<ArrayRef, ArrowError> {
    match to {
        DataType::Struct(fields) => structs(texts, fields, parts),
        DataType::Map(entries, _) => maps(texts, entries, parts),
        DataType::List(item) => lists(texts, item, parts),
        other => Err(ArrowError::NotYetImplemented(format!("{other} from JSON"))),
    }
}

fn structs(texts: &StringArray, fields: &Fields, parts: &mut Parts<'_>) -> Result<ArrayRef, ArrowError> {
    let mut columns: Vec<StringBuilder> = fields.iter().map(|_| StringBuilder::new()).collect();
    let mut valid = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let object = value_of(texts, row, &DataType::Struct(fields.clone()), parts, object);
        let mut values: Vec<Option<Option<&str>>> = vec![None; fields.len()];
        for (key, value) in object.iter().flatten() {
            let Some((at, _)) = fields.find(key) else { continue };
            if values[at].replace(value.as_deref()).is_some() {
                let text = format!("the object has the key `{}` twice", legible(key));
                let reason = || Reason::new(text, "the object has a key twice");
                parts.failures.entry(row).or_insert_with(reason);
            }
        }
        for (column, value) in columns.iter_mut().zip(values) {
            column.append_option(value.flatten());
        }
        valid.push(object.is_some());
    }
    let typed = |(column, field): (&mut StringBuilder, &FieldRef)| {
        let texts: ArrayRef = Arc::new(column.finish());
        parts.convert(&texts, field.data_type(), &|row| Some((row, named(field.name()))))
    };
    let columns = columns.iter_mut().zip(fields).map(typed).collect::<Result<Vec<_>, _>>()?;
    let nulls = Some(NullBuffer::from(valid));
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, texts.len())?))
}

fn lists(texts: &StringArray, item: &FieldRef, parts: &mut Parts<'_>) -> Result<ArrayRef, ArrowError> {
    let to = DataType::List(Arc::clone(item));
    let (mut items, mut lengths, mut valid) = (StringBuilder::new(), Vec::new(), Vec::new());
    for row in 0..texts.len() {
        let found = value_of(texts, row, &to, parts, list);
        lengths.push(found.as_ref().map_or(0, Vec::len));
        valid.push(found.is_some());
        for value in found.into_iter().flatten() {
            items.append_option(value);
        }
    }
    let offsets = OffsetBuffer::from_lengths(lengths);
    let items: ArrayRef = Arc::new(items.finish());
    let items = parts.convert(&items, item.data_type(), &|at| place(&offsets, at))?;
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets.clone(), items, Some(NullBuffer::from(valid)))?))
}

fn maps(texts: &StringArray, entries: &FieldRef, parts: &mut Parts<'_>) -> Result<ArrayRef, ArrowError> {
    let to = DataType::Map(Arc::clone(entries), false);
    let (mut keys, mut values) = (StringBuilder::new(), StringBuilder::new());
    let (mut lengths, mut valid) = (Vec::new(), Vec::new());
    for row in 0..texts.len() {
        let found = value_of(texts, row, &to, parts, object);
        lengths.push(found.as_ref().map_or(0, Vec::len));
        valid.push(found.is_some());
        for (key, value) in found.into_iter().flatten() {
            keys.append_value(key);
            values.append_option(value);
        }
    }
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(ArrowError::SchemaError(format!("{to} has no entries")));
    };
    let offsets = OffsetBuffer::from_lengths(lengths);
    let (keys, values): (StringArray, ArrayRef) = (keys.finish(), Arc::new(values.finish()));
    let key_at = |at: usize| {
        let row = place(&offsets, at)?.0;
        Some((row, named(keys.value(at))))
    };
    let values = parts.convert(&values, fields[1].data_type(), &key_at)?;
    let pairs = StructArray::try_new(fields.clone(), vec![Arc::new(keys.clone()), values], None)?;
    let nulls = Some(NullBuffer::from(valid));
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, false)?))
}

/// What a reader makes of the text of a row; what it cannot read is rejected.
fn value_of<T>(
    texts: &StringArray,
    row: usize,
    to: &DataType,
    parts: &mut Parts<'_>,
    read: fn(&str) -> serde_json::Result<T>,
) -> Option<T> {
    let text = texts.is_valid(row).then(|| texts.value(row))?;
    let found = read(text).ok();
    if found.is_none() {
        reject(parts.failures, row, text, describe(to));
    }
    found
}

/// The keys of an object, and their values as texts.
fn object(text: &str) -> serde_json::Result<Vec<(String, Option<String>)>> {
    let json::Fields(fields) = serde_json::from_str(text)?;
    fields.into_iter().map(|(key, value)| Ok((key.0.into_owned(), owned(value)?))).collect()
}

/// The items of a list as texts.
fn list(text: &str) -> serde_json::Result<Vec<Option<String>>> {
    serde_json::from_str::<Vec<&RawValue>>(text)?.into_iter().map(owned).collect()
}

fn owned(value: &RawValue) -> serde_json::Result<Option<String>> {
    Ok(text_of(value)?.map(std::borrow::Cow::into_owned))
}
