//! A pipeline as its author means it.

use std::time::Duration;

use jiff::Timestamp;
use tranche_project::{Problems, Settings, SourceFile, Spanned, yaml};

use crate::{PipelineSpec, Schedule, graph};

/// A pipeline: when it runs, and its steps.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its name, which is also its folder's.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it runs by itself; empty when it only runs because someone asks. Where two have the same slot, the first decides.
    pub schedules: Vec<Schedule>,
    /// How many of its slots may run at the same time, at least 1.
    pub concurrency: usize,
    /// Its steps in written order; their needs are among them and form no cycle.
    pub steps: Vec<Step>,
}

/// One step of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its id, unique in the pipeline.
    pub id: String,
    /// What it does, by name: one of the actions that the pipeline was validated with.
    pub action: String,
    /// What it does it to.
    pub targets: Targets,
    /// The ids of the steps that must be done before it.
    pub needs: Vec<String>,
    /// How often and how soon a failed attempt is repeated.
    pub retries: Retries,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
}

/// What a step works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// Every definition of the step's kind in the pipeline.
    All,
    /// These, at least one. Whether they exist, and as what, is for the caller to check: the positions are kept for that.
    Named(Vec<Spanned<String>>),
}

/// How often and how soon a failed attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How many more attempts there are after the first.
    pub max: u32,
    /// The pause before the first of them.
    pub backoff: Duration,
}

impl Pipeline {
    /// Reads a `pipeline.yaml`. Problems are reported, each where it is; `None` when there was one.
    ///
    /// `actions` are the names of what a step can do; `settings` say what a step does that says nothing.
    pub fn read(file: &SourceFile, actions: &[&str], settings: &Settings, problems: &mut Problems) -> Option<Self> {
        yaml::read::<PipelineSpec>(file, problems)?.validate(file, actions, settings, problems)
    }

    /// The latest slot of its clocks that is not after `instant`.
    #[must_use]
    pub fn latest_slot(&self, instant: Timestamp) -> Option<Timestamp> {
        self.schedules.iter().filter_map(|schedule| schedule.latest_at_or_before(instant)).max()
    }

    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The steps such that each comes after those it needs, otherwise as written.
    #[must_use]
    pub fn order(&self) -> Vec<&Step> {
        graph::order(&self.steps)
    }
}

impl Retries {
    /// The pause before the first retry, unless its author says otherwise.
    pub const DEFAULT_BACKOFF: Duration = Duration::from_secs(30);
    /// Pauses grow to this and no further, unless the first is already longer.
    pub const LONGEST_BACKOFF: Duration = Duration::from_secs(15 * 60);

    /// The pauses before each retry, doubling up to a cap.
    pub fn pauses(self) -> impl Iterator<Item = Duration> + Send {
        let cap = self.backoff.max(Self::LONGEST_BACKOFF);
        let pauses = std::iter::successors(Some(self.backoff), move |last| Some(last.saturating_mul(2).min(cap)));
        pauses.take(usize::try_from(self.max).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_cap() {
        let seconds = |max, backoff| {
            let retries = Retries { max, backoff: Duration::from_secs(backoff) };
            retries.pauses().map(|pause| pause.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(seconds(0, 30), [0; 0]);
        assert_eq!(seconds(7, 30), [30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(seconds(2, 3_600), [3_600, 3_600]);
    }
}
