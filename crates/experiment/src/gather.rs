//! What is known of the units of experiments before anything is compared.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use jiff::SignedDuration;
use tranche_metric::{
    FactsRead, Measurement, Metric, MetricError, MetricKind, Population, PriorState, Span, UnitValues,
    Values, Wanted,
};
use tranche_segment::evaluate::{Sharing, evaluate};
use tranche_segment::{EVERYONE, Scope};
use tranche_sql::keys::{KeyIndex, Sample};
use tranche_stats::VarianceMethod;

use crate::arms::{Outcomes, TakenIntoAccount};
use crate::cells::Cells;
use crate::comparing::Beside;
use crate::course::Course;
use crate::error::ExperimentError;
use crate::experiment::{Experiment, MetricChoice};
use crate::exposure::{Exposed, exposed};
use crate::looks::TakenLook;
use crate::measure::MeasureContext;
use crate::parallel::on_all_cores;
use crate::segments::{Membership, matches, segments_at_exposure};
use crate::statistics;
use crate::strata::Strata;

/// Units, the segments that they were in, and what they did before and after their exposure. Experiments with the same exposures share
/// them.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// Everyone who was exposed before `as_of`.
    pub(crate) all: Arc<Exposed>,
    /// Where the experiment stands.
    pub(crate) course: Course,
    /// The planned look whose result this is, where looks are planned.
    pub(crate) taken: Option<TakenLook>,
    /// The units that count: of a planned look, those exposed before it.
    pub(crate) units: Arc<Exposed>,
    /// The places of the units in each segment, rising; everyone first, then in the author's order.
    pub(crate) segments: Arc<Membership>,
    /// The units by variant and segments.
    pub(crate) cells: Arc<Cells>,
    /// What units are weighed by, where that is declared.
    pub(crate) strata: Option<Strata>,
    /// What each unit did in its window after exposure.
    pub(crate) after: UnitValues,
    /// What each unit did before it, where that is a covariate.
    pub(crate) before: Option<UnitValues>,
}

impl Gathered {
    /// What the estimates of a metric take into account.
    pub(crate) fn taken_into_account<'a>(
        &'a self,
        experiment: &'a Experiment,
        (choice, metric): (&MetricChoice, &'a Metric),
        context: &MeasureContext<'a>,
    ) -> TakenIntoAccount<'a> {
        let before = self.before.as_ref();
        let columns = |before: &'a UnitValues| {
            covariate_columns(experiment, metric, context, |covariate| before.of(covariate))
        };
        let is_quantile = matches!(metric.kind, MetricKind::Quantile { .. });
        let variance = choice.variance.unwrap_or(experiment.statistics.variance);
        TakenIntoAccount {
            counted: self.after.counted(metric),
            covariates: before.map_or_else(Vec::new, columns),
            clusters: self.units.clusters.as_ref(),
            strata: self.strata.as_ref(),
            variance: if is_quantile { VarianceMethod::Formula } else { variance },
            successes: experiment.statistics.method.counts_shares() && statistics::is_share(metric),
        }
    }

    /// The values of a metric per unit.
    pub(crate) fn outcomes<'a>(
        &'a self,
        metric: &Metric,
        taken: &TakenIntoAccount<'a>,
    ) -> Option<Outcomes<'a>> {
        Some(Outcomes::new(self.after.of(metric)?, taken.clone(), &self.cells))
    }

    /// What is shown of a metric beside its effect.
    pub(crate) fn beside<'a>(
        &'a self,
        experiment: &'a Experiment,
        metric: &'a Metric,
        taken: &TakenIntoAccount<'a>,
        context: &MeasureContext<'a>,
    ) -> Beside<'a> {
        let columns = |before: &'a UnitValues| {
            covariate_columns(experiment, metric, context, |covariate| {
                before.uncapped(covariate).or_else(|| before.of(covariate))
            })
        };
        let uncapped = self.after.uncapped(metric).map(|after| {
            let covariates = self.before.as_ref().map_or_else(Vec::new, columns);
            Outcomes::new(after, TakenIntoAccount { covariates, ..taken.clone() }, &self.cells)
        });
        let reached = match &metric.kind {
            MetricKind::Funnel { steps, .. } => self
                .after
                .details(metric)
                .and_then(|details| details.reached.as_deref())
                .zip(Some(steps.len())),
            _ => None,
        };
        Beside { uncapped, reached }
    }

    /// The values of each covariate before exposure, when nothing could have an effect yet.
    pub(crate) fn before_exposure<'a>(
        &'a self,
        experiment: &Experiment,
        context: &MeasureContext<'a>,
    ) -> Vec<(&'a str, Outcomes<'a>)> {
        let of = |metric: &'a Metric| {
            let values = self.before.as_ref()?.of(metric)?;
            let taken =
                TakenIntoAccount { clusters: self.units.clusters.as_ref(), ..TakenIntoAccount::default() };
            Some((metric.name.as_str(), Outcomes::new(values, taken, &self.cells)))
        };
        on_all_cores(&covariates(experiment, context), |metric| of(metric)).into_iter().flatten().collect()
    }
}

