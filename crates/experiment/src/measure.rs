//! Measuring: exposures x segments before exposure x facts after it -> moments -> estimates.

use std::collections::HashMap;

use futures::future::BoxFuture;
use tranche_metric::FactsRead;
use tranche_scorecard::{ExperimentResult, Preregistration};

use crate::context::MeasureContext;
use crate::definition::{Experiment, Method};
use crate::error::ExperimentError;
use crate::estimate::inputs::MetricInputs;
use crate::estimate::metric::MetricEstimates;
use crate::estimate::series::Cohorts;
use crate::estimate::{family, heterogeneity};
use crate::health::Health;
use crate::preregistration;
use crate::result::{Findings, result};
use crate::units::collect::{Collected, UnitData, collect};
use crate::units::status::EarlierLooks;

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

/// Measures experiments, each with the preregistration of an earlier measurement; every table is read
/// once for all of them, and of facts only the new ones where an earlier measurement saved its sums.
///
/// # Errors
/// [`ExperimentError`] with who is at fault.
pub fn measure<'a>(
    experiments: &'a [(&'a Experiment, Option<&'a Preregistration>)],
    context: &'a MeasureContext<'a>,
) -> BoxFuture<'a, Result<Measurements, ExperimentError>> {
    // What awaits it is not compiled with all that it awaits.
    Box::pin(measure_all(experiments, context))
}

async fn measure_all(
    experiments: &[(&Experiment, Option<&Preregistration>)],
    context: &MeasureContext<'_>,
) -> Result<Measurements, ExperimentError> {
    let measured: Vec<&Experiment> = experiments.iter().map(|(experiment, _)| *experiment).collect();
    let registered: HashMap<&str, &Preregistration> = experiments
        .iter()
        .filter_map(|(experiment, registered)| Some((experiment.name.as_str(), (*registered)?)))
        .collect();
    let looks = experiments.iter().filter_map(|(experiment, registered)| {
        Some((experiment.name.as_str(), preregistration::looks_of((*registered)?, experiment)))
    });
    let earlier: EarlierLooks<'_> = looks.collect();
    let Collected { data, rows_read, facts } = collect(&measured, &earlier, context).await?;
    let results = context.engine.threads().map_borrowed(&data, |data| {
        evaluate(data, registered.get(data.observed.experiment.name.as_str()).copied(), context)
    });
    Ok(Measurements { results, rows_read, facts })
}

/// Compares the variants of an experiment by the data of its units.
pub(crate) fn evaluate(
    data: &UnitData<'_>,
    registered: Option<&Preregistration>,
    context: &MeasureContext<'_>,
) -> ExperimentResult {
    let (experiment, as_of) = (data.observed.experiment, context.session.as_of());
    let mut estimates = estimate(data, context);
    let families = family::judge(&mut estimates.compared, &experiment.statistics);
    heterogeneity::adjust(&mut estimates.heterogeneity, experiment.statistics.adjust);
    let health = Health::of(data, &estimates.outliers, context);
    let plan = preregistration::register(
        registered,
        preregistration::plan_of(experiment, context.metrics),
        data.observed.all.at.iter().min().copied(),
        data.observed.taken.as_ref().map(|taken| preregistration::registered_looks(experiment, taken)),
        as_of,
    );
    result(data, Findings { as_of, estimates, families, health, plan, metrics: context.metrics })
}

/// The estimates of all metrics; before the first planned look they say that nothing may be seen yet.
fn estimate(data: &UnitData<'_>, context: &MeasureContext<'_>) -> MetricEstimates {
    let experiment = data.observed.experiment;
    let is_closed =
        matches!(experiment.statistics.method, Method::GroupSequential(_)) && data.observed.taken.is_none();
    let cohorts = (!is_closed).then(|| Cohorts::of(experiment, &data.observed.units, data.observed.until));
    let chosen = experiment.chosen(context.metrics);
    let found = context.engine.threads().map_borrowed(&chosen, |chosen| {
        let inputs = MetricInputs::of(data, *chosen, context.metrics)?;
        Some(MetricEstimates::of(data, &inputs, cohorts.as_ref()))
    });
    let mut all = MetricEstimates::default();
    found.into_iter().flatten().for_each(|estimates| all.append(estimates));
    all
}
