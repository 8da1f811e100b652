//! A fact table, and the columns that are filled from it.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::datatypes::SchemaRef;
use jiff::Timestamp;
use tranche_incremental::FileClass;
use tranche_schema::Contract;
use tranche_sql::SqlError;
use tranche_sql::scan::{self, RowQuery, Source};

use super::column::Column;
use super::key_index::KeysByEntity;
use super::pane_columns::OpenColumn;
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
    /// Facts from this instant on are not seen.
    pub(crate) as_of: Timestamp,
}

/// A source, and its class.
pub(crate) type ClassedSource = (FileClass, Source);

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

    /// Facts of a population from this instant on are not counted, microseconds.
    pub(crate) fn until(&self, population: &Population) -> i64 {
        population.until.min(self.as_of).as_microsecond()
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

    /// The schema of captured facts.
    pub(crate) fn schema(&self) -> SchemaRef {
        let columns = self.key_columns();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        scan::schema(self.contract, &columns, self.queries.as_slice())
    }

    /// The number of units of the entity that has the fewest.
    pub(crate) fn units(&self, keys: &KeysByEntity) -> u32 {
        let entities = self.own().map(|(id, _)| &self.population(id).entity);
        let keys = entities.filter_map(|entity| keys.get(entity));
        keys.map(|keys| keys.index().len()).min().unwrap_or_default()
    }

    /// The event time, and the columns that name units.
    pub(crate) fn key_columns(&self) -> Vec<String> {
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