/// The columns that are taken out of a metric, each once; `read` gives the values of a covariate before exposure.
pub(crate) fn covariate_columns<'a>(
    experiment: &Experiment,
    metric: &'a Metric,
    context: &MeasureContext<'a>,
    read: impl Fn(&'a Metric) -> Option<Values<'a>>,
) -> Vec<(&'a str, &'a [f64])> {
    let is_own = experiment.statistics.cuped.as_ref().is_some_and(|cuped| cuped.covariates.is_empty());
    let covariates = if is_own { vec![metric] } else { covariates(experiment, context) };
    let columns: IndexMap<&str, &[f64]> =
        covariates.into_iter().flat_map(|covariate| named(covariate, read(covariate))).collect();
    columns.into_iter().collect()
}

/// The columns of a covariate: of a ratio, those of its parts. What has no value per unit has none.
fn named<'a>(metric: &'a Metric, values: Option<Values<'a>>) -> Vec<(&'a str, &'a [f64])> {
    match (values, &metric.kind) {
        (Some(Values::Single(values) | Values::Quantile(values, _)), _) => vec![(&metric.name, values)],
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
    let names: IndexSet<&String> =
        if cuped.covariates.is_empty() { own.collect() } else { declared.collect() };
    names.into_iter().filter_map(|name| context.metrics.get(name)).collect()
}

/// The strata that are declared, and the segments without those that are nothing but strata: they are no dimension of the result.
fn strata(
    experiment: &Experiment,
    segments: Arc<Membership>,
    units: usize,
) -> (Option<Strata>, Arc<Membership>) {
    let patterns: Vec<&str> =
        experiment.statistics.strata.iter().map(|pattern| pattern.value.as_str()).collect();
    if patterns.is_empty() {
        return (None, segments);
    }
    let strata = Strata::of(&patterns, &segments, units);
    let mut segments = Arc::unwrap_or_clone(segments);
    segments.retain(|name, _| {
        name == EVERYONE || experiment.segments.iter().any(|own| matches(&own.value, name))
    });
    (Some(strata), Arc::new(segments))
}

/// The metrics that an experiment chose and that there are.
pub(crate) fn choices<'a>(
    experiment: &'a Experiment,
    context: &'a MeasureContext<'_>,
) -> Vec<(&'a MetricChoice, &'a Metric)> {
    let of = |choice: &'a MetricChoice| Some((choice, context.metrics.get(&choice.metric.value)?));
    experiment.metrics.iter().filter_map(of).collect()
}

/// What is known of several experiments, and what it took.
#[derive(Debug)]
pub(crate) struct All {
    /// In the order of the experiments.
    pub(crate) gathered: Vec<Gathered>,
    pub(crate) rows_read: u64,
    /// How the facts of each table were read.
    pub(crate) facts: Vec<FactsRead>,
}

