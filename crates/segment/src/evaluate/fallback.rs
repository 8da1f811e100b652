//! Definitions that share no scan: each runs as a query of its own.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{concat_batches, is_not_null, take};
use tranche_project::SourceFile;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{PersonalColumns, Session, SqlError, by_row};

use crate::definition::in_segment::InSegment;
use crate::definition::traits::scalar;
use crate::definition::validated::TraitsDefinition;
use crate::error::SegmentError;

/// The rows of a definition's query, in one batch, and how many rows were read for it.
pub(crate) async fn query(
    name: &str,
    file: &SourceFile,
    place: InSegment<'_>,
    session: &Session,
) -> Result<(RecordBatch, u64), SegmentError> {
    let failed = |source| SegmentError::Query { definition: name.to_owned(), source };
    let plan = session.plan(file.text(), &place).await;
    let plan = plan.map_err(|problem| SegmentError::definition(file, problem))?;
    let collected = session.collect(&plan).await.map_err(failed)?;
    let batch = concat_batches(&collected.schema, &collected.batches).map_err(SqlError::from)?;
    Ok((batch, collected.rows_read))
}

/// Runs a file of traits and adds its columns, one row for each entity of the index; returns the rows that were read.
pub(crate) async fn add_traits(
    definition: &TraitsDefinition,
    index: &KeyIndex,
    session: &Session,
    columns: &mut HashMap<String, ArrayRef>,
) -> Result<u64, SegmentError> {
    let (rows, read) = query(&definition.name, &definition.file, InSegment::InTraits, session).await?;
    let mut row_of: Vec<Option<u32>> = vec![None; index.len() as usize];
    let mut of_keys = KeyIndex::new(rows.column(0).data_type());
    let mut distinct = 0;
    for (row, number) in of_keys.insert(rows.column(0))?.into_iter().enumerate() {
        let Some(number) = number else { continue };
        if number < distinct {
            let is_personal = session.personal().has_named(rows.schema().field(0).name());
            let key = PersonalColumns::shown(is_personal, || by_row::shown(rows.column(0), row));
            return Err(SegmentError::Ambiguous { definition: definition.name.clone(), what: "row", key });
        }
        distinct += 1;
    }
    for (row, number) in index.numbers(rows.column(0))?.into_iter().enumerate() {
        if let Some(place) = row_of.get_mut(number as usize) {
            *place = u32::try_from(row).ok();
        }
    }
    let places = UInt32Array::from(row_of);
    let schema = rows.schema();
    for (field, column) in schema.fields().iter().zip(rows.columns()).skip(1) {
        let values = take(column, &places, None).map_err(SqlError::from)?;
        let values = match definition.defaults.get(field.name()) {
            Some(default) => {
                let default = scalar(&default.value).cast_to(field.data_type()).map_err(SqlError::engine)?;
                let default = default.to_scalar().map_err(SqlError::engine)?;
                zip(&is_not_null(&values).map_err(SqlError::from)?, &values, &default)
                    .map_err(SqlError::from)?
            }
            None => values,
        };
        columns.insert(field.name().clone(), values);
    }
    Ok(read)
}
