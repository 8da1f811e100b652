//! What a table is read from.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use object_store::ObjectStore;
use tranche_schema::platform::EVENT_DAY;
use tranche_store::DataFile;

/// What a table is read from.
#[derive(Debug, Clone)]
pub struct TableSources {
    /// The table's folder.
    pub objects: Arc<dyn ObjectStore>,
    /// The version.
    pub version: u64,
    /// The files, or rows in memory.
    pub sources: Vec<Source>,
}

/// A piece of a table that is read at once.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file in the table's folder.
    File(DataFile),
    /// Rows in memory.
    Rows {
        /// The rows.
        rows: RecordBatch,
        /// The first instant, and the first one behind the last, that an event of theirs may have, in microseconds.
        range: (i64, i64),
    },
}

/// A source, and the class of files that it belongs to: what is done with its rows may depend on it.
#[derive(Debug, Clone)]
pub struct ClassedSource {
    /// The class, as [`Part`](super::Part)s name it.
    pub class: usize,
    /// A file, or rows in memory.
    pub source: Source,
    /// Whether the rows of some keys are copied: those of [`GroupedScan::share`](super::GroupedScan::share).
    pub is_extracted: bool,
}

impl TableSources {
    /// Those that may have events within these times, in microseconds.
    #[must_use]
    pub fn within(mut self, times: &Range<i64>) -> Self {
        self.sources.retain(|source| {
            let (from, to) = source.times();
            from < times.end && times.start < to
        });
        self
    }
}

impl Source {
    /// Rows in memory, of which nothing is known.
    #[must_use]
    pub fn rows(rows: RecordBatch) -> Self {
        Self::Rows { rows, range: (i64::MIN, i64::MAX) }
    }

    /// The times of the events that it may hold: the first instant and the first one behind the last, in microseconds.
    #[must_use]
    pub fn times(&self) -> (i64, i64) {
        let file = match self {
            Self::Rows { range, .. } => return *range,
            Self::File(file) => file,
        };
        let day = file.partition.get(EVENT_DAY).and_then(|day| day.as_deref());
        let day = day.and_then(|day| day.parse::<Date>().ok());
        let instant =
            |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_microsecond());
        let range = day.and_then(|day| Some((instant(day)?, instant(day.tomorrow().ok()?)?)));
        range.unwrap_or((i64::MIN, i64::MAX))
    }

    /// Its rows, where they are in memory.
    pub(super) fn rows_in_memory(&self) -> u64 {
        match self {
            Self::File(_) => 0,
            Self::Rows { rows, .. } => rows.num_rows() as u64,
        }
    }

    /// Its rows, where their number is known, and bytes in storage.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        match self {
            Self::File(file) => (file.rows.unwrap_or_default(), file.size_bytes),
            Self::Rows { rows, .. } => (rows.num_rows() as u64, 0),
        }
    }
}

impl From<Source> for ClassedSource {
    /// The source in the first class.
    fn from(source: Source) -> Self {
        Self { class: 0, source, is_extracted: false }
    }
}
