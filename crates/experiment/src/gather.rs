//! What is known of the units of an experiment before anything is compared.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use jiff::{SignedDuration, Timestamp};
use tranche_metric::{Metric, MetricKind, Population, UnitValues, Values, unit_values};
use tranche_segment::evaluate::{Sharing, evaluate};
use tranche_segment::{EVERYONE, Scope};
use tranche_sql::keys::KeyIndex;

use crate::arms::Outcomes;
use crate::course::Course;
use crate::error::ExperimentError;
use crate::experiment::{Experiment, MetricChoice};
use crate::exposure::{Exposed, exposed};
use crate::looks::TakenLook;
use crate::measure::MeasureContext;
use crate::segments::{matches, segments_at_exposure};
use crate::strata::Strata;

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
    /// What units are weighed by, where that is declared.
    pub(crate) strata: Option<Strata>,
    /// What each unit did in its window after exposure.
    pub(crate) after: UnitValues,
    /// What each unit did before it, where that is a covariate.
    pub(crate) before: Option<UnitValues>,
    /// Rows that were read.
    pub(crate) rows_read: u64,
}

impl Gathered {
    /// The values of a metric per unit, with all that its estimates take into account.
    pub(crate) fn outcomes<'a>(
        &'a self,
        experiment: &'a Experiment,
        (choice, metric): (&MetricChoice, &'a Metric),
        context: &MeasureContext<'a>,
    ) -> Option<Outcomes<'a>> {
        let before = self.before.as_ref();
        Some(Outcomes {
            covariates: before.map_or_else(Vec::new, |before| covariate_columns(experiment, metric, before, context)),
            clusters: self.units.clusters.as_ref(),
            strata: self.strata.as_ref(),
            variance: choice.variance.unwrap_or(experiment.statistics.variance),
            is_share: matches!(metric.kind, MetricKind::Proportion(_)),
            ..Outcomes::plain(self.after.of(metric)?)
        })
    }

    /// The values of each covariate before exposure, when nothing could have an effect yet.
    pub(crate) fn before_exposure<'a>(
        &'a self,
        experiment: &Experiment,
        context: &MeasureContext<'a>,
    ) -> Vec<(&'a str, Outcomes<'a>)> {
        let of = |metric: &'a Metric| {
            let values = self.before.as_ref()?.of(metric)?;
            Some((metric.name.as_str(), Outcomes { clusters: self.units.clusters.as_ref(), ..Outcomes::plain(values) }))
        };
        covariates(experiment, context).into_iter().filter_map(of).collect()
    }
}

/// The columns that are taken out of a metric, each once.
pub(crate) fn covariate_columns<'a>(
    experiment: &Experiment,
    metric: &'a Metric,
    before: &'a UnitValues,
    context: &MeasureContext<'a>,
) -> Vec<(&'a str, &'a [f64])> {
    let is_own = experiment.statistics.cuped.as_ref().is_some_and(|cuped| cuped.covariates.is_empty());
    let covariates = if is_own { vec![metric] } else { covariates(experiment, context) };
    let columns: IndexMap<&str, &[f64]> = covariates.into_iter().flat_map(|covariate| named(covariate, before)).collect();
    columns.into_iter().collect()
}

/// The columns of a covariate: of a ratio, those of its parts.
fn named<'a>(metric: &'a Metric, before: &'a UnitValues) -> Vec<(&'a str, &'a [f64])> {
    match (before.of(metric), &metric.kind) {
        (Some(Values::Single(values)), _) => vec![(&metric.name, values)],
        (Some(Values::Ratio(above, below)), MetricKind::Ratio { numerator, denominator }) => {
            vec![(&numerator.value, above), (&denominator.value, below)]
        }
        _ => Vec::new(),
    }
}

/// The metrics whose past is taken out of others, each once.
pub(crate) fn covariates<'a>(experiment: &Experiment, context: &MeasureContext<'a>) -> Vec<&'a Metric> {
    let Some(cuped) = &experiment.statistics.cuped else { return Vec::new() };
    let own = experiment.metrics.iter().map(|choice| &choice.metric.value);
    let declared = cuped.covariates.iter().map(|covariate| &covariate.value);
    let names: IndexSet<&String> = if cuped.covariates.is_empty() { own.collect() } else { declared.collect() };
    names.into_iter().filter_map(|name| context.metrics.get(name)).collect()
}

/// The strata that are declared. Segments that are nothing but strata are no dimension of the result.
fn strata(experiment: &Experiment, segments: &mut IndexMap<String, Vec<usize>>, units: usize) -> Option<Strata> {
    let patterns: Vec<&str> = experiment.statistics.strata.iter().map(|pattern| pattern.value.as_str()).collect();
    if patterns.is_empty() {
        return None;
    }
    let strata = Strata::of(&patterns, segments, units);
    segments.retain(|name, _| name == EVERYONE || experiment.segments.iter().any(|own| matches(&own.value, name)));
    Some(strata)
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
    let all = exposed(experiment, context.definitions, context.session, &mut universe).await?;
    let course = Course::new(experiment, &all);
    let taken = course.taken(experiment, as_of);
    let until = taken.as_ref().map_or(as_of, |look| look.at);
    // What comes after a look must not change what it shows, not even by where values are capped.
    let units = all.before(until)?;
    let (mut segments, segment_rows) = segments_at_exposure(experiment, &units, context).await?;
    let strata = strata(experiment, &mut segments, units.at.len());
    let wanted: Vec<&Metric> = choices(experiment, context).into_iter().map(|(_, metric)| metric).collect();
    let after = values(experiment, &wanted, &window(experiment, &units, until), context).await?;
    let covariates = covariates(experiment, context);
    let before = match &experiment.statistics.cuped {
        Some(cuped) => {
            let lookback = SignedDuration::try_from(cuped.lookback).unwrap_or(SignedDuration::MAX);
            let from = units.at.iter().map(|at| at.checked_sub(lookback).unwrap_or(Timestamp::MIN)).collect();
            let population =
                Population { entity: experiment.entity.clone(), keys: Arc::clone(&units.keys), from, to: units.at.clone() };
            Some(values(experiment, &covariates, &population, context).await?)
        }
        None => None,
    };
    let rows_read = units.rows_read + segment_rows + after.rows_read + before.as_ref().map_or(0, |b| b.rows_read);
    Ok(Gathered { all, course, taken, units, segments, strata, after, before, rows_read })
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
