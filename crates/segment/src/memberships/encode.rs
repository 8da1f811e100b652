//! Writing files of memberships.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use parquet::basic::Encoding;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use tranche_schema::platform::{self, memberships};
use tranche_sql::SqlError;
use tranche_store::{ParquetBuffer, ParquetFile, parquet_options};

use super::keys::Keys;
use super::rows::{Interval, Rows};
use crate::error::SegmentError;

/// Turns rows in memory into files.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    pub(crate) key: String,
    pub(crate) key_type: DataType,
    pub(crate) keys: Arc<Keys>,
}

/// Open memberships in the order of their keys.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    pub(crate) entities: Vec<u32>,
    pub(crate) entered_at: Vec<i64>,
}

impl Encoder {
    /// The open memberships of a segment, those that are in order already and those that came since as one.
    pub(crate) fn order(&self, rows: &Rows) -> Ordered {
        let (entities, entered_at, mut ordered) = rows.open();
        let compare = |&a: &usize, &b: &usize| self.keys.compare(entities[a], entities[b]);
        // Another tool may have written the file in another order.
        if !(0..ordered).is_sorted_by(|a, b| compare(a, b).is_le()) {
            ordered = 0;
        }
        let mut new: Vec<usize> = (ordered..entities.len()).collect();
        new.sort_unstable_by(compare);
        let mut merged = Ordered { entities: Vec::with_capacity(entities.len()), entered_at: Vec::with_capacity(entities.len()) };
        let mut new = new.into_iter().peekable();
        let mut push = |row: usize| {
            merged.entities.push(entities[row]);
            merged.entered_at.push(entered_at[row]);
        };
        for old in 0..ordered {
            while let Some(earlier) = new.next_if(|new| compare(new, &old).is_lt()) {
                push(earlier);
            }
            push(old);
        }
        new.for_each(push);
        merged
    }

    /// A file of open memberships: parts of segments, each in a row group of its own, so that its statistics name the segment.
    pub(crate) fn open_file(&self, parts: &[(&str, &[u32], &[i64])]) -> Result<ParquetFile, SegmentError> {
        let schema = self.schema();
        let mut buffer = ParquetBuffer::new(&schema, self.properties(&schema))?;
        for (segment, entities, entered_at) in parts {
            let entered_at = instants(entered_at.iter().copied());
            let exited_at = new_null_array(&platform::instant(), entities.len());
            buffer.write(&self.batch(&schema, segment, entities, entered_at, exited_at)?)?;
            buffer.end_row_group()?;
        }
        Ok(buffer.finish()?)
    }

    /// A file of memberships that ended, in the order of segment and key.
    pub(crate) fn ended_file(&self, ended: Vec<(Arc<str>, Vec<Interval>)>) -> Result<ParquetFile, SegmentError> {
        let schema = self.schema();
        let properties = self.properties(&schema).into_builder().set_max_row_group_row_count(Some(ENDED_GROUP_ROWS)).build();
        let mut buffer = ParquetBuffer::new(&schema, properties)?;
        for (segment, mut intervals) in ended {
            intervals.sort_unstable_by(|a, b| {
                let by_time = || (a.entered_at, a.exited_at).cmp(&(b.entered_at, b.exited_at));
                self.keys.compare(a.entity, b.entity).then_with(by_time)
            });
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

/// Small enough that the statistics of a row group tell segments apart.
const ENDED_GROUP_ROWS: usize = 1 << 17;

fn instants(microseconds: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(microseconds).with_timezone("UTC"))
}
