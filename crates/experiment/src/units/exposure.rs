//! Reading exposures: which unit saw which variant, and when.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::logical_expr::utils::split_conjunction_owned;
use object_store::memory::InMemory;
use tranche_project::Spanned;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_sql::scan::{RowQuery, Scanned, TableSources};

use super::clusters;
use super::exposed::Exposed;
use super::exposure_scan::{ExposureQuery, ExposureScan};
use super::first::{PartialExposures, UnitOrigin};
use super::universe::universes;
use crate::context::MeasureContext;
use crate::definition::{ClusterColumn, Experiment};
use crate::error::ExperimentError;

/// An experiment with everyone who was exposed.
pub(super) struct Exposures<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) units: Arc<Exposed>,
}

/// Finds the units of experiments within their periods: each table of exposures is read once, and experiments
/// with the same exposures share their units.
pub(super) async fn exposures<'a>(
    experiments: &[&'a Experiment],
    context: &MeasureContext<'_>,
) -> Result<Vec<Exposures<'a>>, ExperimentError> {
    let universes = universes(experiments, context).await?;
    let mut distinct: Vec<&Experiment> = Vec::new();
    let mut places = Vec::new();
    for experiment in experiments {
        let known = distinct.iter().position(|known| have_same_exposures(known, experiment));
        places.push(known.unwrap_or(distinct.len()));
        if known.is_none() {
            distinct.push(experiment);
        }
    }
    let mut found: Vec<Option<Arc<Exposed>>> = distinct.iter().map(|_| None).collect();
    let tables: BTreeSet<&str> = distinct.iter().map(|experiment| experiment.table.value.as_str()).collect();
    for table in tables {
        let own: Vec<usize> =
            (0..distinct.len()).filter(|&place| distinct[place].table.value == table).collect();
        let (mut queries, mut origins) = (Vec::new(), Vec::new());
        for &place in &own {
            let (query, origin) = planned(distinct[place], context, &universes).await?;
            queries.push(query);
            origins.push(origin);
        }
        let scanned = first_exposures(table, queries, context, &universes).await;
        let Scanned { partial, rows_read, .. } = scanned.map_err(|error| match error {
            SqlError::Row(failure) => {
                let experiment = distinct[own[failure.query]].name.clone();
                ExperimentError::Row { experiment, failure }
            }
            error => error.into(),
        })?;
        for ((place, firsts), origin) in own.into_iter().zip(partial.0).zip(origins) {
            found[place] = Some(Arc::new(firsts.into_units(origin, rows_read)?));
        }
    }
    let of = |(&experiment, place): (&&'a Experiment, usize)| {
        Some(Exposures { experiment, units: found[place].clone()? })
    };
    Ok(experiments.iter().zip(places).filter_map(of).collect())
}

/// Whether two experiments have the same units in the same variants.
fn have_same_exposures(a: &Experiment, b: &Experiment) -> bool {
    let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
    let of = |e: &Experiment| {
        let exposure =
            (e.entity.clone(), e.table.value.clone(), text(&e.filter), e.variant.value.clone(), text(&e.at));
        (exposure, text(&e.cluster), e.from, e.to, e.variants.keys().cloned().collect::<Vec<_>>())
    };
    of(a) == of(b)
}

/// What is asked of the exposures of an experiment, and where its units come from.
async fn planned(
    experiment: &Experiment,
    context: &MeasureContext<'_>,
    universes: &HashMap<String, Arc<KeyIndex>>,
) -> Result<(ExposureQuery, UnitOrigin), ExperimentError> {
    let failed = |reason: String| ExperimentError::Exposure { experiment: experiment.name.clone(), reason };
    let table = &experiment.table.value;
    let contract = context
        .definitions
        .contracts
        .get(table)
        .ok_or_else(|| failed(format!("there is no table `{table}`")))?;
    let key = contract
        .entity_column(&experiment.entity)
        .ok_or_else(|| failed("no column names the entity".to_owned()))?;
    let event_time =
        contract.event_time().ok_or_else(|| failed(format!("`{table}` is not an event table")))?;
    let filter =
        experiment.filter.as_ref().map(|filter| context.session.row_expression(contract, &filter.value));
    let predicate =
        filter.transpose().map_err(|problem| failed(problem.message))?.map(split_conjunction_owned);
    let universe =
        universes.get(&experiment.entity).ok_or_else(|| failed("its entity has no table".to_owned()))?;
    let (mut cluster, mut entity_clusters) = (None, None);
    if let Some(column) = &experiment.cluster {
        match ClusterColumn::of(
            &column.value,
            contract,
            context.definitions.entity_contract(&experiment.entity),
        ) {
            Some(ClusterColumn::Exposure) => cluster = Some(column.value.clone()),
            Some(ClusterColumn::Entity) => {
                entity_clusters =
                    Some(clusters::of_entities(experiment, &column.value, context, universe).await?);
            }
            None => return Err(failed(format!("there is no column `{}`", column.value))),
        }
    }
    let query = ExposureQuery {
        rows: RowQuery { predicate: predicate.unwrap_or_default(), value: None },
        entity: experiment.entity.clone(),
        key: key.to_owned(),
        variant: experiment.variant.value.clone(),
        at: experiment.at.as_ref().map_or_else(|| event_time.to_owned(), |at| at.value.clone()),
        cluster,
        variants: experiment.variants.keys().cloned().collect(),
        period: experiment.from.as_microsecond()..experiment.to.as_microsecond(),
    };
    let has_clusters = experiment.cluster.is_some();
    Ok((query, UnitOrigin { universe: Arc::clone(universe), entity_clusters, has_clusters }))
}

/// Reads a table of exposures once.
async fn first_exposures(
    table: &str,
    queries: Vec<ExposureQuery>,
    context: &MeasureContext<'_>,
    universes: &HashMap<String, Arc<KeyIndex>>,
) -> Result<Scanned<PartialExposures>, SqlError> {
    let unknown = || SqlError::Engine(format!("there is no table `{table}`"));
    let contract = context.definitions.contracts.get(table).ok_or_else(unknown)?;
    let unwritten = || TableSources { objects: Arc::new(InMemory::new()), version: 0, sources: Vec::new() };
    let sources = context.tables.sources(table)?.unwrap_or_else(unwritten);
    ExposureScan { contract, sources, queries }.run(universes, context.session).await
}
