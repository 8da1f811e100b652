//! Measuring: exposures x segments before exposure x facts after it -> moments -> estimates.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tranche_metric::{Metric, Metrics, Population, UnitValues, unit_values};
use tranche_segment::evaluate::{Sharing, evaluate};
use tranche_segment::{Definitions, Scope};
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Engine, Session, Tables};

use crate::arms::Outcomes;
use crate::comparing::Comparing;
use crate::course::Course;
use crate::error::ExperimentError;
use crate::experiment::{Experiment, MetricChoice};
use crate::exposure::{Exposed, exposed};
use crate::family::{self, Measured};
use crate::heterogeneity::{self, Between, HeterogeneityRow};
use crate::plan::{self, Registration};
use crate::result::ExperimentResult;
use crate::segments::segments_at_exposure;
use crate::statistics::Method;
use crate::summary::{self, Found};
use crate::trust;

/// What a measurement works with.
pub struct MeasureContext<'a> {
    /// The tables of the contracts.
    pub tables: &'a Tables,
    /// The engine, for sessions at the instants of exposure.
    pub engine: &'a Engine,
    /// The engine at the `as_of`, with the contracts registered.
    pub session: &'a Session,
    /// The pipeline's traits and segments.
    pub definitions: &'a Definitions,
    /// The pipeline's metrics.
    pub metrics: &'a Metrics,
}

/// Measures an experiment; returns what it showed and the rows that were read for it. `earlier` is the plan that an earlier
/// measurement registered.
///
/// # Errors
/// [`ExperimentError`] with who is at fault.
pub async fn measure(
    experiment: &Experiment,
    earlier: Option<&Registration>,
    context: &MeasureContext<'_>,
) -> Result<(ExperimentResult, u64), ExperimentError> {
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
    let choices: Vec<(&MetricChoice, &Metric)> =
        experiment.metrics.iter().filter_map(|choice| Some((choice, context.metrics.get(&choice.metric.value)?))).collect();
    let wanted: Vec<&Metric> = choices.iter().map(|(_, metric)| *metric).collect();
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
    let outcomes: Vec<(&MetricChoice, &Metric, Outcomes<'_>)> = choices
        .iter()
        .filter_map(|(choice, metric)| {
            let outcomes = Outcomes { after: after.of(metric)?, before: before.as_ref().and_then(|before| before.of(metric)) };
            Some((*choice, *metric, outcomes))
        })
        .collect();
    let comparing = Comparing { experiment, units: &units, segments: &segments, taken: taken.as_ref() };
    let mut measured: Vec<Measured> =
        outcomes.iter().flat_map(|(choice, metric, outcomes)| comparing.rows(choice, metric, outcomes)).collect();
    family::judge(&mut measured, experiment.statistics.alpha, experiment.statistics.adjust);
    let between = Between { experiment, units: &units, segments: &segments };
    let may_be_seen = !matches!(experiment.statistics.method, Method::GroupSequential(_)) || taken.is_some();
    let mut heterogeneity: Vec<HeterogeneityRow> = Vec::new();
    if may_be_seen {
        heterogeneity.extend(outcomes.iter().flat_map(|(choice, _, outcomes)| between.rows(choice, outcomes)));
        heterogeneity::adjust(&mut heterogeneity, experiment.statistics.adjust);
    }
    let srm = trust::sample_ratio_check(experiment, &all);
    let covariates: Vec<(&str, Outcomes<'_>)> =
        outcomes.iter().map(|(choice, _, outcomes)| (choice.metric.value.as_str(), *outcomes)).collect();
    let checks = trust::checks(experiment, &units, &segments, &srm, &covariates);
    let plan = plan::register(earlier, plan::plan_of(experiment, context.metrics), all.at.iter().min().copied(), as_of);
    let rows_read = units.rows_read + segment_rows + after.rows_read + before.map_or(0, |b| b.rows_read);
    let found = Found {
        as_of,
        stage: course.stage(experiment, taken.as_ref(), as_of),
        estimates: measured.into_iter().map(|one| one.row).collect(),
        taken,
        heterogeneity,
        srm,
        checks,
        plan,
    };
    Ok((summary::result(experiment, &all, &choices, found), rows_read))
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
