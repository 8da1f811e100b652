//! Writing files of memberships.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray, };
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::basic::Encoding;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use tranche_schema::platform::{self, memberships};
use roaring::RoaringBitmap;
use tranche_sql::SqlError;
use tranche_store::{ColumnValues, ParquetBuffer, ParquetColumns, ParquetFile, RunValues, Runs, parquet_options};

use super::keys::Keys;
use super::rows::{Interval, Open};
use crate::error::SegmentError;

/// Turns rows in memory into files.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    pub(crate) key: String,
    pub(crate) key_type: DataType,
    pub(crate) keys: Arc<Keys>,
}

/// Rows that are encoded at a time: few enough to stay in the cache on their way.
const BATCH_ROWS: usize = 1 << 15;

impl Encoder {
    /// A file of open memberships: parts of segments, each in a row group of its own, so that its statistics name the segment. Rows
    /// stand in the order of entry and entity: all columns but the key are runs.
    pub(crate) fn open_file(&self, parts: &[(&str, &Open, Range<usize>)]) -> Result<ParquetFile, SegmentError> {
        let schema = memberships::schema(&self.key, &self.key_type);
        let mut file = ParquetColumns::new(&schema, self.properties(&schema))?;
        for (segment, open, range) in parts {
            let taken = taken(open, range.clone());
            let runs: Vec<_> = (0_u32..).zip(&taken).map(|(place, (_, rows))| (Some(place), *rows)).collect();
            let instants = RunValues::Integers(taken.iter().map(|(entered_at, _)| *entered_at).collect());
            let entities = open.values().flat_map(RoaringBitmap::iter).skip(range.start).take(range.len());
            let columns = schema.fields().iter().map(|field| match field.name().as_str() {
                platform::SEGMENT => {
                    ColumnValues::Runs(Runs::all(RunValues::Texts(vec![(*segment).to_owned()]), range.len()))
                }
                memberships::ENTERED_AT => ColumnValues::Runs(Runs { values: instants.clone(), runs: runs.clone() }),
                memberships::EXITED_AT => ColumnValues::Runs(Runs::nulls(field.data_type(), range.len())),
                _ => ColumnValues::Arrays(Box::new(self.keys_of(entities.clone()))),
            });
            file.write(columns.collect())?;
        }
        Ok(file.finish()?)
    }

    /// The keys of entities, some at a time.
    fn keys_of<'a>(
        &'a self,
        mut entities: impl Iterator<Item = u32> + 'a,
    ) -> impl Iterator<Item = Result<ArrayRef, ArrowError>> + 'a {
        std::iter::from_fn(move || {
            let numbers: Vec<u32> = entities.by_ref().take(BATCH_ROWS).collect();
            (!numbers.is_empty()).then(|| self.keys.column(&numbers, &self.key_type))
        })
    }

    /// A file of memberships that ended, in the order of segment and entity.
    pub(crate) fn ended_file(&self, ended: Vec<(Arc<str>, Vec<Interval>)>) -> Result<ParquetFile, SegmentError> {
        let schema = self.schema();
        let properties = self.properties(&schema).into_builder().set_max_row_group_row_count(Some(ENDED_GROUP_ROWS)).build();
        let mut buffer = ParquetBuffer::new(&schema, properties)?;
        for (segment, mut intervals) in ended {
            intervals.sort_unstable();
            let entities: Vec<u32> = intervals.iter().map(|interval| interval.entity).collect();
            let entered_at = instants(intervals.iter().map(|interval| interval.entered_at));
            let exited_at = instants(intervals.iter().map(|interval| interval.exited_at));
            buffer.write(&self.batch(&schema, &segment, &entities, entered_at, exited_at)?)?;
        }
        Ok(buffer.finish()?)
    }

    fn batch(
        &self,
        schema: &SchemaRef,
        segment: &str,
        entities: &[u32],
        entered_at: ArrayRef,
        exited_at: ArrayRef,
    ) -> Result<RecordBatch, SqlError> {
        let one_name: ArrayRef = Arc::new(StringArray::from(vec![segment]));
        let names = DictionaryArray::<Int32Type>::try_new(Int32Array::from(vec![0; entities.len()]), one_name)?;
        let keys = self.keys.column(entities, &self.key_type)?;
        Ok(RecordBatch::try_new(SchemaRef::clone(schema), vec![Arc::new(names), keys, entered_at, exited_at])?)
    }

    /// The table's columns, the segment as a dictionary: each name stands once in memory.
    fn schema(&self) -> SchemaRef {
        let table = memberships::schema(&self.key, &self.key_type);
        let fields = table.fields().iter().map(|field| match field.name().as_str() {
            platform::SEGMENT => Arc::new(Field::new_dictionary(platform::SEGMENT, DataType::Int32, DataType::Utf8, false)),
            _ => Arc::clone(field),
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Few instants are shared by many memberships, and no key by any two of a segment.
    fn properties(&self, schema: &Schema) -> WriterProperties {
        let mut properties = parquet_options(schema)
            .into_builder()
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_column_dictionary_enabled(ColumnPath::from(self.key.as_str()), false);
        for column in [memberships::ENTERED_AT, memberships::EXITED_AT].map(ColumnPath::from) {
            properties = properties
                .set_column_dictionary_enabled(column.clone(), true)
                .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
        properties.build()
    }
}

/// Of which instants the rows of a range are, in order, and how many of each.
fn taken(open: &Open, range: Range<usize>) -> Vec<(i64, usize)> {
    let mut start = 0;
    let parts = open.iter().map(|(&entered_at, entities)| {
        let rows = usize::try_from(entities.len()).unwrap_or(usize::MAX);
        let taken = range.end.saturating_sub(start).min(rows) - range.start.saturating_sub(start).min(rows);
        start += rows;
        (entered_at, taken)
    });
    parts.filter(|(_, rows)| *rows > 0).collect()
}

/// Small enough that the statistics of a row group tell segments apart.
const ENDED_GROUP_ROWS: usize = 1 << 17;

fn instants(microseconds: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(microseconds).with_timezone("UTC"))
}
