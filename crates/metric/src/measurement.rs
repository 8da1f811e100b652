//! One pass over each fact table, for all metrics of all populations.

use std::collections::HashMap;
use std::sync::Arc;

use tranche_incremental::{NewState, Part, StateStore, TableState, Unusable, decode_rows};
use tranche_sql::SqlError;
use tranche_sql::keys::Sample;
use tranche_sql::scan::Source;
use tranche_store::DataFile;

use crate::accumulate::{
    Column, EntityKeys, FactReader, FactTable, FactsRead, Found, KeysByEntity, PriorState, StateHeader,
    new_state, read_table,
};
use crate::error::MetricError;
use crate::plan::{ColumnId, ColumnSpec, FactPlan, Facts, FormulaId, Id, Population, PopulationId, Wanted};
use crate::values::{UnitValues, assemble};

/// A measurement under way: its plan, and the columns read so far. Tables are read one by one, so that the
/// state of each is saved while its files are at hand.
pub struct Measurement<'a> {
    plan: FactPlan<'a>,
    keys: KeysByEntity,
    columns: HashMap<ColumnId, Arc<Column>>,
}

impl<'a> Measurement<'a> {
    /// Plans what is wanted: what several requests need is computed once.
    ///
    /// # Errors
    /// [`MetricError::Fact`] when a fact cannot be read for an entity.
    pub fn new(wanted: &[Wanted<'a>], facts: Facts<'a>) -> Result<Self, MetricError> {
        let plan = FactPlan::new(wanted, facts)?;
        let keys = EntityKeys::by_entity(&plan.populations)?;
        Ok(Self { plan, keys, columns: HashMap::new() })
    }

    /// The tables that are to be read.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        self.plan.tables().map(str::to_owned).collect()
    }

    /// Reads one of the tables. With a store, it continues from the state that is saved there where there is
    /// some, recomputes a sample of the units from all facts, and saves what the next measurement can
    /// continue from.
    ///
    /// # Errors
    /// [`MetricError::Mismatch`] when saved state gives other values than all facts do; it is deleted. [`MetricError::Row`] when an
    /// expression fails for a fact that counts.
    pub async fn read(
        &mut self,
        table: &str,
        store: Option<&StateStore<'_>>,
    ) -> Result<FactsRead, MetricError> {
        let Some(store) = store else {
            return Ok(self.fill(table, PriorState::Ignored, Sample::default()).await?.read);
        };
        let state = store.table::<StateHeader>(table);
        let (prior, may_replace) = self.prior(&state, store.full).await;
        let is_saved = matches!(prior, PriorState::Saved(_));
        let found = match self.fill(table, prior, store.sample).await {
            Err(error @ MetricError::Mismatch(_)) => {
                state.forget().await;
                return Err(error);
            }
            Err(error @ MetricError::Row { .. }) => return Err(error),
            // A file that cannot be read may have been removed from the table, and vacuumed since.
            Err(error) if is_saved => {
                tracing::warn!(table, %error, "cannot continue from saved state; reading everything");
                let reason = format!("the saved state cannot be continued: {error}");
                self.fill(table, PriorState::Absent(reason), store.sample).await?
            }
            found => found?,
        };
        tracing::debug!(table, read = ?found.read, "facts");
        if let (Some((sources, sample)), true) = (found.sources, may_replace) {
            let (header, parts) = self.saved_columns(table);
            let (as_of, files) = (self.plan.facts.session.as_of(), files_of(sources));
            state.write(NewState { as_of, files, header, parts, sample }).await;
            tracing::debug!(table, "saved");
        }
        Ok(found.read)
    }

    /// Fills the columns of a table.
    async fn fill(&mut self, table: &str, prior: PriorState, sample: Sample) -> Result<Found, MetricError> {
        let planned =
            self.table(table).ok_or_else(|| SqlError::Engine(format!("`{table}` is not planned")))?;
        let reader = FactReader { keys: &self.keys, session: self.plan.facts.session };
        let found = read_table(&planned, reader, self.plan.facts.tables, prior, sample).await;
        let mut found = found.map_err(|error| match error {
            MetricError::Sql(SqlError::Row(failure)) => {
                MetricError::Row { metrics: self.plan.metrics_of(table, failure.query), failure }
            }
            error => error,
        })?;
        self.columns.extend(found.columns.drain().map(|(id, column)| (id, Arc::new(column))));
        Ok(found)
    }

