//! Writing files of memberships.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use roaring::RoaringBitmap;
use tranche_schema::platform::{self, memberships};
use tranche_store::encoding::{
    ColumnValues, ParquetColumns, ParquetFile, RunLength, RunLengthValues, parquet_options,
};

use super::keys::Keys;
use crate::error::SegmentError;

/// Turns rows in memory into files.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    pub(crate) key: String,
    pub(crate) key_type: DataType,
    pub(crate) keys: Arc<Keys>,
}

/// Memberships of a segment that began, and ended, at the same instants: some of a set of entities.
#[derive(Debug, Clone)]
pub(crate) struct Stretch<'a> {
    pub(crate) segment: &'a str,
    pub(crate) entered_at: i64,
    /// Unless they are open.
    pub(crate) exited_at: Option<i64>,
    pub(crate) entities: &'a RoaringBitmap,
    /// Which of them, in order.
    pub(crate) range: Range<usize>,
}

/// Keys that are encoded at a time: few enough to stay in the cache on their way.
const BATCH_ROWS: usize = 1 << 15;

impl Encoder {
    /// A file of row groups, each of some stretches. All columns but the key are runs.
    pub(crate) fn file(&self, groups: &[Vec<Stretch<'_>>]) -> Result<ParquetFile, SegmentError> {
        let schema = memberships::schema(&self.key, &self.key_type);
        let mut file = ParquetColumns::new(&schema, self.properties(&schema))?;
        for group in groups {
            let columns = schema.fields().iter().map(|field| match field.name().as_str() {
                platform::SEGMENT => {
                    let (values, runs) = runs(group, |stretch| Some(stretch.segment.to_owned()));
                    ColumnValues::RunLength(RunLength { values: RunLengthValues::Texts(values), runs })
                }
                memberships::ENTERED_AT => instants(group, |stretch| Some(stretch.entered_at)),
                memberships::EXITED_AT => instants(group, |stretch| stretch.exited_at),
                _ => ColumnValues::Arrays(Box::new(self.keys_of(group))),
            });
            file.write(columns.collect())?;
        }
        Ok(file.finish()?)
    }

    /// The keys of stretches, some at a time.
    fn keys_of<'a>(
        &'a self,
        stretches: &'a [Stretch<'a>],
    ) -> impl Iterator<Item = Result<ArrayRef, ArrowError>> + 'a {
        let mut sets = stretches.iter().map(|stretch| {
            let mut entities = stretch.entities.iter();
            if let Some(last) = stretch.range.start.checked_sub(1) {
                entities.nth(last);
            }
            entities.take(stretch.range.len())
        });
        let mut set = sets.next();
        std::iter::from_fn(move || {
            let mut numbers: Vec<u32> = Vec::with_capacity(BATCH_ROWS);
            while let Some(entities) = set.as_mut().filter(|_| numbers.len() < BATCH_ROWS) {
                numbers.extend(entities.by_ref().take(BATCH_ROWS - numbers.len()));
                if numbers.len() < BATCH_ROWS {
                    set = sets.next();
                }
            }
            (!numbers.is_empty()).then(|| self.keys.column(&numbers, &self.key_type))
        })
    }

    /// No key is shared by any two members of a segment.
    fn properties(&self, schema: &Schema) -> WriterProperties {
        let properties =
            parquet_options(schema).into_builder().set_statistics_enabled(EnabledStatistics::Chunk);
        properties.set_column_dictionary_enabled(ColumnPath::from(self.key.as_str()), false).build()
    }
}

/// The distinct values of stretches, and how many rows have each of them in a row.
fn runs<T: PartialEq>(
    stretches: &[Stretch<'_>],
    value: impl Fn(&Stretch<'_>) -> Option<T>,
) -> (Vec<T>, Vec<(Option<u32>, usize)>) {
    let mut values: Vec<T> = Vec::new();
    let mut runs: Vec<(Option<u32>, usize)> = Vec::new();
    for stretch in stretches {
        let place = value(stretch).map(|value| {
            // Stretches stand in the order of their values, so that the last is found first.
            values.iter().rposition(|known| *known == value).unwrap_or_else(|| {
                values.push(value);
                values.len() - 1
            })
        });
        let place = place.and_then(|place| u32::try_from(place).ok());
        match runs.last_mut().filter(|(last, _)| *last == place) {
            Some((_, rows)) => *rows += stretch.range.len(),
            None => runs.push((place, stretch.range.len())),
        }
    }
    (values, runs)
}

fn instants<'a>(
    stretches: &[Stretch<'_>],
    instant: impl Fn(&Stretch<'_>) -> Option<i64>,
) -> ColumnValues<'a> {
    let (values, runs) = runs(stretches, instant);
    ColumnValues::RunLength(RunLength { values: RunLengthValues::Integers(values), runs })
}
