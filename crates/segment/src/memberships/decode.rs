//! Reading a file of memberships.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::{cast, filter_record_batch, is_not_null, take};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use bytes::Bytes;
use indexmap::IndexMap;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use roaring::RoaringBitmap;
use tranche_schema::platform::{self, memberships};
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_store::StoreError;

use super::layout::Kind;
use super::rows::{Ended, Open};
use crate::error::SegmentError;

/// Rows of one segment in a file.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// The open memberships of entities that have a number.
    pub(crate) open: Open,
    /// Those that ended.
    pub(crate) ended: Ended,
    /// The memberships of entities that have none yet.
    pub(crate) unknown: Vec<Unknown>,
}

/// Memberships of entities that are known by their keys alone.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) keys: ArrayRef,
    /// Of each key, when it entered and, unless it is still there, exited.
    pub(crate) times: Vec<(i64, Option<i64>)>,
}

/// Rows that are decoded at a time: few enough to stay in the cache on their way.
const BATCH_ROWS: usize = 1 << 15;

/// Reads all of a file. Where a row group is known to hold one segment, its name is not read row by row; where all memberships are
/// known to be open, neither is when they ended.
pub(crate) fn decode(
    bytes: &Bytes,
    kind: Kind,
    key: &str,
    index: &KeyIndex,
) -> Result<BTreeMap<String, Piece>, SegmentError> {
    let metadata = ArrowReaderMetadata::load(bytes, parquet::arrow::arrow_reader::ArrowReaderOptions::new())
        .map_err(StoreError::from)?;
    let mut gathered: BTreeMap<String, Gathered> = BTreeMap::new();
    for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
        let segment = only_segment(group);
        let mut columns = vec![key, memberships::ENTERED_AT];
        columns.extend(segment.is_none().then_some(platform::SEGMENT));
        columns.extend((kind != Kind::Open).then_some(memberships::EXITED_AT));
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes.clone(), metadata.clone());
        let mask = ProjectionMask::columns(reader.parquet_schema(), columns);
        let reader = reader.with_projection(mask).with_row_groups(vec![number]).with_batch_size(BATCH_ROWS);
        for batch in reader.build().map_err(StoreError::from)? {
            let batch = batch.map_err(SqlError::from)?;
            for (segment, rows) in by_segment(segment.as_deref(), batch, key)? {
                gathered.entry(segment).or_default().add(&rows, kind, key, index)?;
            }
        }
    }
    Ok(gathered.into_iter().map(|(segment, rows)| (segment, rows.into_piece())).collect())
}

/// Rows of one segment while they are read.
#[derive(Default)]
struct Gathered {
    open: Gather<i64>,
    ended: Gather<(i64, i64)>,
    unknown: Vec<Unknown>,
}

impl Gathered {
    fn add(&mut self, rows: &RecordBatch, kind: Kind, key: &str, index: &KeyIndex) -> Result<(), SqlError> {
        let keys = column(rows, key)?;
        let numbers = index.numbers(keys)?;
        let instants = |name: &str| cast(column(rows, name)?, &platform::instant()).map_err(SqlError::from);
        let entered_at = instants(memberships::ENTERED_AT)?;
        let entered_at = entered_at.as_primitive::<TimestampMicrosecondType>().values();
        let exited_at = if kind == Kind::Open { None } else { Some(instants(memberships::EXITED_AT)?) };
        let exited_at = exited_at.as_ref().map(|column| column.as_primitive::<TimestampMicrosecondType>());
        let exited_at =
            |row: usize| exited_at.and_then(|column| column.is_valid(row).then(|| column.value(row)));
        let has_number = |number: u32| number < KeyIndex::NULL;
        let one_instant =
            entered_at.first().filter(|first| entered_at.last() == Some(*first) && entered_at.is_sorted());
        if let Some(&at) =
            one_instant.filter(|_| kind == Kind::Open && numbers.iter().all(|&number| has_number(number)))
        {
            self.open.at(at).extend_from_slice(&numbers);
            return Ok(());
        }
        let mut unknown = Vec::new();
        for (row, (&entity, &entered_at)) in numbers.iter().zip(entered_at).enumerate() {
            match exited_at(row) {
                _ if !has_number(entity) => unknown.push(row as u64),
                Some(exited_at) => self.ended.at((entered_at, exited_at)).push(entity),
                None => self.open.at(entered_at).push(entity),
            }
        }
        if !unknown.is_empty() {
            #[expect(clippy::cast_possible_truncation, reason = "rows of a batch")]
            let times =
                unknown.iter().map(|&row| (entered_at[row as usize], exited_at(row as usize))).collect();
            self.unknown.push(Unknown { keys: take(keys, &UInt64Array::from(unknown), None)?, times });
        }
        Ok(())
    }

