//! The tables of contracts, opened once for a piece of work.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches, max, min};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::catalog::{MemTable, TableProvider};
use jiff::Timestamp;
use tranche_schema::{Contract, layout, platform};
use tranche_store::{Lake, Snapshot};

use crate::scan::{Source, TableSources};
use crate::{Engine, PersonalColumns, Session, SqlError, check_contract};

/// The tables of contracts, each in the version that was the latest when they were opened: what is computed from them at several
/// instants is computed from the same rows.
#[derive(Debug, Clone, Default)]
pub struct Tables(Vec<OpenTable>);

/// A contract's table, if it was ever written.
#[derive(Debug, Clone)]
struct OpenTable {
    contract: Contract,
    snapshot: Option<Snapshot>,
    /// Its rows in memory, when they are read often and fit.
    cache: Option<Cached>,
}

#[derive(Debug, Clone)]
struct Cached {
    table: Arc<MemTable>,
    slices: Vec<Slice>,
}

/// Rows that are in memory together.
#[derive(Debug, Clone)]
struct Slice {
    /// The interval of time that their events are in, in microseconds.
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

/// The folder of a contract's table in the lake.
#[must_use]
pub fn table_folder(table: &str) -> String {
    layout::TABLES.of(table)
}

impl Tables {
    /// Opens the table of each contract; one that was never written has no rows.
    ///
    /// # Errors
    /// [`SqlError::Contract`] for a table that was made by another contract, [`SqlError::Store`] when a table's log cannot be read.
    pub async fn open(lake: &Lake, contracts: impl IntoIterator<Item = &Contract>) -> Result<Self, SqlError> {
        let mut tables = Vec::new();
        for contract in contracts {
            let snapshot = lake.snapshot(&table_folder(&contract.table)).await?;
            if let Some(table) = &snapshot {
                check_contract(lake, contract, table).await?;
            }
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
            let session = engine.session(Timestamp::UNIX_EPOCH);
            let stored = session.read(snapshot).await?.drop_columns(&[platform::FILE_NUMBER]);
            let found = session.collect_frame(stored.map_err(SqlError::engine)?).await?;
            let slices = by_time(found.batches, table.contract.event_time())?;
            let threads = engine.threads().count();
            let mut partitions = vec![Vec::new(); threads];
            for (index, slice) in slices.iter().enumerate() {
                partitions[index % threads].push(slice.rows.clone());
            }
            let rows = Arc::new(MemTable::try_new(found.schema, partitions).map_err(SqlError::engine)?);
            table.cache = Some(Cached { table: rows, slices });
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
                let slices = cached.slices.iter().cloned();
                slices.map(|Slice { range, rows }| Source::Rows { rows, range }).collect()
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
}

impl Engine {
    /// A session at `as_of` over tables.
    ///
    /// # Errors
    /// [`SqlError::Store`] when a table cannot be read.
    pub async fn session_over(&self, tables: &Tables, as_of: Timestamp) -> Result<Session, SqlError> {
        let personal = PersonalColumns::of(tables.0.iter().map(|table| &table.contract));
        let session = self.session(as_of).with_personal(personal);
        session.register_tables(tables).await?;
        Ok(session)
    }
}

impl Session {
    /// Registers the tables of contracts as they are seen at this session's `as_of`.
    ///
    /// # Errors
    /// [`SqlError::Store`] when a table cannot be read.
    pub async fn register_tables(&self, tables: &Tables) -> Result<(), SqlError> {
        for table in &tables.0 {
            let contract = &table.contract;
            match table.provider(self).await? {
                Some(provider) => self.register_stored(contract, provider)?,
                None => self.register_empty(&contract.table, contract.arrow_schema())?,
            }
        }
        Ok(())
    }
}

/// The part of the engine's memory that cached tables may take: one over this.
const CACHE_PART: usize = 8;

impl OpenTable {
    async fn provider(&self, session: &Session) -> Result<Option<Arc<dyn TableProvider>>, SqlError> {
        match (&self.cache, &self.snapshot) {
            (Some(cache), _) => Ok(Some(Arc::clone(&cache.table) as Arc<dyn TableProvider>)),
            (None, Some(snapshot)) => Ok(Some(snapshot.provider(&session.state()).await?)),
            (None, None) => Ok(None),
        }
    }
}

/// The rows in fewer batches, one interval of time after another, so that a window reads few of them. Batches stay as they are, so
/// that rows of one file are in its order.
fn by_time(batches: Vec<RecordBatch>, event_time: Option<&str>) -> Result<Vec<Slice>, SqlError> {
    let mut ordered = Vec::new();
    for rows in batches.into_iter().filter(|batch| batch.num_rows() > 0) {
        ordered.push(Slice { range: range_of(&rows, event_time)?, rows });
    }
    ordered.sort_by_key(|slice| slice.range);
    let mut found = Vec::new();
    let mut rest = ordered.as_slice();
    while let Some(first) = rest.first() {
        let mut rows = first.rows.num_rows();
        let more = rest[1..].iter().take_while(|slice| {
            rows += slice.rows.num_rows();
            rows <= BATCH_ROWS
        });
        let (together, others) = rest.split_at(1 + more.count());
        let range = together
            .iter()
            .fold(first.range, |(from, to), next| (from.min(next.range.0), to.max(next.range.1)));
        let rows = concat_batches(&first.rows.schema(), together.iter().map(|slice| &slice.rows))?;
        found.push(Slice { range, rows });
        rest = others;
    }
    Ok(found)
}

/// Rows of a batch in memory, about: small ones cost more than their rows.
const BATCH_ROWS: usize = 8_192;

/// The interval of time that a batch's events are in, in microseconds.
fn range_of(batch: &RecordBatch, event_time: Option<&str>) -> Result<(i64, i64), SqlError> {
    let Some(instants) = event_time.and_then(|name| batch.column_by_name(name)) else {
        return Ok((i64::MIN, i64::MAX));
    };
    let instants = cast(instants, &platform::instant())?;
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    // An event without an instant is in no interval, which has to be seen row by row.
    let ends = min(instants).zip(max(instants)).filter(|_| instants.null_count() == 0);
    Ok(ends.map_or((i64::MIN, i64::MAX), |(first, last)| (first, last.saturating_add(1))))
}

/// About how many bytes a row takes in memory.
fn row_bytes(contract: &Contract) -> usize {
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or(40);
    contract.columns.iter().map(|column| width(&column.data_type)).sum()
}
