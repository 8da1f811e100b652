//! One value per unit and metric, from the facts within each unit's own window.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use datafusion::common::JoinType;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{Expr, lit, when};
use datafusion::prelude::ident;
use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_schema::{Contract, platform};
use tranche_sql::{Session, SqlError};

use crate::error::MetricError;
use crate::metrics::{Aggregate, Cap, Fact, Metric, MetricKind, Metrics, expression};

/// The units to measure: their keys, and for each the window [from, to) in which its facts count.
#[derive(Debug)]
pub struct Population {
    /// The entity that units are.
    pub entity: String,
    /// The keys, each once.
    pub keys: ArrayRef,
    /// The first instant that counts, per unit.
    pub from: Vec<Timestamp>,
    /// The first instant that does not count any more, per unit.
    pub to: Vec<Timestamp>,
}

/// The values of some metrics, one per unit in the order of the population.
#[derive(Debug, Default)]
pub struct UnitValues {
    columns: HashMap<String, Vec<f64>>,
    /// Rows that were read from fact tables.
    pub rows_read: u64,
}

/// A metric's values, one per unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'a> {
    /// One number per unit.
    Single(&'a [f64]),
    /// Numerator and denominator of a ratio per unit.
    Ratio(&'a [f64], &'a [f64]),
}

impl UnitValues {
    /// The values of a metric that was asked for.
    #[must_use]
    pub fn of(&self, metric: &Metric) -> Option<Values<'_>> {
        match &metric.kind {
            MetricKind::Ratio { numerator, denominator } => {
                let column = |name: &str| self.columns.get(name).map(Vec::as_slice);
                Some(Values::Ratio(column(&numerator.value)?, column(&denominator.value)?))
            }
            _ => self.columns.get(&metric.name).map(|values| Values::Single(values)),
        }
    }
}

/// Measures `wanted` metrics for a population: each fact table is read once for all metrics on it.
///
/// # Errors
/// [`MetricError`] when a fact cannot be read for this entity.
pub async fn unit_values(
    metrics: &Metrics,
    wanted: &[&Metric],
    contracts: &IndexMap<String, Contract>,
    session: &Session,
    population: &Population,
) -> Result<UnitValues, MetricError> {
    let mut by_table: IndexMap<&str, Vec<(&Metric, &Fact)>> = IndexMap::new();
    for metric in wanted.iter().flat_map(|metric| metrics.parts(metric)) {
        let Some(fact) = metric.fact() else { continue };
        let facts = by_table.entry(&fact.table.value).or_default();
        if !facts.iter().any(|(known, _)| known.name == metric.name) {
            facts.push((metric, fact));
        }
    }
    let mut values = UnitValues::default();
    for (table, facts) in by_table {
        let missing = |reason: &str| MetricError::Fact {
            metric: facts[0].0.name.clone(),
            entity: population.entity.clone(),
            reason: reason.to_owned(),
        };
        let contract = contracts.get(table).ok_or_else(|| missing("its table has no contract"))?;
        let key = contract.entity_column(&population.entity).ok_or_else(|| {
            missing(&format!("table `{table}` does not say which column names it; add it to `entity:` in its contract"))
        })?;
        let (columns, rows_read) = measure(contract, key, &facts, session, population).await?;
        values.rows_read += rows_read;
        for ((metric, _), mut column) in facts.iter().zip(columns) {
            cap(&mut column, metric.cap);
            values.columns.insert(metric.name.clone(), column);
        }
    }
    Ok(values)
}

const UNIT: &str = "_unit";
const UNIT_KEY: &str = "_unit_key";
const FROM: &str = "_window_from";
const TO: &str = "_window_to";

