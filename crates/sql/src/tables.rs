//! The tables of contracts, opened once for a piece of work.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches, max, min};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::catalog::{MemTable, TableProvider};
use object_store::ObjectStore;
use tranche_schema::{Contract, layout, platform};
use tranche_store::{DataFile, Lake, Snapshot};

use crate::fused::time_range;
use crate::{Engine, Session, SqlError};

/// The tables of contracts, each in the version that was the latest when they were opened: what is computed from them at several
/// instants is computed from the same rows.
#[derive(Debug, Clone, Default)]
pub struct Tables(Vec<OpenTable>);

/// A contract's table, if it was ever written.
#[derive(Debug, Clone)]
pub(crate) struct OpenTable {
    pub(crate) contract: Contract,
    snapshot: Option<Snapshot>,
    /// Its rows in memory, when they are read often and fit.
    cache: Option<Cached>,
}

#[derive(Debug, Clone)]
struct Cached {
    table: Arc<MemTable>,
    stretches: Vec<Stretch>,
}

/// Rows that are in memory together.
#[derive(Debug, Clone)]
struct Stretch {
    /// The stretch of time that their events are in, in microseconds.
    range: (i64, i64),
    rows: RecordBatch,
}

/// The version of a table that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableVersion {
    /// The table's folder in the lake.
    pub table: String,
    /// The version.
    pub version: u64,
    /// Rows in that version, as its log says.
    pub rows: u64,
}

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

