//! Merging files of memberships that ended: a refresh adds one, so they would become many.

use std::collections::BTreeMap;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tranche_schema::platform::memberships;
use tranche_sql::{SqlError, parallel};
use tranche_store::commit::FileCommit;
use tranche_store::encoding::{ParquetFile, parquet_options};
use tranche_store::{DataFile, Lake, StoreError};

use super::commit::ENDED_PREFIX;
use super::layout::{Kind, StoredFile};
use super::{OBJECTS_AT_A_TIME, fetch, stored_key};
use crate::error::SegmentError;
use crate::store::memberships_table;

/// So many small files of ended memberships may there be.
const SMALL_FILES: usize = 30;

/// A file with at least so many rows is not small, and stays as it is.
const SMALL_ROWS: u64 = 1 << 20;

/// No merged file has more rows.
const MERGED_ROWS: usize = 1 << 22;

/// Merges the small files of an entity's ended memberships when there are too many of them, in one commit; how many were merged.
///
/// # Errors
/// [`StoreError::Conflict`] when another commit was in the way; nothing is changed then.
pub(crate) async fn compact(lake: &Lake, entity: &str) -> Result<usize, SegmentError> {
    let table = memberships_table(entity);
    let Some(base) = lake.snapshot(&table).await? else { return Ok(0) };
    let small: Vec<DataFile> = base
        .file_statistics()?
        .into_iter()
        .map(|(file, known)| StoredFile::new(file, &known))
        .filter(|stored| stored.kind == Kind::Ended && stored.file.rows.is_some_and(|rows| rows < SMALL_ROWS))
        .map(|stored| stored.file)
        .collect();
    let Some(key) = stored_key(&base)?.filter(|_| small.len() > SMALL_FILES) else { return Ok(0) };
    let schema = memberships::schema(&key.name, &key.data_type);
    let folder = base.objects();
    let fetched = small.iter().map(|file| fetch(folder.as_ref(), file)).collect::<Vec<_>>();
    let fetched: Vec<Bytes> = stream::iter(fetched).buffered(OBJECTS_AT_A_TIME).try_collect().await?;
    let columns = SchemaRef::clone(&schema);
    let files = parallel::blocking(move || merge(&fetched, &columns)).await?;
    let mut add = Vec::new();
    for file in files {
        add.push(file.put(folder.as_ref(), ENDED_PREFIX, BTreeMap::new()).await?);
    }
    let merged = small.len();
    let commit = FileCommit {
        table,
        schema,
        partition_by: Vec::new(),
        base: Some(base),
        remove: small,
        add,
        transactions: Vec::new(),
    };
    lake.replace_files(commit).await?;
    Ok(merged)
}

/// The rows of all files in the order of segment, key and entry.
fn merge(files: &[Bytes], schema: &SchemaRef) -> Result<Vec<ParquetFile>, SegmentError> {
    let mut batches = Vec::new();
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).map_err(StoreError::from)?;
        for batch in reader.build().map_err(StoreError::from)? {
            batches.push(conform(&batch.map_err(SqlError::from)?, schema)?);
        }
    }
    let all = concat_batches(schema, &batches).map_err(SqlError::from)?;
    let by = |column: usize| SortColumn { values: std::sync::Arc::clone(all.column(column)), options: None };
    let order = lexsort_to_indices(&[by(0), by(1), by(2)], None).map_err(SqlError::from)?;
    let starts = (0..order.len()).step_by(MERGED_ROWS);
    starts.map(|start| encode(&all, &order.slice(start, MERGED_ROWS.min(order.len() - start)))).collect()
}

fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, SqlError> {
    let columns = schema.fields().iter().map(|field| {
        let missing = || SqlError::Data(format!("memberships have no column `{}`", field.name()));
        let column = batch.column_by_name(field.name()).ok_or_else(missing)?;
        Ok(arrow::compute::cast(column, field.data_type())?)
    });
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns.collect::<Result<Vec<_>, SqlError>>()?)?)
}

fn encode(all: &RecordBatch, order: &UInt32Array) -> Result<ParquetFile, SegmentError> {
    let columns = all.columns().iter().map(|column| take(column, order, None)).collect::<Result<Vec<_>, _>>();
    let rows =
        RecordBatch::try_new(all.schema(), columns.map_err(SqlError::from)?).map_err(SqlError::from)?;
    Ok(ParquetFile::encode(&all.schema(), [&rows], parquet_options(&all.schema()))?)
}