    /// The state to continue from, and whether it may be replaced: state of a later instant would be lost.
    async fn prior(&self, state: &TableState<StateHeader>, full: bool) -> (PriorState, bool) {
        if full {
            return (PriorState::Absent(Unusable::Unwanted.to_string()), true);
        }
        let session = self.plan.facts.session;
        let saved = state.read(|_, _, bytes| decode_rows(bytes)).await;
        let saved = saved.and_then(|saved| match saved.as_of > session.as_of() {
            true => Err(Unusable::Later(saved.as_of)),
            false => Ok(saved),
        });
        match saved {
            Ok(saved) => (PriorState::Saved(Box::new(saved)), true),
            Err(reason) => {
                let may_replace = !matches!(reason, Unusable::Later(_));
                reason.warn();
                (PriorState::Absent(reason.to_string()), may_replace)
            }
        }
    }

    /// The columns of a table that can be saved.
    fn saved_columns(&self, table: &str) -> (StateHeader, Vec<Part>) {
        let Some(table) = self.table(table) else { return new_state([]) };
        let of = |(id, population): (PopulationId, &&'a Population)| {
            let own = table.own().filter(|(_, spec)| spec.population == id);
            let column = |(column, spec): (ColumnId, &ColumnSpec)| {
                let identity = spec.identity(table.queries, table.contract, &population.entity);
                Some((identity, Arc::clone(self.columns.get(&column)?)))
            };
            let columns: Vec<(String, Arc<Column>)> = own.filter_map(column).collect();
            (*population, table.until(population), columns)
        };
        let populations = self.plan.populations.iter().map(of);
        new_state(populations.filter(|(.., columns)| !columns.is_empty()))
    }

    /// The values of each request, once all tables are read.
    #[must_use]
    pub fn into_values(self) -> Vec<UnitValues> {
        let Self { plan, mut columns, .. } = self;
        let formulas = plan.formulas.as_slice();
        let is_last_use = |column: ColumnId, place: usize| {
            formulas[place + 1..].iter().all(|later| !later.formula.uses(column))
        };
        let mut values = Vec::with_capacity(formulas.len());
        for (place, planned) in formulas.iter().enumerate() {
            let mut take = |column: ColumnId| match is_last_use(column, place) {
                true => columns.remove(&column).map(Arc::unwrap_or_clone),
                false => columns.get(&column).map(|column| column.as_ref().clone()),
            };
            let population = plan.populations[planned.population];
            values.push(Arc::new(assemble(&planned.formula, &mut take, population)));
        }
        let of_request = |metrics: &Vec<(String, FormulaId)>| {
            let named = metrics.iter().map(|(name, id)| (name.clone(), Arc::clone(&values[id.place()])));
            UnitValues(named.collect())
        };
        plan.requests.iter().map(of_request).collect()
    }

    fn table(&self, table: &str) -> Option<FactTable<'_>> {
        let FactPlan { facts, populations, columns, .. } = &self.plan;
        let (contract, queries) = (facts.contracts.get(table)?, self.plan.queries(table)?);
        let as_of = facts.session.as_of();
        Some(FactTable { contract, queries, columns, populations, as_of })
    }
}

fn files_of(sources: Vec<Source>) -> Vec<DataFile> {
    let file = |source| if let Source::File(file) = source { Some(file) } else { None };
    sources.into_iter().filter_map(file).collect()
}

/// Measures what is wanted: each fact table is read once for all of it. Returns the values of each request,
/// and the number of rows that were read.
///
/// # Errors
/// [`MetricError`] when a fact cannot be read for an entity.
pub async fn unit_values(
    wanted: &[Wanted<'_>],
    facts: &Facts<'_>,
) -> Result<(Vec<UnitValues>, u64), MetricError> {
    let mut measurement = Measurement::new(wanted, *facts)?;
    let mut rows_read = 0;
    for table in measurement.tables() {
        rows_read += measurement.read(&table, None).await?.rows_read;
    }
    Ok((measurement.into_values(), rows_read))
}

#[cfg(test)]
#[path = "measurement_tests.rs"]
mod tests;
