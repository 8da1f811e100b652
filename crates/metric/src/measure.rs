//! One pass over each fact table, for all metrics of all populations.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use tranche_schema::Contract;
use tranche_sql::fused::Extract;
use tranche_sql::keys::Sample;
use tranche_sql::{Session, Source, SqlError, Tables};

use crate::columns::Column;
use crate::error::MetricError;
use crate::kept::Keepable;
use crate::metrics::{Metric, Metrics};
use crate::numbered::Numbered;
use crate::plan::{Plan, Slot};
use crate::population::{Population, Span, Window};
use crate::recipe::Recipe;
use crate::table::{FactsRead, Past};
use crate::values::UnitValues;

/// Metrics that are wanted of a population.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The units. Requests for the same one share its work.
    pub population: &'a Population,
    /// Over which stretch of time.
    pub span: Span,
    /// The metrics.
    pub metrics: Vec<&'a Metric>,
}

/// What facts are read from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// All metrics, as ratios name them.
    pub metrics: &'a Metrics,
    /// The contracts of tables.
    pub contracts: &'a IndexMap<String, Contract>,
    /// Where the rows of tables are.
    pub tables: &'a Tables,
    /// The session at the `as_of`: later events are not seen.
    pub session: &'a Session,
}

/// A measurement on its way: what is wanted, and what was read of it so far. Tables are read one by one, so that whoever keeps
/// something of each has it to hand.
pub struct Measurement<'a> {
    plan: Plan<'a>,
    /// By population, metric and window.
    recipes: Vec<((usize, String, Window), Recipe)>,
    /// The metrics of each request, and their recipes.
    requests: Vec<Vec<(String, usize)>>,
    numbered: HashMap<String, Arc<Numbered>>,
    /// The columns of the slots that were read.
    columns: HashMap<usize, Column>,
}

/// How a table was read, and what else than columns may be kept of it.
pub struct TableRead {
    /// How it was read.
    pub facts: FactsRead,
    /// The files that the table has, and the facts of the units that are computed again each time; nothing where nothing may be kept.
    pub sources: Option<(Vec<Source>, Option<Extract>)>,
}

impl<'a> Measurement<'a> {
    /// Plans what is wanted: what several ask for is computed once.
    ///
    /// # Errors
    /// [`MetricError::Fact`] when a fact cannot be read for an entity.
    pub fn new(wanted: &[Wanted<'a>], facts: Facts<'a>) -> Result<Self, MetricError> {
        let mut plan = Plan::new(facts);
        let mut recipes: Vec<((usize, String, Window), Recipe)> = Vec::new();
        let mut requests: Vec<Vec<(String, usize)>> = Vec::new();
        for request in wanted {
            let population = plan.population(request.population);
            let mut request_recipes: Vec<(String, usize)> = Vec::new();
            for metric in request.metrics.iter().flat_map(|metric| facts.metrics.parts(metric)) {
                let identity = (population, metric.name.clone(), request.span.window(metric));
                let known = recipes.iter().position(|(known, _)| *known == identity);
                let place = match known {
                    Some(place) => place,
                    None => {
                        let recipe = plan.recipe(metric, population, request.span)?;
                        recipes.push((identity, recipe));
                        recipes.len() - 1
                    }
                };
                if !request_recipes.iter().any(|(_, known)| *known == place) {
                    request_recipes.push((metric.name.clone(), place));
                }
            }
            requests.push(request_recipes);
        }
        let numbered = Numbered::by_entity(&plan.populations)?;
        Ok(Self { plan, recipes, requests, numbered, columns: HashMap::new() })
    }

    /// The tables that are to be read.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        self.plan.tables().map(str::to_owned).collect()
    }

    /// Reads one of the tables; what follows from what was kept is computed again for a sample of the units.
    ///
    /// # Errors
    /// [`MetricError::Proof`] when what follows from what was kept is not what all facts say.
    pub async fn read(&mut self, table: &str, past: Past, sample: Sample) -> Result<TableRead, MetricError> {
        let asked = self
            .plan
            .table(table, &self.numbered)
            .ok_or_else(|| SqlError::Engine(format!("`{table}` is not asked")))?;
        let found = asked.read(self.plan.facts.tables, past, sample).await?;
        self.columns.extend(found.columns);
        Ok(TableRead { facts: found.read, sources: found.sources })
    }

    /// What may be kept of the columns of a table that was read.
    #[must_use]
    pub fn keepable(&self, table: &str) -> Option<Keepable<'_>> {
        let asked = self.plan.table(table, &self.numbered)?;
        let until = self.plan.facts.session.as_of();
        let of = |(number, population): (usize, &&'a Population)| {
            let own = asked.own().filter(|(_, slot)| slot.population == number);
            let identity = |slot: &Slot| slot.identity(asked.questions, asked.contract, &population.entity);
            let columns: Vec<(String, &Column)> =
                own.filter_map(|(place, slot)| Some((identity(slot), self.columns.get(&place)?))).collect();
            (*population, population.until.min(until).as_microsecond(), columns)
        };
        let populations = self.plan.populations.iter().enumerate().map(of);
        Some(Keepable::new(populations.filter(|(.., columns)| !columns.is_empty())))
    }

    /// The values of each request, once all tables are read.
    #[must_use]
    pub fn into_values(self) -> Vec<UnitValues> {
        let Self { plan, recipes, requests, mut columns, .. } = self;
        let last_use = |slot: usize, from: usize| {
            recipes[from + 1..].iter().all(|(_, recipe)| !recipe.slots().any(|s| s == slot))
        };
        let mut made = Vec::with_capacity(recipes.len());
        for (place, ((population, ..), recipe)) in recipes.iter().enumerate() {
            let mut take = |slot: usize| match last_use(slot, place) {
                true => columns.remove(&slot),
                false => columns.get(&slot).cloned(),
            };
            made.push(Arc::new(recipe.make(&mut take, plan.populations[*population])));
        }
        let values = requests.into_iter().map(|request| {
            UnitValues(request.into_iter().map(|(name, place)| (name, Arc::clone(&made[place]))).collect())
        });
        values.collect()
    }
}

/// Measures what is wanted: each fact table is read once for all of it. Returns the values of each request, and the rows that were
/// read.
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
        rows_read += measurement.read(&table, Past::Ignored, Sample::default()).await?.facts.rows_read;
    }
    Ok((measurement.into_values(), rows_read))
}
