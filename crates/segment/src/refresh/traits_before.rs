//! Traits that failed, as the refresh before had them.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{cast, concat_batches, take};
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
    Ok(replaced(&traits, key, &before)?)
}

/// The rows of a table with the columns that another has of them.
fn replaced(traits: &RecordBatch, key: &str, before: &RecordBatch) -> Result<RecordBatch, SqlError> {
    let mut index = KeyIndex::new(before.column(0).data_type());
    index.insert(before.column(0))?;
    let missing = || SqlError::Engine(format!("the wide table lacks `{key}`"));
    let keys = traits.column_by_name(key).ok_or_else(missing)?;
    let numbers = index.numbers(keys)?.into_iter();
    let places: UInt32Array = numbers.map(|number| (number < index.len()).then_some(number)).collect();
    let schema = traits.schema();
    let columns = schema.fields().iter().zip(traits.columns()).map(|(field, column)| {
        match before.column_by_name(field.name()).filter(|_| field.name() != key) {
            // A trait whose type has changed has no value that it could keep.
            Some(values) => match cast(values, field.data_type()) {
                Ok(values) => Ok(take(&values, &places, None)?),
                Err(_) => Ok(new_null_array(field.data_type(), column.len())),
            },
            None => Ok(Arc::clone(column)),
        }
    });
    let columns = columns.collect::<Result<Vec<_>, SqlError>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
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
        let before = [("id", texts(&[eve, ada])), ("spent", numbers(&[Some(7), Some(9)]))];
        let found = replaced(&batch(now.to_vec()).unwrap(), "id", &batch(before.to_vec()).unwrap()).unwrap();
        assert_eq!(found.column(1).as_ref(), numbers(&[Some(9), None, Some(7)]).as_ref());
        assert_eq!(found.column(2).as_ref(), numbers(&[Some(1), Some(2), Some(3)]).as_ref());
    }
}
