//! One pass over each fact table, for all metrics of all populations.

use std::sync::Arc;

use indexmap::IndexMap;
use tranche_schema::Contract;
use tranche_sql::{Session, Tables};

use crate::error::MetricError;
use crate::metrics::{Metric, Metrics};
use crate::plan::Plan;
use crate::population::{Population, Span, Window};
use crate::recipe::Recipe;
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

/// Measures what is wanted: each fact table is read once for all of it, and what several ask for is computed once. Returns the values
/// of each request, and the rows that were read.
///
/// # Errors
/// [`MetricError`] when a fact cannot be read for an entity.
pub async fn unit_values(wanted: &[Wanted<'_>], facts: &Facts<'_>) -> Result<(Vec<UnitValues>, u64), MetricError> {
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
    let (mut columns, rows_read) = plan.read().await?;
    let last_use = |slot: usize, from: usize| recipes[from + 1..].iter().all(|(_, recipe)| !recipe.slots().any(|s| s == slot));
    let mut made = Vec::with_capacity(recipes.len());
    for (place, ((population, ..), recipe)) in recipes.iter().enumerate() {
        let mut take = |slot: usize| match last_use(slot, place) {
            true => columns[slot].take(),
            false => columns[slot].clone(),
        };
        made.push(Arc::new(recipe.make(&mut take, plan.populations[*population])));
    }
    let values = requests
        .into_iter()
        .map(|request| UnitValues(request.into_iter().map(|(name, place)| (name, Arc::clone(&made[place]))).collect()));
    Ok((values.collect(), rows_read))
}
