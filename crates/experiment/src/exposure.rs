//! Who was first exposed to which variant, and when.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::compute::{cast, filter};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::prelude::ident;
use jiff::Timestamp;
use tranche_schema::Contract;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, SqlError, SqlProblem, column_text, instant_literal};

use crate::error::ExperimentError;
use crate::experiment::Experiment;

/// The units of an experiment.
#[derive(Debug)]
pub(crate) struct Exposed {
    /// Their keys, each once.
    pub(crate) keys: ArrayRef,
    /// The variant of each unit, as its place among the experiment's variants.
    pub(crate) variants: Vec<usize>,
    /// The first exposure of each unit.
    pub(crate) at: Vec<Timestamp>,
    /// Units that are left out because they saw several variants.
    pub(crate) several_variants: u64,
    /// Units that are left out because the entity table lacks them.
    pub(crate) unmatched: u64,
    /// Exposures with a variant that the experiment does not have, by variant.
    pub(crate) unknown_variants: BTreeMap<String, u64>,
    /// Rows that were read.
    pub(crate) rows_read: u64,
}

impl Exposed {
    /// The units exposed before `until`; what was left out stays counted.
    pub(crate) fn before(&self, until: Timestamp) -> Result<Self, ExperimentError> {
        let is_before: Vec<bool> = self.at.iter().map(|at| *at < until).collect();
        fn kept<T: Copy>(values: &[T], is_before: &[bool]) -> Vec<T> {
            values.iter().zip(is_before).filter(|(_, is_before)| **is_before).map(|(value, _)| *value).collect()
        }
        Ok(Self {
            keys: filter(&self.keys, &BooleanArray::from(is_before.clone())).map_err(SqlError::from)?,
            variants: kept(&self.variants, &is_before),
            at: kept(&self.at, &is_before),
            several_variants: self.several_variants,
            unmatched: self.unmatched,
            unknown_variants: self.unknown_variants.clone(),
            rows_read: self.rows_read,
        })
    }
}

/// The first exposure of a unit, and whether it saw another variant later.
struct First {
    at: i64,
    variant: usize,
    several: bool,
}

/// An SQL predicate over the rows of a contract's table.
pub(crate) fn filter_expression(sql: &str, contract: &Contract, session: &Session) -> Result<Expr, SqlProblem> {
    let failed = |e: datafusion::error::DataFusionError| SqlProblem {
        position: tranche_project::Position::START,
        message: e.strip_backtrace(),
        help: None,
    };
    session.expression(sql, &DFSchema::try_from(contract.arrow_schema().as_ref().clone()).map_err(failed)?)
}

/// Finds the units of an experiment within its period. `universe` holds the keys of the entity table.
pub(crate) async fn exposed(
    experiment: &Experiment,
    contract: &Contract,
    session: &Session,
    universe: &mut KeyIndex,
) -> Result<Exposed, ExperimentError> {
    let failed = |reason: String| ExperimentError::Exposure { experiment: experiment.name.clone(), reason };
    let key = contract.entity_column(&experiment.entity).ok_or_else(|| failed("no column names the entity".to_owned()))?;
    let at = match (&experiment.at, contract.event_time()) {
        (Some(at), _) => at.value.as_str(),
        (None, Some(event_time)) => event_time,
        (None, None) => return Err(failed(format!("`{}` is not an event table", contract.table))),
    };
    let mut frame = session.table(&contract.table).await?;
    if let Some(filter) = &experiment.filter {
        frame = frame
            .filter(filter_expression(&filter.value, contract, session).map_err(|p| failed(p.message))?)
            .map_err(SqlError::engine)?;
    }
    let within = ident(at).gt_eq(instant_literal(experiment.from)).and(ident(at).lt(instant_literal(experiment.to)));
    let frame = frame
        .filter(within.and(ident(key).is_not_null()))
        .and_then(|f| f.select(vec![ident(key), ident(&experiment.variant.value), ident(at)]))
        .map_err(SqlError::engine)?;
    let collected = session.collect_frame(frame).await?;
    let size = universe.len();
    let mut units: BTreeMap<u32, First> = BTreeMap::new();
    let mut unknown_variants: BTreeMap<String, u64> = BTreeMap::new();
    for batch in &collected.batches {
        let numbers = universe.insert(batch.column(0))?;
        let variants = column_text(std::slice::from_ref(batch), 1)?;
        let instants = cast(batch.column(2), &DataType::Int64).map_err(SqlError::from)?;
        let instants = instants.as_primitive::<Int64Type>();
        for ((number, variant), at) in numbers.into_iter().zip(variants).zip(instants.iter()) {
            let (Some(number), Some(at)) = (number, at) else { continue };
            let variant = variant.unwrap_or_else(|| "(none)".to_owned());
            let Some(variant) = experiment.variants.get_index_of(&variant) else {
                *unknown_variants.entry(variant).or_default() += 1;
                continue;
            };
            let first = units.entry(number).or_insert(First { at, variant, several: false });
            first.several |= first.variant != variant;
            if at < first.at {
                (first.at, first.variant) = (at, variant);
            }
        }
    }
    let several_variants = units.values().filter(|first| first.several).count() as u64;
    let unmatched = units.iter().filter(|(number, first)| **number >= size && !first.several).count() as u64;
    units.retain(|number, first| !first.several && *number < size);
    Ok(Exposed {
        keys: universe.column(units.keys().copied())?,
        variants: units.values().map(|first| first.variant).collect(),
        at: units.values().map(|first| Timestamp::from_microsecond(first.at).unwrap_or(Timestamp::UNIX_EPOCH)).collect(),
        several_variants,
        unmatched,
        unknown_variants,
        rows_read: collected.rows_read,
    })
}
