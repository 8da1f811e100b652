//! What the estimates of a metric are made from: the values of units, and what is taken into account besides
//! them.

use indexmap::IndexMap;
use tranche_metric::{Metric, MetricKind, Metrics, UnitValues, Values};
use tranche_sql::parallel::Threads;
use tranche_stats::VarianceMethod;

use super::arms::{Adjustments, Outcomes};
use crate::definition::statistics::is_share;
use crate::definition::{Experiment, MetricChoice};
use crate::units::collect::UnitData;

/// A metric of an experiment with the values of its units.
pub(crate) struct MetricInputs<'a> {
    /// How the experiment looks at the metric.
    pub(crate) choice: &'a MetricChoice,
    pub(crate) metric: &'a Metric,
    /// The values after exposure.
    pub(crate) outcomes: Outcomes<'a>,
    /// What is shown beside the effect.
    pub(crate) extras: Extras<'a>,
}

/// What a result has of a metric beside its effect.
#[derive(Debug, Default)]
pub(crate) struct Extras<'a> {
    /// Its values before they were capped.
    pub(crate) uncapped: Option<Outcomes<'a>>,
    /// How many steps of a funnel each unit passed.
    pub(crate) funnel: Option<FunnelSteps<'a>>,
}

/// The steps of a funnel that units passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FunnelSteps<'a> {
    /// How many steps each unit passed, in order.
    pub(crate) reached: &'a [u8],
    /// How many there are.
    pub(crate) steps: usize,
}

impl<'a> MetricInputs<'a> {
    /// The inputs of a metric; none where it has no values per unit.
    pub(crate) fn of(
        data: &'a UnitData<'a>,
        (choice, metric): (&'a MetricChoice, &'a Metric),
        metrics: &'a Metrics,
    ) -> Option<Self> {
        let values = data.after.of(metric)?;
        let adjustments = Adjustments::declared(data, (choice, metric), metrics);
        let uncapped = data.after.uncapped(metric).map(|after| {
            let columns = |before: &'a UnitValues| {
                covariate_columns(data.observed.experiment, metric, metrics, |covariate| {
                    before.uncapped(covariate).or_else(|| before.of(covariate))
                })
            };
            let covariates = data.before.as_ref().map_or_else(Vec::new, columns);
            Outcomes::new(after, Adjustments { covariates, ..adjustments.clone() }, &data.divided.cells)
        });
        let funnel = match &metric.kind {
            MetricKind::Funnel { steps, .. } => data
                .after
                .details(metric)
                .and_then(|details| details.reached.as_deref())
                .map(|reached| FunnelSteps { reached, steps: steps.len() }),
            _ => None,
        };
        let outcomes = Outcomes::new(values, adjustments, &data.divided.cells);
        Some(Self { choice, metric, outcomes, extras: Extras { uncapped, funnel } })
    }
}

impl<'a> Adjustments<'a> {
    /// What the estimates of a metric take into account, as its experiment declares.
    pub(crate) fn declared(
        data: &'a UnitData<'a>,
        (choice, metric): (&MetricChoice, &'a Metric),
        metrics: &'a Metrics,
    ) -> Self {
        let experiment = data.observed.experiment;
        let columns = |before: &'a UnitValues| {
            covariate_columns(experiment, metric, metrics, |covariate| before.of(covariate))
        };
        let is_quantile = matches!(metric.kind, MetricKind::Quantile { .. });
        let variance = choice.variance.unwrap_or(experiment.statistics.variance);
        Self {
            counted: data.after.counted(metric),
            covariates: data.before.as_ref().map_or_else(Vec::new, columns),
            clusters: data.observed.units.clusters.as_ref(),
            strata: data.divided.strata.as_ref(),
            variance: if is_quantile { VarianceMethod::Formula } else { variance },
            successes: experiment.statistics.method.counts_shares() && is_share(metric),
        }
    }
}

/// The values of each covariate before exposure, when nothing could have an effect yet.
pub(crate) fn before_exposure<'a>(
    data: &'a UnitData<'a>,
    metrics: &'a Metrics,
    threads: Threads,
) -> Vec<(&'a str, Outcomes<'a>)> {
    let of = |metric: &'a Metric| {
        let values = data.before.as_ref()?.of(metric)?;
        let adjustments =
            Adjustments { clusters: data.observed.units.clusters.as_ref(), ..Adjustments::default() };
        Some((metric.name.as_str(), Outcomes::new(values, adjustments, &data.divided.cells)))
    };
    let covariates = data.observed.experiment.covariates(metrics);
    threads.map_borrowed(&covariates, |metric| of(metric)).into_iter().flatten().collect()
}

/// The columns that are taken out of a metric, each once; `read` gives the values of a covariate before
/// exposure.
pub(crate) fn covariate_columns<'a>(
    experiment: &Experiment,
    metric: &'a Metric,
    metrics: &'a Metrics,
    read: impl Fn(&'a Metric) -> Option<Values<'a>>,
) -> Vec<(&'a str, &'a [f64])> {
    let is_own = experiment.statistics.cuped.as_ref().is_some_and(|cuped| cuped.covariates.is_empty());
    let covariates = if is_own { vec![metric] } else { experiment.covariates(metrics) };
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
