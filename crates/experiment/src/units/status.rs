//! The status of an experiment at an instant: the looks that were taken, the units that count, and its stage.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tranche_metric::Metrics;
use tranche_scorecard::RegisteredLook;

use super::exposed::Exposed;
use super::exposure::{Exposures, exposures};
use crate::context::MeasureContext;
use crate::definition::looks::{Progress, TakenLook};
use crate::definition::{Design, Experiment, Method, PlannedLooks};
use crate::error::ExperimentError;

/// An experiment with its units at an instant.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    /// The experiment.
    pub(crate) experiment: &'a Experiment,
    /// Everyone who was exposed before the instant.
    pub(crate) all: Arc<Exposed>,
    /// The planned look whose result this is, where looks are planned.
    pub(crate) taken: Option<TakenLook>,
    /// Whether a decision may be made.
    pub(crate) stage: Stage,
    /// The units that count: of a planned look, those exposed before it.
    pub(crate) units: Arc<Exposed>,
    /// The instant before which facts count: that of the look, or the one that was asked about.
    pub(crate) until: Timestamp,
}

/// Whether a decision may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No decision may be made yet, and why.
    Closed(String),
    /// One may be made, and more is to come: when the plan ends.
    Open(String),
    /// All that was planned is in.
    Ended,
}

/// The planned looks that earlier measurements took, by experiment.
pub(crate) type EarlierLooks<'a> = HashMap<&'a str, &'a [RegisteredLook]>;

/// Finds the units of experiments, and the status of each experiment at the session's `as_of`.
///
/// # Errors
/// [`ExperimentError`] with who is at fault.
pub(super) async fn observe<'a>(
    experiments: &[&'a Experiment],
    earlier: &EarlierLooks<'_>,
    context: &MeasureContext<'_>,
) -> Result<Vec<Observed<'a>>, ExperimentError> {
    let as_of = context.session.as_of();
    let exposures = exposures(experiments, context).await?;
    let of = |exposures: Exposures<'a>| {
        let earlier = earlier.get(exposures.experiment.name.as_str()).copied().unwrap_or_default();
        Observed::at(as_of, exposures, earlier, context.metrics)
    };
    exposures.into_iter().map(of).collect()
}

impl<'a> Observed<'a> {
    fn at(
        as_of: Timestamp,
        Exposures { experiment, units: all }: Exposures<'a>,
        earlier: &[RegisteredLook],
        metrics: &Metrics,
    ) -> Result<Self, ExperimentError> {
        let schedule = Schedule::of(experiment, metrics);
        let taken = schedule.taken(experiment, &all, earlier, as_of);
        let stage = schedule.stage(experiment, taken.as_ref(), as_of);
        // What comes after a look must not change what it shows, not even by where values are capped.
        let until = taken.as_ref().map_or(as_of, |look| look.at);
        let units = all.before(until)?;
        Ok(Self { experiment, all, taken, stage, units, until })
    }
}

/// When an experiment is over.
#[derive(Debug)]
struct Schedule {
    /// How long a unit is observed until the windows of all metrics are over.
    window: Option<SignedDuration>,
    /// When exposures have ended and every window is closed.
    end: Timestamp,
}

impl Schedule {
    fn of(experiment: &Experiment, metrics: &Metrics) -> Self {
        let window = experiment.observed(metrics);
        let end = experiment.to.checked_add(window.unwrap_or_default()).unwrap_or(Timestamp::MAX);
        Self { window, end }
    }

    /// The last look of a group-sequential plan that was taken by `as_of`, when these units had been exposed.
    fn taken(
        &self,
        experiment: &Experiment,
        units: &Exposed,
        earlier: &[RegisteredLook],
        as_of: Timestamp,
    ) -> Option<TakenLook> {
        let Method::GroupSequential(design) = &experiment.statistics.method else { return None };
        let mut exposures = units.at.clone();
        exposures.sort_unstable();
        let progress =
            Progress { from: experiment.from, end: self.end, window: self.window, exposures: &exposures };
        design.taken(progress, earlier, as_of)
    }

    /// Whether a decision may be made at `as_of`, and whether more is to come.
    fn stage(&self, experiment: &Experiment, taken: Option<&TakenLook>, as_of: Timestamp) -> Stage {
        match (&experiment.statistics.method, taken) {
            // No unit was exposed until the end, so that no look was ever taken.
            (Method::GroupSequential(Design { looks: PlannedLooks::Fractions { .. }, .. }), None)
                if as_of >= self.end =>
            {
                Stage::Ended
            }
            (Method::GroupSequential(design), None) => Stage::Closed(format!(
                "the first of {} planned looks is {}",
                design.planned(),
                design.first_look()
            )),
            (Method::GroupSequential(_), Some(taken)) if taken.design.is_final => Stage::Ended,
            (Method::GroupSequential(design), Some(taken)) => {
                Stage::Open(format!("look {} of {} planned ones was taken", taken.number, design.planned()))
            }
            _ if as_of >= self.end => Stage::Ended,
            (Method::Fixed, _) => Stage::Closed(format!(
                "one look is planned, when the last conversion window closes at {}",
                self.end
            )),
            _ => Stage::Open(format!("the plan ends when the last conversion window closes at {}", self.end)),
        }
    }
}