impl TableSources {
    /// Those that may have events in a stretch of time, in microseconds.
    #[must_use]
    pub fn within(mut self, times: &Range<i64>) -> Self {
        self.sources.retain(|source| {
            let (from, to) = time_range(source);
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
}

/// The folder of a contract's table in the lake.
#[must_use]
pub fn table_folder(table: &str) -> String {
    layout::TABLES.of(table)
}

impl Tables {
    /// Opens the table of each contract; one that was never written has no rows.
    ///
    /// # Errors
    /// [`SqlError::Store`] when a table's log cannot be read.
    pub async fn open(lake: &Lake, contracts: impl IntoIterator<Item = &Contract>) -> Result<Self, SqlError> {
        let mut tables = Vec::new();
        for contract in contracts {
            let snapshot = lake.snapshot(&table_folder(&contract.table)).await?;
            tables.push(OpenTable { contract: contract.clone(), snapshot, cache: None });
        }
        Ok(Self(tables))
    }

    /// The same tables with those that `wanted` names in memory, as far as they fit into a part of the engine's: for work that
    /// reads a table many times. Files of a day are small, and opening them again costs more than their rows.
    ///
    /// # Errors
    /// [`SqlError`] when a table cannot be read.
    pub async fn cached(&self, engine: &Engine, wanted: impl Fn(&str) -> bool) -> Result<Self, SqlError> {
        let mut left = engine.memory_bytes() / CACHE_PART;
        let mut tables = self.clone();
        for table in tables.0.iter_mut().filter(|t| t.cache.is_none() && wanted(&t.contract.table)) {
            let Some(snapshot) = &table.snapshot else { continue };
            let estimate = usize::try_from(snapshot.rows())
                .unwrap_or(usize::MAX)
                .saturating_mul(row_bytes(&table.contract));
            if estimate > left {
                continue;
            }
            left -= estimate;
            let session = engine.session(jiff::Timestamp::UNIX_EPOCH);
            let found = session.collect_frame(session.read(snapshot).await?).await?;
            let stretches = in_stretches(found.batches, table.contract.event_time())?;
            let threads = engine.threads().max(1);
            let mut partitions = vec![Vec::new(); threads];
            for (index, stretch) in stretches.iter().enumerate() {
                partitions[index % threads].push(stretch.rows.clone());
            }
            let rows = Arc::new(MemTable::try_new(found.schema, partitions).map_err(SqlError::engine)?);
            table.cache = Some(Cached { table: rows, stretches });
        }
        Ok(tables)
    }

    /// Rows that were read into memory.
    #[must_use]
    pub fn cached_rows(&self) -> u64 {
        let cached = self.0.iter().filter(|table| table.cache.is_some());
        cached.filter_map(|table| table.snapshot.as_ref()).map(Snapshot::rows).sum()
    }

    /// What a table is read from: its files, or its rows where they are in memory. `None` for one that was never written.
    ///
    /// # Errors
    /// [`SqlError::Store`] when its files are not known.
    pub fn sources(&self, table: &str) -> Result<Option<TableSources>, SqlError> {
        let Some(open) = self.0.iter().find(|open| open.contract.table == table) else { return Ok(None) };
        let Some(snapshot) = &open.snapshot else { return Ok(None) };
        let sources = match &open.cache {
            Some(cached) => {
                let stretches = cached.stretches.iter().cloned();
                stretches.map(|Stretch { range, rows }| Source::Rows { rows, range }).collect()
            }
            None => snapshot.files()?.into_iter().map(Source::File).collect(),
        };
        Ok(Some(TableSources { objects: snapshot.objects(), version: snapshot.version(), sources }))
    }

    /// The versions that are read.
    #[must_use]
    pub fn versions(&self) -> Vec<TableVersion> {
        let found = self.0.iter().filter_map(|table| table.snapshot.as_ref());
        found
            .map(|s| TableVersion { table: s.table().to_owned(), version: s.version(), rows: s.rows() })
            .collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &OpenTable> {
        self.0.iter()
    }
}

/// The part of the engine's memory that cached tables may take: one over this.
const CACHE_PART: usize = 8;

impl OpenTable {
    pub(crate) async fn provider(
        &self,
        session: &Session,
    ) -> Result<Option<Arc<dyn TableProvider>>, SqlError> {
        match (&self.cache, &self.snapshot) {
            (Some(cache), _) => Ok(Some(Arc::clone(&cache.table) as Arc<dyn TableProvider>)),
            (None, Some(snapshot)) => Ok(Some(snapshot.provider(&session.state()).await?)),
            (None, None) => Ok(None),
        }
    }
}

/// The rows in fewer batches, one stretch of time after another: what reads a window leaves the others alone. Batches stay as they
/// are, so that rows of one file are in its order.
fn in_stretches(batches: Vec<RecordBatch>, event_time: Option<&str>) -> Result<Vec<Stretch>, SqlError> {
    let mut ordered = Vec::new();
    for rows in batches.into_iter().filter(|batch| batch.num_rows() > 0) {
        ordered.push(Stretch { range: range_of(&rows, event_time)?, rows });
    }
    ordered.sort_by_key(|stretch| stretch.range);
    let mut found = Vec::new();
    let mut rest = ordered.as_slice();
    while let Some(first) = rest.first() {
        let mut rows = first.rows.num_rows();
        let more = rest[1..].iter().take_while(|stretch| {
            rows += stretch.rows.num_rows();
            rows <= BATCH_ROWS
        });
        let (together, others) = rest.split_at(1 + more.count());
        let range = together
            .iter()
            .fold(first.range, |(from, to), next| (from.min(next.range.0), to.max(next.range.1)));
        let rows = concat_batches(&first.rows.schema(), together.iter().map(|stretch| &stretch.rows))?;
        found.push(Stretch { range, rows });
        rest = others;
    }
    Ok(found)
}

/// Rows of a batch in memory, about: small ones cost more than their rows.
const BATCH_ROWS: usize = 8_192;

/// The stretch of time that a batch's events are in, in microseconds.
fn range_of(batch: &RecordBatch, event_time: Option<&str>) -> Result<(i64, i64), SqlError> {
    let Some(instants) = event_time.and_then(|name| batch.column_by_name(name)) else {
        return Ok((i64::MIN, i64::MAX));
    };
    let instants = cast(instants, &platform::instant())?;
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    // An event without an instant is in no stretch of time, which has to be seen row by row.
    let ends = min(instants).zip(max(instants)).filter(|_| instants.null_count() == 0);
    Ok(ends.map_or((i64::MIN, i64::MAX), |(first, last)| (first, last.saturating_add(1))))
}

/// About how many bytes a row takes in memory.
fn row_bytes(contract: &Contract) -> usize {
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or(40);
    contract.columns.iter().map(|column| width(&column.data_type)).sum()
}
