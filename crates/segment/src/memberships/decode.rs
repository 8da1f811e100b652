//! Reading a file of memberships.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch, is_not_null, take};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use bytes::Bytes;
use indexmap::IndexMap;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use tranche_schema::platform::{self, memberships};
use tranche_sql::SqlError;
use tranche_store::StoreError;

use super::keys::Lookup;
use super::layout::Kind;
use crate::error::SegmentError;

/// Rows of one segment in a file.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) segment: String,
    /// The entities, by number.
    pub(crate) entities: Vec<u32>,
    /// The rows whose key has no number yet, and those keys.
    pub(crate) unknown: Option<(Vec<usize>, ArrayRef)>,
    pub(crate) entered_at: Vec<i64>,
    /// For each row, unless all are open.
    pub(crate) exited_at: Option<Vec<Option<i64>>>,
}

/// Reads all of a file. Where a row group is known to hold one segment, its name is not read row by row; where all memberships are
/// known to be open, neither is when they ended.
pub(crate) fn decode(bytes: &Bytes, kind: Kind, key: &str, lookup: &Lookup) -> Result<Vec<Piece>, SegmentError> {
    let metadata =
        ArrowReaderMetadata::load(bytes, parquet::arrow::arrow_reader::ArrowReaderOptions::new()).map_err(StoreError::from)?;
    let mut pieces = Vec::new();
    for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
        let segment = only_segment(group);
        let mut columns = vec![key, memberships::ENTERED_AT];
        columns.extend(segment.is_none().then_some(platform::SEGMENT));
        columns.extend((kind != Kind::Open).then_some(memberships::EXITED_AT));
        let rows = usize::try_from(group.num_rows()).unwrap_or_default().max(1);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata.clone());
        let mask = ProjectionMask::columns(reader.parquet_schema(), columns);
        let reader = reader.with_projection(mask).with_row_groups(vec![number]).with_batch_size(rows);
        for batch in reader.build().map_err(StoreError::from)? {
            let batch = batch.map_err(SqlError::from)?;
            for (segment, rows) in by_segment(segment.as_deref(), batch, key)? {
                pieces.push(piece(segment, &rows, kind, key, lookup)?);
            }
        }
    }
    Ok(pieces)
}

/// The segment of all rows of a row group, where its statistics tell.
fn only_segment(group: &RowGroupMetaData) -> Option<String> {
    let column = group.columns().iter().find(|column| column.column_path().string() == platform::SEGMENT)?;
    let Some(Statistics::ByteArray(known)) = column.statistics() else { return None };
    let exact = known.min_is_exact() && known.max_is_exact() && known.null_count_opt() == Some(0);
    let (least, greatest) = known.min_opt().zip(known.max_opt())?;
    (exact && least == greatest).then(|| least.as_utf8().ok().map(str::to_owned)).flatten()
}

/// The rows of each segment, in their order.
fn by_segment(only: Option<&str>, batch: RecordBatch, key: &str) -> Result<Vec<(String, RecordBatch)>, SqlError> {
    let keys = column(&batch, key)?;
    let batch = if keys.null_count() == 0 { batch } else { filter_record_batch(&batch, &is_not_null(keys)?)? };
    if let Some(segment) = only {
        return Ok(vec![(segment.to_owned(), batch)]);
    }
    let names = cast(column(&batch, platform::SEGMENT)?, &DataType::Utf8)?;
    let names = names.as_string::<i32>();
    let mut rows: IndexMap<&str, Vec<u32>> = IndexMap::new();
    for (row, name) in (0_u32..).zip(names) {
        let Some(name) = name else { continue };
        match rows.get_mut(name) {
            Some(rows) => rows.push(row),
            None => {
                rows.insert(name, vec![row]);
            }
        }
    }
    let taken = rows.into_iter().map(|(name, rows)| {
        let rows = arrow::array::UInt32Array::from(rows);
        let columns = batch.columns().iter().map(|column| take(column, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        Ok((name.to_owned(), RecordBatch::try_new(batch.schema(), columns)?))
    });
    taken.collect()
}

fn piece(segment: String, rows: &RecordBatch, kind: Kind, key: &str, lookup: &Lookup) -> Result<Piece, SqlError> {
    let keys = column(rows, key)?;
    let found = lookup.numbers(keys)?;
    let unknown = (!found.unknown.is_empty())
        .then(|| {
            let positions: Vec<u64> = found.unknown.iter().map(|&row| row as u64).collect();
            take(keys, &arrow::array::UInt64Array::from(positions), None)
        })
        .transpose()?;
    let instants = |name: &str| cast(column(rows, name)?, &platform::instant()).map_err(SqlError::from);
    let entered_at = instants(memberships::ENTERED_AT)?.as_primitive::<TimestampMicrosecondType>().values().to_vec();
    let exited_at = match kind {
        Kind::Open => None,
        Kind::Ended | Kind::Mixed => {
            Some(instants(memberships::EXITED_AT)?.as_primitive::<TimestampMicrosecondType>().iter().collect())
        }
    };
    let unknown = unknown.map(|keys| (found.unknown, keys));
    Ok(Piece { segment, entities: found.numbers, unknown, entered_at, exited_at })
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, SqlError> {
    let missing = || SqlError::Data(format!("memberships have no column `{name}`"));
    batch.column_by_name(name).ok_or_else(missing)
}
