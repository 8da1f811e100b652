//! Who was first exposed to which variant, and when.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::prelude::ident;
use jiff::Timestamp;
use tranche_schema::Contract;
use tranche_segment::Definitions;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Collected, Session, SqlError, SqlProblem, column_text, instant_literal};

use crate::clusters::{self, ClusterColumn, ClusterNames, Clusters};
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
    /// The cluster of each unit, where clusters were randomised.
    pub(crate) clusters: Option<Clusters>,
    /// Units that are left out because they saw several variants.
    pub(crate) several_variants: u64,
    /// What is left out because of its cluster.
    pub(crate) cluster_losses: ClusterLosses,
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
            clusters: self.clusters.as_ref().map(|clusters| clusters.kept(&is_before)),
            several_variants: self.several_variants,
            cluster_losses: self.cluster_losses,
            unmatched: self.unmatched,
            unknown_variants: self.unknown_variants.clone(),
            rows_read: self.rows_read,
        })
    }
}

/// What is left out because of its cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClusterLosses {
    /// Clusters whose units saw several variants.
    pub(crate) mixed: u64,
    /// The units of those.
    pub(crate) mixed_units: u64,
    /// Units whose cluster is not known.
    pub(crate) without: u64,
}

/// The first exposure of a unit, its cluster then, and whether it saw another variant later.
struct First {
    at: i64,
    variant: usize,
    cluster: Option<u32>,
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
    definitions: &Definitions,
    session: &Session,
    universe: &mut KeyIndex,
) -> Result<Exposed, ExperimentError> {
    let failed = |reason: String| ExperimentError::Exposure { experiment: experiment.name.clone(), reason };
    let table = &experiment.table.value;
    let contract = definitions.contracts.get(table).ok_or_else(|| failed(format!("there is no table `{table}`")))?;
    let cluster = match &experiment.cluster {
        Some(column) => {
            let place = ClusterColumn::of(&column.value, contract, definitions.entity_contract(&experiment.entity));
            Some((column.value.as_str(), place.ok_or_else(|| failed(format!("there is no column `{}`", column.value)))?))
        }
        None => None,
    };
    let size = universe.len();
    let mut names = ClusterNames::default();
    let exposures = exposures(experiment, contract, cluster, session).await?;
    let (mut units, unknown_variants) = first_exposures(experiment, &exposures.batches, universe, &mut names)?;
    if let Some((column, ClusterColumn::Entity)) = cluster {
        let of = clusters::of_entities(experiment, column, definitions, session, universe, &mut names).await?;
        units.iter_mut().for_each(|(number, first)| first.cluster = of.get(number).copied());
    }
    let several_variants = units.values().filter(|first| first.several).count() as u64;
    let mut cluster_losses = ClusterLosses::default();
    if cluster.is_some() {
        cluster_losses = leave_out_clusters(&mut units);
    }
    let unmatched = units.iter().filter(|(number, first)| **number >= size && !first.several).count() as u64;
    units.retain(|number, first| !first.several && *number < size);
    Ok(Exposed {
        keys: universe.column(units.keys().copied())?,
        variants: units.values().map(|first| first.variant).collect(),
        at: units.values().map(|first| Timestamp::from_microsecond(first.at).unwrap_or(Timestamp::UNIX_EPOCH)).collect(),
        clusters: cluster.map(|_| Clusters::new(units.values().filter_map(|first| first.cluster).collect())),
        several_variants,
        cluster_losses,
        unmatched,
        unknown_variants,
        rows_read: exposures.rows_read,
    })
}

/// The exposures within the period: key, variant, instant, and the cluster where it is theirs.
async fn exposures(
    experiment: &Experiment,
    contract: &Contract,
    cluster: Option<(&str, ClusterColumn)>,
    session: &Session,
) -> Result<Collected, ExperimentError> {
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
    let mut columns = vec![ident(key).alias(KEY), ident(&experiment.variant.value).alias(VARIANT), ident(at).alias(AT)];
    if let Some((column, ClusterColumn::Exposure)) = cluster {
        columns.push(ident(column).alias(CLUSTER));
    }
    let frame = frame.filter(within.and(ident(key).is_not_null())).and_then(|f| f.select(columns)).map_err(SqlError::engine)?;
    Ok(session.collect_frame(frame).await?)
}