    fn into_piece(self) -> Piece {
        Piece { open: self.open.into_sets(), ended: self.ended.into_sets(), unknown: self.unknown }
    }
}

/// The entities of each time; rows mostly stand in the order of times, so that the last is found first.
struct Gather<T>(Vec<(T, Vec<u32>)>);

impl<T> Default for Gather<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord + Copy> Gather<T> {
    fn at(&mut self, time: T) -> &mut Vec<u32> {
        let place = match self.0.iter().rposition(|(known, _)| *known == time) {
            Some(place) => place,
            None => {
                self.0.push((time, Vec::new()));
                self.0.len() - 1
            }
        };
        &mut self.0[place].1
    }

    fn into_sets(self) -> BTreeMap<T, RoaringBitmap> {
        self.0.into_iter().map(|(time, mut entities)| (time, set_of(&mut entities))).collect()
    }
}

/// The set of some entities: bit by bit where there are many of all that there can be, in order where there are few.
fn set_of(entities: &mut Vec<u32>) -> RoaringBitmap {
    let room = entities.iter().max().map_or(0, |&last| last as usize / 8 + 1);
    if entities.len() > room / DENSE_BYTES {
        let mut bits = vec![0_u8; room];
        entities.iter().for_each(|&entity| bits[entity as usize / 8] |= 1 << (entity % 8));
        return RoaringBitmap::from_lsb0_bytes(0, &bits);
    }
    entities.sort_unstable();
    entities.dedup();
    RoaringBitmap::from_sorted_iter(entities.iter().copied()).unwrap_or_default()
}

/// Sets with an entity in so many bytes are dense.
const DENSE_BYTES: usize = 4;

/// The segment of all rows of a row group, where its statistics say so.
fn only_segment(group: &RowGroupMetaData) -> Option<String> {
    let column = group.columns().iter().find(|column| column.column_path().string() == platform::SEGMENT)?;
    let Some(Statistics::ByteArray(known)) = column.statistics() else { return None };
    let exact = known.min_is_exact() && known.max_is_exact() && known.null_count_opt() == Some(0);
    let (least, greatest) = known.min_opt().zip(known.max_opt())?;
    (exact && least == greatest).then(|| least.as_utf8().ok().map(str::to_owned)).flatten()
}

/// The rows of each segment, in their order.
fn by_segment(
    only: Option<&str>,
    batch: RecordBatch,
    key: &str,
) -> Result<Vec<(String, RecordBatch)>, SqlError> {
    let keys = column(&batch, key)?;
    let batch =
        if keys.null_count() == 0 { batch } else { filter_record_batch(&batch, &is_not_null(keys)?)? };
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
        let columns =
            batch.columns().iter().map(|column| take(column, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        Ok((name.to_owned(), RecordBatch::try_new(batch.schema(), columns)?))
    });
    taken.collect()
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, SqlError> {
    let missing = || SqlError::Data(format!("memberships have no column `{name}`"));
    batch.column_by_name(name).ok_or_else(missing)
}
