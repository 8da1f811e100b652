//! One pass over each fact table, for all metrics of all populations.

use std::collections::HashMap;
use std::sync::Arc;

use tranche_sql::keys::Sample;
use tranche_sql::scan::Extract;
use tranche_sql::{Source, SqlError};

use crate::accumulate::{Column, EntityKeys, FactTable, FactsRead, NewState, PriorState, read_table};
use crate::error::MetricError;
use crate::plan::{ColumnId, FactPlan, Facts, FormulaId, Id, Population, PopulationId, Wanted};
use crate::values::{UnitValues, assemble};

/// A measurement under way: its plan, and the columns read so far. Tables are read one by one, so that the
/// state of each can be saved when it is at hand.
pub struct Measurement<'a> {
    plan: FactPlan<'a>,
    keys: HashMap<String, Arc<EntityKeys>>,
    columns: HashMap<ColumnId, Column>,
}

/// How a table was read, and what else than columns may be saved of it.
pub struct TableRead {
    /// How it was read.
    pub facts: FactsRead,
    /// The files that the table has, and the facts of the sampled units; nothing where nothing may be saved.
    pub sources: Option<(Vec<Source>, Option<Extract>)>,
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

    /// Reads one of the tables; what continues from saved state is recomputed for a sample of the units.
    ///
    /// # Errors
    /// [`MetricError::Mismatch`] when that gives other values than all facts do.
    pub async fn read(
        &mut self,
        table: &str,
        prior: PriorState,
        sample: Sample,
    ) -> Result<TableRead, MetricError> {
        let planned =
            self.table(table).ok_or_else(|| SqlError::Engine(format!("`{table}` is not planned")))?;
        let found = read_table(&planned, self.plan.facts.tables, prior, sample).await?;
        self.columns.extend(found.columns);
        Ok(TableRead { facts: found.read, sources: found.sources })
    }

    /// What may be saved of the columns of a table that was read.
    #[must_use]
    pub fn new_state(&self, table: &str) -> Option<NewState<'_>> {
        let table = self.table(table)?;
        let until = self.plan.facts.session.as_of();
        let of = |(id, population): (PopulationId, &&'a Population)| {
            let own = table.own().filter(|(_, spec)| spec.population == id);
            let columns: Vec<(String, &Column)> = own
                .filter_map(|(column, spec)| {
                    let identity = spec.identity(table.queries, table.contract, &population.entity);
                    Some((identity, self.columns.get(&column)?))
                })
                .collect();
            (*population, population.until.min(until).as_microsecond(), columns)
        };
        let populations = self.plan.populations.iter().map(of);
        Some(NewState::new(populations.filter(|(.., columns)| !columns.is_empty())))
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
                true => columns.remove(&column),
                false => columns.get(&column).cloned(),
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
        Some(FactTable { contract, queries, columns, populations, keys: &self.keys, session: facts.session })
    }
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
        rows_read += measurement.read(&table, PriorState::Ignored, Sample::default()).await?.facts.rows_read;
    }
    Ok((measurement.into_values(), rows_read))
}