const KEY: &str = "_key";
const VARIANT: &str = "_variant";
const AT: &str = "_at";
const CLUSTER: &str = "_cluster";

type FirstExposures = (BTreeMap<u32, First>, BTreeMap<String, u64>);

/// The first exposure of each unit by its number in `universe`, and how often there were variants that the experiment does not have.
fn first_exposures(
    experiment: &Experiment,
    exposures: &[RecordBatch],
    universe: &mut KeyIndex,
    names: &mut ClusterNames,
) -> Result<FirstExposures, ExperimentError> {
    let mut units: BTreeMap<u32, First> = BTreeMap::new();
    let mut unknown_variants: BTreeMap<String, u64> = BTreeMap::new();
    for batch in exposures {
        let numbers = universe.insert(batch.column(0))?;
        let variants = column_text(std::slice::from_ref(batch), 1)?;
        let instants = cast(batch.column(2), &DataType::Int64).map_err(SqlError::from)?;
        let instants = instants.as_primitive::<Int64Type>();
        let clusters = match batch.num_columns() {
            4 => column_text(std::slice::from_ref(batch), 3)?,
            _ => vec![None; batch.num_rows()],
        };
        let rows = numbers.into_iter().zip(variants).zip(instants.iter()).zip(clusters);
        for (((number, variant), at), cluster) in rows {
            let (Some(number), Some(at)) = (number, at) else { continue };
            let variant = variant.unwrap_or_else(|| "(none)".to_owned());
            let Some(variant) = experiment.variants.get_index_of(&variant) else {
                *unknown_variants.entry(variant).or_default() += 1;
                continue;
            };
            let cluster = cluster.map(|name| names.number(name));
            let first = units.entry(number).or_insert(First { at, variant, cluster, several: false });
            first.several |= first.variant != variant;
            if at < first.at {
                (first.at, first.variant, first.cluster) = (at, variant, cluster);
            }
        }
    }
    Ok((units, unknown_variants))
}

/// Leaves out units without a cluster, and clusters that saw several variants, be it by one of their units alone.
fn leave_out_clusters(units: &mut BTreeMap<u32, First>) -> ClusterLosses {
    let mut variant_of: HashMap<u32, Option<usize>> = HashMap::new();
    for first in units.values() {
        if let Some(cluster) = first.cluster {
            let own = Some(first.variant).filter(|_| !first.several);
            let variant = variant_of.entry(cluster).or_insert(own);
            *variant = variant.filter(|variant| Some(*variant) == own);
        }
    }
    let is_mixed = |cluster: u32| variant_of.get(&cluster).is_some_and(Option::is_none);
    let lost = |first: &First| first.cluster.is_none_or(is_mixed);
    let losses = ClusterLosses {
        mixed: variant_of.values().filter(|variant| variant.is_none()).count() as u64,
        mixed_units: units.values().filter(|first| !first.several && first.cluster.is_some_and(is_mixed)).count() as u64,
        without: units.values().filter(|first| !first.several && first.cluster.is_none()).count() as u64,
    };
    units.retain(|_, first| first.several || !lost(first));
    losses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_with_several_variants_are_left_out_whole() {
        let first = |variant, cluster, several| First { at: 0, variant, cluster, several };
        let mut units = BTreeMap::from([
            (1, first(0, Some(7), false)),
            (2, first(0, Some(7), false)),
            (3, first(0, Some(8), false)),
            (4, first(1, Some(8), false)),
            (5, first(1, Some(9), true)),
            (6, first(1, Some(9), false)),
            (7, first(1, None, false)),
        ]);
        let losses = leave_out_clusters(&mut units);
        assert_eq!(losses, ClusterLosses { mixed: 2, mixed_units: 3, without: 1 });
        // Unit 5 saw several variants itself, which is counted as such.
        assert_eq!(units.keys().copied().collect::<Vec<_>>(), [1, 2, 5]);
    }
}
