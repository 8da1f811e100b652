//! Columns of a wide table that come from another: traits that failed as the refresh before had them, and those of other pipelines.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{Field, Schema};
use datafusion::prelude::ident;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, SqlError};
use tranche_store::Lake;

use crate::error::SegmentError;
use crate::store::traits_table;

/// A wide table, whose `failed` columns have the values that were published before; null for who had none.
pub(crate) async fn with_traits_before(
    traits: RecordBatch,
    (entity, key): (&str, &str),
    failed: &[String],
    lake: &Lake,
    session: &Session,
) -> Result<RecordBatch, SegmentError> {
    let Some(stored) = lake.snapshot(&traits_table(entity)).await? else { return Ok(traits) };
    let schema = stored.schema()?;
    let there: Vec<&String> = failed.iter().filter(|name| schema.field_with_name(name).is_ok()).collect();
    if there.is_empty() || schema.field_with_name(key).is_err() {
        return Ok(traits);
    }
    let columns = std::iter::once(key).chain(there.iter().map(|name| name.as_str()));
    let frame = session.read(&stored).await?.select(columns.map(ident).collect::<Vec<_>>());
    let found = session.collect_frame(frame.map_err(SqlError::engine)?).await?;
    let before = concat_batches(&found.schema, &found.batches).map_err(SqlError::from)?;
    let there: Vec<String> = there.into_iter().cloned().collect();
    Ok(joined(&traits, key, &before, &there)?)
}

/// The rows of a table with some columns that another has of the same keys: in the place of their own, or after them.
pub(super) fn joined(
    rows: &RecordBatch,
    key: &str,
    other: &RecordBatch,
    columns: &[String],
) -> Result<RecordBatch, SqlError> {
    let missing = || SqlError::Engine(format!("the wide table lacks `{key}`"));
    let keys = other.column_by_name(key).ok_or_else(missing)?;
    let mut index = KeyIndex::new(keys.data_type());
    let places = index.insert(keys)?;
    let mut row_of = vec![None; index.len() as usize];
    for (row, place) in (0_u32..).zip(places) {
        if let Some(place) = place {
            row_of[place as usize].get_or_insert(row);
        }
    }
    let own = rows.column_by_name(key).ok_or_else(missing)?;
    let found: UInt32Array =
        index.numbers(own)?.into_iter().map(|place| row_of.get(place as usize).copied().flatten()).collect();
    let schema = rows.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    let mut arrays = rows.columns().to_vec();
    for name in columns.iter().filter(|name| *name != key) {
        let Some((place, field)) = other.schema_ref().column_with_name(name) else { continue };
        let values = other.column(place);
        match schema.column_with_name(name) {
            // A trait whose type has changed has no value that it could keep.
            Some((at, own)) => {
                arrays[at] = match cast(values, own.data_type()) {
                    Ok(values) => take(&values, &found, None)?,
                    Err(_) => new_null_array(own.data_type(), rows.num_rows()),
                };
            }
            None => {
                fields.push(Arc::new(field.clone().with_nullable(true)));
                arrays.push(take(values, &found, None)?);
            }
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn columns_keep_the_values_of_the_keys_that_had_some() {
        let batch = |columns: Vec<(&str, ArrayRef)>| {
            RecordBatch::try_from_iter_with_nullable(
                columns.into_iter().map(|(name, values)| (name, values, true)),
            )
        };
        let texts = |texts: &[&str]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
        let numbers = |numbers: &[Option<i64>]| -> ArrayRef { Arc::new(Int64Array::from(numbers.to_vec())) };
        let (ada, bob, eve) = ("ada", "bob", "eve");
        let now = [
            ("id", texts(&[ada, bob, eve])),
            ("spent", numbers(&[None; 3])),
            ("orders", numbers(&[Some(1), Some(2), Some(3)])),
        ];
        let before = [
            ("id", texts(&[eve, ada])),
            ("spent", numbers(&[Some(7), Some(9)])),
            ("visits", numbers(&[Some(70), Some(90)])),
        ];
        let columns = ["spent".to_owned(), "visits".to_owned()];
        let (now, before) = (batch(now.to_vec()).unwrap(), batch(before.to_vec()).unwrap());
        let found = joined(&now, "id", &before, &columns).unwrap();
        assert_eq!(found.column(1).as_ref(), numbers(&[Some(9), None, Some(7)]).as_ref());
        assert_eq!(found.column(2).as_ref(), numbers(&[Some(1), Some(2), Some(3)]).as_ref());
        assert_eq!(found.column(3).as_ref(), numbers(&[Some(90), None, Some(70)]).as_ref());
    }
}
