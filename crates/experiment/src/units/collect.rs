//! The data of units, complete before anything is compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use tranche_metric::{FactsRead, Span, UnitValues};

use super::segments::{Divided, Segmented, segments_at_exposure};
use super::status::{EarlierLooks, Observed, observe};
use super::values::{MeasuredValues, ValuesId, ValuesPlan};
use crate::context::MeasureContext;
use crate::definition::Experiment;
use crate::error::ExperimentError;

/// The units of an experiment, the segments that they were in, and what they did before and after their
/// exposure. Experiments with the same exposures share what they have in common.
#[derive(Debug)]
pub(crate) struct UnitData<'a> {
    /// The experiment with its units, and where it stands.
    pub(crate) observed: Observed<'a>,
    /// The units by segment, stratum and variant.
    pub(crate) divided: Arc<Divided>,
    /// What each unit did in its window after exposure.
    pub(crate) after: UnitValues,
    /// What each unit did before it, where that is a covariate.
    pub(crate) before: Option<UnitValues>,
}

/// The data of several experiments, and the rows that were read for it.
#[derive(Debug)]
pub(crate) struct Collected<'a> {
    /// In the order of the experiments.
    pub(crate) data: Vec<UnitData<'a>>,
    /// Rows that were read from tables.
    pub(crate) rows_read: u64,
    /// How the facts of each table were read.
    pub(crate) facts: Vec<FactsRead>,
}

/// Finds the units of experiments, and all that is measured of each: every table is read once for all of
/// them. Looks that were taken earlier stay taken.
///
/// # Errors
/// [`ExperimentError`] with who is at fault.
pub(crate) async fn collect<'a>(
    experiments: &[&'a Experiment],
    earlier: &EarlierLooks<'_>,
    context: &MeasureContext<'a>,
) -> Result<Collected<'a>, ExperimentError> {
    let observed = observe(experiments, earlier, context).await?;
    tracing::debug!(experiments = experiments.len(), "units");
    let (segmented, segment_rows) = segments_at_exposure(observed, context).await?;
    tracing::debug!(rows = segment_rows, "segments");
    let mut plan = ValuesPlan::default();
    let requested: Vec<Requested<'a>> =
        segmented.into_iter().map(|segmented| Requested::of(segmented, &mut plan, context)).collect();
    let mut values = plan.measure(context, context.state.as_ref()).await?;
    let exposure_rows = exposure_rows(&requested);
    let data = requested.into_iter().map(|requested| requested.collected(&mut values)).collect();
    let fact_rows = values.facts.iter().map(|read| read.rows_read).sum::<u64>();
    Ok(Collected { data, rows_read: exposure_rows + segment_rows + fact_rows, facts: values.facts })
}

/// An experiment whose values are requested.
struct Requested<'a> {
    segmented: Segmented<'a>,
    after: ValuesId,
    before: Option<ValuesId>,
}

impl<'a> Requested<'a> {
    /// Requests the metrics of an experiment after exposure, and its covariates before.
    fn of(segmented: Segmented<'a>, plan: &mut ValuesPlan<'a>, context: &MeasureContext<'a>) -> Self {
        let experiment = segmented.observed.experiment;
        let population = plan.units(&segmented.observed);
        let metrics = experiment.chosen(context.metrics).into_iter().map(|(_, metric)| metric).collect();
        let after = plan.request(population, after(experiment), metrics);
        let before = before(experiment)
            .map(|span| plan.request(population, span, experiment.covariates(context.metrics)));
        Self { segmented, after, before }
    }

    /// The experiment with its values.
    fn collected(self, values: &mut MeasuredValues) -> UnitData<'a> {
        let Segmented { observed, divided } = self.segmented;
        let (after, before) = (values.take(self.after), self.before.map(|id| values.take(id)));
        UnitData { observed, divided, after, before }
    }
}

/// The rows that were read of tables of exposures, each table once.
fn exposure_rows(requested: &[Requested<'_>]) -> u64 {
    let of = |requested: &Requested<'_>| {
        let Observed { experiment, all, .. } = &requested.segmented.observed;
        (experiment.table.value.clone(), all.rows_read)
    };
    requested.iter().map(of).collect::<BTreeMap<_, _>>().into_values().sum()
}

/// The window after exposure.
fn after(experiment: &Experiment) -> Span {
    let length = |window| SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
    Span::After(experiment.conversion_window.map(length))
}

/// The time before exposure that covariates are measured over.
fn before(experiment: &Experiment) -> Option<Span> {
    let lookback = experiment.statistics.cuped.as_ref()?.lookback;
    Some(Span::Before(SignedDuration::try_from(lookback).unwrap_or(SignedDuration::MAX)))
}
