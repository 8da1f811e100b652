//! What is known of the units of an experiment before anything is compared.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use tranche_metric::{Metric, Population, UnitValues, unit_values};
use tranche_segment::Scope;
use tranche_segment::evaluate::{Sharing, evaluate};
use tranche_sql::keys::KeyIndex;

use crate::arms::Outcomes;
use crate::course::Course;
use crate::error::ExperimentError;
use crate::experiment::{Experiment, MetricChoice};
use crate::exposure::{Exposed, exposed};
use crate::looks::TakenLook;
use crate::measure::MeasureContext;
use crate::segments::segments_at_exposure;

/// Units, the segments that they were in, and what they did before and after their exposure.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// Everyone who was exposed before `as_of`.
    pub(crate) all: Exposed,
    /// Where the experiment stands.
    pub(crate) course: Course,
    /// The planned look whose result this is, where looks are planned.
    pub(crate) taken: Option<TakenLook>,
    /// The units that count: of a planned look, those exposed before it.
    pub(crate) units: Exposed,
    /// The places of the units in each segment, rising; everyone first, then in the author's order.
    pub(crate) segments: IndexMap<String, Vec<usize>>,
    /// What each unit did in its window after exposure.
    pub(crate) after: UnitValues,
    /// What each unit did before it, where that is a covariate.
    pub(crate) before: Option<UnitValues>,
    /// Rows that were read.
    pub(crate) rows_read: u64,
}

impl Gathered {
    /// The values of a metric per unit.
    pub(crate) fn outcomes(&self, metric: &Metric) -> Option<Outcomes<'_>> {
        Some(Outcomes { after: self.after.of(metric)?, before: self.before.as_ref().and_then(|before| before.of(metric)) })
    }
}

/// The metrics that an experiment chose and that there are.
pub(crate) fn choices<'a>(experiment: &'a Experiment, context: &'a MeasureContext<'_>) -> Vec<(&'a MetricChoice, &'a Metric)> {
    let of = |choice: &'a MetricChoice| Some((choice, context.metrics.get(&choice.metric.value)?));
    experiment.metrics.iter().filter_map(of).collect()
}

/// Finds the units of an experiment, and all that is measured of each.
///
/// # Errors
/// [`ExperimentError`] with who is at fault.
pub(crate) async fn gather(experiment: &Experiment, context: &MeasureContext<'_>) -> Result<Gathered, ExperimentError> {
    let as_of = context.session.as_of();
    let mut universe = universe(experiment, context).await?;
    let contract = context.definitions.contracts.get(&experiment.table.value).ok_or_else(|| ExperimentError::Exposure {
        experiment: experiment.name.clone(),
        reason: format!("there is no table `{}`", experiment.table.value),
    })?;
    let all = exposed(experiment, contract, context.session, &mut universe).await?;
    let course = Course::new(experiment, &all);
    let taken = course.taken(experiment, as_of);
    let until = taken.as_ref().map_or(as_of, |look| look.at);
    // What comes after a look must not change what it shows, not even by where values are capped.
    let units = all.before(until)?;
    let (segments, segment_rows) = segments_at_exposure(experiment, &units, context).await?;
    let wanted: Vec<&Metric> = choices(experiment, context).into_iter().map(|(_, metric)| metric).collect();
    let after = values(experiment, &wanted, &window(experiment, &units, until), context).await?;
    let before = match experiment.statistics.cuped {
        Some(cuped) => {
            let lookback = SignedDuration::try_from(cuped.lookback).unwrap_or(SignedDuration::MAX);
            let from = units.at.iter().map(|at| at.checked_sub(lookback).unwrap_or(Timestamp::MIN)).collect();
            let population =
                Population { entity: experiment.entity.clone(), keys: Arc::clone(&units.keys), from, to: units.at.clone() };
            Some(values(experiment, &wanted, &population, context).await?)
        }
        None => None,
    };
    let rows_read = units.rows_read + segment_rows + after.rows_read + before.as_ref().map_or(0, |b| b.rows_read);
    Ok(Gathered { all, course, taken, units, segments, after, before, rows_read })
}

/// The keys of everyone who counts as an entity, so that others can be told.
async fn universe(experiment: &Experiment, context: &MeasureContext<'_>) -> Result<KeyIndex, ExperimentError> {
    let scope = Scope::universe(&experiment.entity);
    let everyone = evaluate(context.definitions, &scope, context.tables, context.session, Sharing::Shared).await;
    everyone
        .map(|found| Arc::unwrap_or_clone(found.index))
        .map_err(|source| ExperimentError::Segment { experiment: experiment.name.clone(), source: Box::new(source) })
}

/// The window of each unit: from its first exposure, as long as the author says, but not beyond `as_of`.
fn window(experiment: &Experiment, units: &Exposed, as_of: Timestamp) -> Population {
    let end = |at: &Timestamp| match experiment.conversion_window.map(SignedDuration::try_from) {
        Some(Ok(length)) => at.checked_add(length).unwrap_or(as_of).min(as_of),
        _ => as_of,
    };
    Population {
        entity: experiment.entity.clone(),
        keys: Arc::clone(&units.keys),
        from: units.at.clone(),
        to: units.at.iter().map(end).collect(),
    }
}

async fn values(
    experiment: &Experiment,
    wanted: &[&Metric],
    population: &Population,
    context: &MeasureContext<'_>,
) -> Result<UnitValues, ExperimentError> {
    let found = unit_values(context.metrics, wanted, &context.definitions.contracts, context.session, population).await;
    found.map_err(|source| ExperimentError::Metric { experiment: experiment.name.clone(), source })
}