/// Joins the events of one table to their units and aggregates each fact per unit.
async fn measure(
    contract: &Contract,
    key: &str,
    facts: &[(&Metric, &Fact)],
    session: &Session,
    population: &Population,
) -> Result<(Vec<Vec<f64>>, u64), MetricError> {
    let units = session.frame(population_schema(population), vec![population_batch(population)?])?;
    let Some(event_time) = contract.event_time() else {
        let (metric, entity) = (facts[0].0.name.clone(), population.entity.clone());
        return Err(MetricError::Fact { metric, entity, reason: format!("`{}` is not an event table", contract.table) });
    };
    let mut columns = vec![ident(key), ident(event_time)];
    let mut aggregates = Vec::new();
    for (index, (metric, fact)) in facts.iter().enumerate() {
        let failed = |reason| MetricError::Fact { metric: metric.name.clone(), entity: population.entity.clone(), reason };
        let parse = |sql: &str| expression(sql, contract, session).map(|(expr, _)| expr).map_err(|p| failed(p.message));
        let value = match (fact.aggregate, &fact.value) {
            (Aggregate::Sum, Some(value)) => parse(&value.value)?,
            _ => lit(1i64),
        };
        let counted = match &fact.filter {
            Some(filter) => when(parse(&filter.value)?, value).end().map_err(SqlError::engine)?,
            None => value,
        };
        let name = format!("_fact_{index}");
        columns.push(counted.alias(&name));
        aggregates.push(match fact.aggregate {
            Aggregate::Sum => sum(ident(&name)),
            Aggregate::Count | Aggregate::Any => count(ident(&name)),
        });
    }
    columns.dedup();
    let aggregates: Vec<Expr> = aggregates.into_iter().enumerate().map(|(i, a)| a.alias(format!("_value_{i}"))).collect();
    let within = ident(event_time).gt_eq(ident(FROM)).and(ident(event_time).lt(ident(TO)));
    let mut frame = session.table(&contract.table).await?;
    // The widest window prunes files; each unit's own window is applied after the join.
    if let (Some(first), Some(last)) = (population.from.iter().min(), population.to.iter().max()) {
        let bounds = ident(event_time)
            .gt_eq(tranche_sql::instant_literal(*first))
            .and(ident(event_time).lt(tranche_sql::instant_literal(*last)));
        frame = frame.filter(bounds).map_err(SqlError::engine)?;
    }
    let frame = frame
        .select(columns)
        .and_then(|events| units.join(events, JoinType::Inner, &[UNIT_KEY], &[key], None))
        .and_then(|joined| joined.filter(within))
        .and_then(|joined| joined.aggregate(vec![ident(UNIT)], aggregates))
        .map_err(SqlError::engine)?;
    let collected = session.collect_frame(frame).await?;
    let columns = scatter(&collected.batches, facts, population.from.len())?;
    Ok((columns, collected.rows_read))
}

fn scatter(batches: &[RecordBatch], facts: &[(&Metric, &Fact)], units: usize) -> Result<Vec<Vec<f64>>, SqlError> {
    let mut columns = vec![vec![0.0; units]; facts.len()];
    for batch in batches {
        let rows = batch.column(0).as_primitive::<Int64Type>();
        for (index, (_, fact)) in facts.iter().enumerate() {
            let values = cast(batch.column(index + 1), &DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>();
            for (row, unit) in rows.values().iter().enumerate() {
                let value = if values.is_valid(row) { values.value(row) } else { 0.0 };
                let value = if fact.aggregate == Aggregate::Any { f64::from(value > 0.0) } else { value };
                if let Some(place) = usize::try_from(*unit).ok().and_then(|unit| columns[index].get_mut(unit)) {
                    *place = value;
                }
            }
        }
    }
    Ok(columns)
}

fn population_schema(population: &Population) -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new(UNIT, DataType::Int64, false),
        Field::new(UNIT_KEY, population.keys.data_type().clone(), true),
        Field::new(FROM, platform::instant(), false),
        Field::new(TO, platform::instant(), false),
    ]))
}

fn population_batch(population: &Population) -> Result<RecordBatch, SqlError> {
    let instants = |values: &[Timestamp]| -> ArrayRef {
        let values = values.iter().map(|t| t.as_microsecond());
        Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    let units = 0..i64::try_from(population.from.len()).unwrap_or(i64::MAX);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(units)),
        Arc::clone(&population.keys),
        instants(&population.from),
        instants(&population.to),
    ];
    Ok(RecordBatch::try_new(population_schema(population), columns)?)
}

fn cap(values: &mut [f64], cap: Option<Cap>) {
    let limit = match cap {
        None => return,
        Some(Cap::Value(value)) => value,
        Some(Cap::Quantile(q)) => match quantile(values, q) {
            Some(value) => value,
            None => return,
        },
    };
    for value in values.iter_mut().filter(|value| **value > limit) {
        *value = limit;
    }
}

/// The type-7 quantile: linear between the closest ranks.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ranks of values")]
fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = q * (sorted.len().checked_sub(1)? as f64);
    let (low, high) = (rank.floor() as usize, rank.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (rank - rank.floor()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_counts_larger_values_as_itself() {
        for (limit, expected) in [
            (None, [1.0, 2.0, 3.0, 100.0]),
            (Some(Cap::Value(2.5)), [1.0, 2.0, 2.5, 2.5]),
            (Some(Cap::Quantile(1.0)), [1.0, 2.0, 3.0, 100.0]),
            (Some(Cap::Quantile(0.5)), [1.0, 2.0, 2.5, 2.5]),
        ] {
            let mut values = [1.0, 2.0, 3.0, 100.0];
            cap(&mut values, limit);
            assert_eq!(values, expected);
        }
    }
}
