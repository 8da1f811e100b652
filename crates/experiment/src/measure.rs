//! Measuring: exposures x segments before exposure x facts after it -> moments -> estimates.

use jiff::Timestamp;
use tranche_metric::{Facts, FactsRead, Metrics};
use tranche_scorecard::{ExperimentResult, HeterogeneityRow, OutlierRow, Preregistration, Series};
use tranche_segment::{Definitions, EVERYONE};
use tranche_sql::{Engine, Session, Tables};

use crate::arms::Outcomes;
use crate::cells::Side;
use crate::comparing::Comparing;
use crate::error::ExperimentError;
use crate::experiment::{Experiment, MetricChoice};
use crate::family::{self, Measured};
use crate::gather::{All, Gathered, choices, gather};
use crate::heterogeneity::{self, Between};
use crate::outliers;
use crate::parallel::on_all_cores;
use crate::plan;
use crate::series::{self, Cohorts};
use crate::state::Memory;
use crate::statistics::Method;
use crate::summary::{self, Found, LeftOut};
use crate::traffic::Traffic;
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
    /// What an earlier measurement kept; without it, all facts are read and nothing is kept.
    pub memory: Option<Memory<'a>>,
}

/// What was measured.
#[derive(Debug)]
pub struct Measurements {
    /// What experiments showed, in their order.
    pub results: Vec<ExperimentResult>,
    /// Rows that were read from tables.
    pub rows_read: u64,
    /// How the facts of each table were read.
    pub facts: Vec<FactsRead>,
}

impl<'a> MeasureContext<'a> {
    /// What metrics are measured from.
    pub(crate) fn facts(&self) -> Facts<'a> {
        Facts {
            metrics: self.metrics,
            contracts: &self.definitions.contracts,
            tables: self.tables,
            session: self.session,
        }
    }
}

/// Measures experiments, each with the plan that an earlier measurement registered; every table is read once for all of them, and of
/// facts only what is new where an earlier measurement kept what it found.
///
/// # Errors
/// [`ExperimentError`] with who is at fault.
pub async fn measure(
    experiments: &[(&Experiment, Option<&Preregistration>)],
    context: &MeasureContext<'_>,
) -> Result<Measurements, ExperimentError> {
    let measured: Vec<&Experiment> = experiments.iter().map(|(experiment, _)| *experiment).collect();
    let All { gathered, rows_read, facts } = gather(&measured, context).await?;
    let known: Vec<_> = experiments.iter().zip(&gathered).collect();
    let results = on_all_cores(&known, |((experiment, earlier), gathered)| {
        compare(experiment, *earlier, gathered, context)
    });
    Ok(Measurements { results, rows_read, facts })
}

/// Compares the variants by what is known of the units.
pub(crate) fn compare(
    experiment: &Experiment,
    earlier: Option<&Preregistration>,
    gathered: &Gathered,
    context: &MeasureContext<'_>,
) -> ExperimentResult {
    let as_of = context.session.as_of();
    let Gathered { all, course, taken, units, segments, cells, .. } = gathered;
    let choices = choices(experiment, context);
    let comparing = Comparing { experiment, segments, cells, taken: taken.as_ref() };
    // The moments of each metric are a pass over all units.
    let compared = on_all_cores(&choices, |&(choice, metric)| {
        let taken = gathered.taken_into_account(experiment, (choice, metric), context);
        let outcomes = gathered.outcomes(metric, &taken)?;
        let beside = gathered.beside(experiment, metric, &taken, context);
        Some((choice, comparing.rows(choice, metric, &outcomes, &beside), outcomes))
    });
    let mut measured: Vec<Measured> = Vec::new();
    let mut outcomes: Vec<(&MetricChoice, Outcomes<'_>)> = Vec::new();
    for (choice, rows, known) in compared.into_iter().flatten() {
        measured.extend(rows);
        outcomes.push((choice, known));
    }
    let families = family::judge(&mut measured, &experiment.statistics);
    let between = Between { experiment, segments, cells };
    let may_be_seen = !matches!(experiment.statistics.method, Method::GroupSequential(_)) || taken.is_some();
    let mut heterogeneity: Vec<HeterogeneityRow> = Vec::new();
    if may_be_seen {
        heterogeneity.extend(outcomes.iter().flat_map(|(choice, outcomes)| between.rows(choice, outcomes)));
        heterogeneity::adjust(&mut heterogeneity, experiment.statistics.adjust);
    }
    let srm = trust::sample_ratio_check(experiment, all);
    let before = gathered.before_exposure(experiment, context);
    let mut checks = trust::checks(experiment, units, segments, &srm, &before, cells);
    let traffic = Traffic::of(experiment, all, as_of);
    checks.extend(traffic.checks());
    let (outliers, series) = if may_be_seen {
        closer(experiment, gathered, as_of, &measured, &outcomes)
    } else {
        (Vec::new(), series::empty(&experiment.statistics.method))
    };
    checks.extend(outliers.iter().map(outliers::check));
    let plan = plan::register(
        earlier,
        plan::plan_of(experiment, context.metrics),
        all.at.iter().min().copied(),
        as_of,
    );
    let left_out = choices.iter().filter_map(|(_, metric)| LeftOut::of(metric, &gathered.after)).collect();
    let found = Found {
        as_of,
        left_out,
        stage: course.stage(experiment, taken.as_ref(), as_of),
        estimates: measured.into_iter().map(|one| one.row).collect(),
        taken: taken.clone(),
        families,
        heterogeneity,
        srm,
        checks,
        traffic: traffic.rows(),
        outliers,
        series,
        plan,
    };
    summary::result(experiment, all, &choices, found)
}

/// A closer look at each estimate for everyone: what a few units do to it, and how it went day by day.
fn closer(
    experiment: &Experiment,
    gathered: &Gathered,
    as_of: Timestamp,
    measured: &[Measured],
    outcomes: &[(&MetricChoice, Outcomes<'_>)],
) -> (Vec<OutlierRow>, Series) {
    let cohorts =
        Cohorts::of(experiment, &gathered.units, gathered.taken.as_ref().map_or(as_of, |look| look.at));
    let everyone: Vec<&Measured> = measured.iter().filter(|one| one.row.segment == EVERYONE).collect();
    let found = on_all_cores(&everyone, |one| {
        let place = |variant: &str| experiment.variants.get_index_of(variant);
        let places = place(&experiment.control).zip(place(&one.row.variant))?;
        let (_, outcomes) = outcomes.iter().find(|(choice, _)| choice.metric.value == one.row.metric)?;
        let segment = gathered.segments.get_index_of(EVERYONE)?;
        let group = |variant: usize| gathered.cells.group(Side::In(segment), variant);
        let audited =
            outliers::audit(one, outcomes, &experiment.control, (&group(places.0), &group(places.1)));
        Some((audited, cohorts.points(one, outcomes, places)))
    });
    let mut series = series::empty(&experiment.statistics.method);
    let mut rows = Vec::new();
    for (audited, points) in found.into_iter().flatten() {
        rows.extend(audited);
        series.points.extend(points);
    }
    (rows, series)
}
