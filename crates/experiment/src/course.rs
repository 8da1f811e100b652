//! Where an experiment stands at an instant: which looks were taken, and whether its plan is at its end.

use jiff::{SignedDuration, Timestamp};
use tranche_metric::Metrics;

use crate::decision::Stage;
use crate::experiment::Experiment;
use crate::exposure::Exposed;
use crate::looks::{self, Design, PlannedLooks, TakenLook};
use crate::statistics::Method;

/// The course of an experiment.
#[derive(Debug)]
pub(crate) struct Course {
    /// How long a unit is observed until the windows of all metrics are over.
    window: Option<SignedDuration>,
    /// When exposures have ended and every window is closed.
    end: Timestamp,
}

impl Course {
    pub(crate) fn new(experiment: &Experiment, metrics: &Metrics) -> Self {
        let window = experiment.observed(metrics);
        let end = experiment.to.checked_add(window.unwrap_or_default()).unwrap_or(Timestamp::MAX);
        Self { window, end }
    }

    /// The last look of a group-sequential plan that was taken by `as_of`, when these units had been exposed.
    pub(crate) fn taken(
        &self,
        experiment: &Experiment,
        units: &Exposed,
        as_of: Timestamp,
    ) -> Option<TakenLook> {
        let Method::GroupSequential(design) = &experiment.statistics.method else { return None };
        let mut exposures = units.at.clone();
        exposures.sort_unstable();
        let course = looks::Course {
            from: experiment.from,
            end: self.end,
            window: self.window,
            exposures: &exposures,
        };
        design.taken(course, as_of)
    }

    /// Whether a decision may be made at `as_of`, and whether more is to come.
    pub(crate) fn stage(
        &self,
        experiment: &Experiment,
        taken: Option<&TakenLook>,
        as_of: Timestamp,
    ) -> Stage {
        match (&experiment.statistics.method, taken) {
            // Nobody was exposed until the end, so that no look was ever taken.
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