/// Finds the units of experiments, and all that is measured of each: every table is read once for all of them.
///
/// # Errors
/// [`ExperimentError`] with who is at fault.
pub(crate) async fn gather(
    experiments: &[&Experiment],
    context: &MeasureContext<'_>,
) -> Result<All, ExperimentError> {
    let as_of = context.session.as_of();
    let universes = universes(experiments, context).await?;
    let exposures = exposed(experiments, context, &universes).await?;
    tracing::debug!(experiments = experiments.len(), "units");
    let mut courses = Vec::new();
    for (experiment, all) in experiments.iter().zip(exposures) {
        let course = Course::new(experiment, context.metrics);
        let taken = course.taken(experiment, &all, as_of);
        // What comes after a look must not change what it shows, not even by where values are capped.
        let units = all.before(taken.as_ref().map_or(as_of, |look| look.at))?;
        courses.push((all, course, taken, units));
    }
    let broken_down: Vec<(&Experiment, &Arc<Exposed>)> =
        experiments.iter().zip(&courses).map(|(experiment, (.., units))| (*experiment, units)).collect();
    let (segments, segment_rows) = segments_at_exposure(&broken_down, context).await?;
    tracing::debug!(rows = segment_rows, "segments");
    let mut populations: Vec<(&Arc<Exposed>, Population)> = Vec::new();
    let mut places = Vec::new();
    for (experiment, (_, _, taken, units)) in experiments.iter().zip(&courses) {
        let until = taken.as_ref().map_or(as_of, |look| look.at);
        let is_same = |(known, population): &(&Arc<Exposed>, Population)| {
            Arc::ptr_eq(known, units) && population.until == until
        };
        places.push(populations.iter().position(is_same).unwrap_or(populations.len()));
        if places.last() == Some(&populations.len()) {
            let (name, entity, keys) =
                (experiment.name.clone(), experiment.entity.clone(), Arc::clone(&units.keys));
            populations.push((units, Population { name, entity, keys, at: units.at.clone(), until }));
        }
    }
    let mut wanted = Vec::new();
    for (experiment, place) in experiments.iter().zip(&places) {
        let population = &populations[*place].1;
        let metrics = choices(experiment, context).into_iter().map(|(_, metric)| metric).collect();
        wanted.push(Wanted { population, span: after(experiment), metrics });
        if let Some(span) = before(experiment) {
            wanted.push(Wanted { population, span, metrics: covariates(experiment, context) });
        }
    }
    let failed = |source| {
        let experiment = match &source {
            MetricError::Mismatch(mismatch) => mismatch.population.clone(),
            _ => experiments.iter().map(|experiment| experiment.name.as_str()).collect::<Vec<_>>().join(", "),
        };
        ExperimentError::Metric { experiment, source }
    };
    let mut measurement = Measurement::new(&wanted, context.facts()).map_err(failed)?;
    let mut facts = Vec::new();
    for table in measurement.tables() {
        facts.push(match &context.memory {
            Some(memory) => memory.read(&mut measurement, &table, as_of, failed).await?,
            None => {
                measurement.read(&table, PriorState::Ignored, Sample::default()).await.map_err(failed)?.facts
            }
        });
    }
    let values = measurement.into_values();
    let mut tables: Vec<(&str, u64)> = experiments
        .iter()
        .zip(&courses)
        .map(|(experiment, (all, ..))| (experiment.table.value.as_str(), all.rows_read))
        .collect();
    tables.sort_unstable();
    tables.dedup();
    let rows_read = tables.iter().map(|(_, rows)| rows).sum::<u64>()
        + segment_rows
        + facts.iter().map(|read| read.rows_read).sum::<u64>();
    let mut values = values.into_iter();
    let mut gathered: Vec<Gathered> = Vec::new();
    for ((experiment, (all, course, taken, units)), segments) in experiments.iter().zip(courses).zip(segments)
    {
        let after = values.next().unwrap_or_default();
        let before = before(experiment).and_then(|_| values.next());
        let (strata, segments) = strata(experiment, segments, units.at.len());
        let is_same =
            |known: &&Gathered| Arc::ptr_eq(&known.units, &units) && Arc::ptr_eq(&known.segments, &segments);
        let cells = match gathered.iter().find(is_same) {
            Some(known) => Arc::clone(&known.cells),
            None => Arc::new(Cells::new(&units.variants, &segments)),
        };
        gathered.push(Gathered { all, course, taken, units, segments, cells, strata, after, before });
    }
    Ok(All { gathered, rows_read, facts })
}

/// The window after exposure.
fn after(experiment: &Experiment) -> Span {
    Span::After(
        experiment
            .conversion_window
            .map(|window| SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX)),
    )
}

/// The stretch before exposure that covariates are measured over.
fn before(experiment: &Experiment) -> Option<Span> {
    let lookback = experiment.statistics.cuped.as_ref()?.lookback;
    Some(Span::Before(SignedDuration::try_from(lookback).unwrap_or(SignedDuration::MAX)))
}

/// The keys of everyone who counts as an entity, so that others can be told; by entity.
async fn universes(
    experiments: &[&Experiment],
    context: &MeasureContext<'_>,
) -> Result<HashMap<String, Arc<KeyIndex>>, ExperimentError> {
    let mut universes = HashMap::new();
    for experiment in experiments {
        if universes.contains_key(&experiment.entity) {
            continue;
        }
        let scope = Scope::universe(&experiment.entity);
        let everyone =
            evaluate(context.definitions, &scope, context.tables, context.session, Sharing::Shared).await;
        let everyone = everyone.map_err(|source| ExperimentError::Segment {
            experiment: experiment.name.clone(),
            source: Box::new(source),
        })?;
        universes.insert(experiment.entity.clone(), everyone.index);
    }
    Ok(universes)
}
