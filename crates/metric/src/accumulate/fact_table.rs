//! A fact table, and the columns that are filled from it.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tranche_incremental::FileClass;
use tranche_schema::Contract;
use tranche_sql::keys::KeyShare;
use tranche_sql::scan::{self, RowQuery, Scan, Source, TableSources};
use tranche_sql::{Session, SqlError};

use super::column::Column;
use super::fact_scan::{FactScan, ScanPopulation};
use super::key_index::EntityKeys;
use super::pane_columns::{OpenColumn, ScanColumn};
use super::sample_capture::SampleCapture;
use crate::plan::{Accumulator, ColumnId, ColumnSpec, IdList, Population, PopulationId, QueryId};

/// A fact table, and the columns that are filled from it.
#[derive(Clone, Copy)]
pub(crate) struct FactTable<'a> {
    pub(crate) contract: &'a Contract,
    /// What is evaluated for its rows.
    pub(crate) queries: &'a IdList<QueryId, RowQuery>,
    /// The columns of all tables.
    pub(crate) columns: &'a IdList<ColumnId, ColumnSpec>,
    pub(crate) populations: &'a IdList<PopulationId, &'a Population>,
    /// The keys of each entity's populations.
    pub(crate) keys: &'a HashMap<String, Arc<EntityKeys>>,
    pub(crate) session: &'a Session,
}

/// A source, and its class.
pub(crate) type ClassedSource = (FileClass, Source);

/// What a scan of sources gave.
pub(crate) struct Scanned {
    pub(crate) columns: HashMap<ColumnId, Column>,
    /// The rows of the share, by file; `None` when they are too many, or none were to be captured.
    pub(crate) captured: Option<Vec<(String, RecordBatch)>>,
    pub(crate) rows_read: u64,
    /// Those among them that were in memory.
    pub(crate) rows_in_memory: u64,
}

impl<'a> FactTable<'a> {
    /// The columns that are filled from this table.
    pub(crate) fn own(&self) -> impl Iterator<Item = (ColumnId, &'a ColumnSpec)> + use<'a> {
        let table = self.contract.table.as_str();
        self.columns.iter().filter(move |(_, column)| column.table == table)
    }

    /// The population of a column.
    pub(crate) fn population(&self, column: ColumnId) -> &'a Population {
        self.populations[self.columns[column].population]
    }

    /// Columns without facts.
    pub(crate) fn empty_columns(&self) -> Result<Vec<OpenColumn>, SqlError> {
        let open = |(id, spec): (ColumnId, &ColumnSpec)| {
            let accumulator = spec.accumulator;
            Ok(OpenColumn { id, accumulator, column: self.empty(id)?, coverage: None })
        };
        self.own().map(open).collect()
    }

    /// A column without facts.
    pub(crate) fn empty(&self, id: ColumnId) -> Result<Column, SqlError> {
        let spec = &self.columns[id];
        let value = spec.queries.first().and_then(|first| self.queries[first.query].value.as_ref());
        let value_type = value.map(|value| scan::type_of(value, self.contract)).transpose()?;
        Ok(Column::new(spec.accumulator, value_type.as_ref(), self.population(id).at.len()))
    }

    /// Numbers of facts in place of a column.
    pub(crate) fn empty_counts(&self, id: ColumnId) -> Column {
        Column::new(Accumulator::Count, None, self.population(id).at.len())
    }

    /// The scan that fills these columns.
    pub(crate) fn scan(&self, columns: Vec<OpenColumn>) -> FactScan {
        let as_of = self.session.as_of();
        let scan_column = |open: OpenColumn| {
            let ColumnSpec { population, window, queries, .. } = &self.columns[open.id];
            ScanColumn { open, population: *population, window: *window, queries }
        };
        let population = |id: PopulationId| {
            let population = self.populations[id];
            let key_column = self.contract.entity_column(&population.entity)?;
            let keys = self.keys.get(&population.entity)?;
            let until = population.until.min(as_of).as_microsecond();
            Some(ScanPopulation { population, key_column, keys, until })
        };
        let event_time = self.contract.event_time().unwrap_or_default();
        FactScan::new(event_time, columns.into_iter().map(scan_column).collect(), population)
    }

    /// Adds the facts of sources to columns; captures the facts of a share of the units from its files.
    pub(crate) async fn run(
        &self,
        columns: Vec<OpenColumn>,
        classed: Vec<ClassedSource>,
        sources: &TableSources,
        share: Option<KeyShare>,
    ) -> Result<Scanned, SqlError> {
        let fact_scan = self.scan(columns);
        let matters = |(class, source): &ClassedSource| fact_scan.matters(*class, &times_of(source));
        let (classes, chosen): (Vec<FileClass>, Vec<Source>) = classed.into_iter().filter(matters).unzip();
        let files = chosen.iter().map(|source| path_of(source).map(str::to_owned)).collect();
        let in_memory = |source: &Source| match source {
            Source::Rows { rows, .. } => rows.num_rows() as u64,
            Source::File(_) => 0,
        };
        let rows_in_memory = chosen.iter().map(in_memory).sum();
        let fact_scan = fact_scan.over(classes, share.map(|share| SampleCapture::new(share, files)));
        let columns = self.key_columns();
        let scan = Scan {
            contract: self.contract,
            sources: TableSources { sources: chosen, ..sources.clone() },
            columns: columns.iter().map(String::as_str).collect(),
            queries: self.queries.as_slice().to_vec(),
        };
        let scan::Scanned { accumulators, rows_read, .. } = scan::run(scan, self.session, fact_scan).await?;
        let (columns, capture) = accumulators.into_parts()?;
        let captured = capture.map(|capture| capture.into_files(&self.schema())).transpose()?.flatten();
        Ok(Scanned { columns, captured, rows_read, rows_in_memory })
    }

    /// The schema of captured facts.
    pub(crate) fn schema(&self) -> SchemaRef {
        let columns = self.key_columns();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        scan::schema(self.contract, &columns, self.queries.as_slice())
    }

    /// The number of units of the entity that has the fewest.
    pub(crate) fn units(&self) -> u32 {
        let entities = self.own().map(|(id, _)| &self.population(id).entity);
        let keys = entities.filter_map(|entity| self.keys.get(entity));
        keys.map(|keys| keys.index().len()).min().unwrap_or_default()
    }

    /// The event time, and the columns that name units.
    fn key_columns(&self) -> Vec<String> {
        let entities: BTreeSet<&str> =
            self.own().map(|(id, _)| self.population(id).entity.as_str()).collect();
        let keys = entities.into_iter().filter_map(|entity| self.contract.entity_column(entity));
        self.contract.event_time().into_iter().chain(keys).map(str::to_owned).collect()
    }
}

/// The path of a source that is a file.
pub(crate) fn path_of(source: &Source) -> Option<&str> {
    match source {
        Source::File(file) => Some(&file.path),
        Source::Rows { .. } => None,
    }
}

/// The event times that a source may hold, in microseconds.
pub(crate) fn times_of(source: &Source) -> Range<i64> {
    let (from, to) = source.times();
    from..to
}
