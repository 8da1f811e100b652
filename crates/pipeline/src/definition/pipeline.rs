//! A pipeline as its author means it.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use tranche_project::Spanned;

use super::condition::Condition;
use crate::schedule::Schedule;

/// A pipeline: when it runs, and its steps.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its name, which is also its folder's.
    pub name: String,
    /// Its purpose, in its author's words.
    pub description: Option<String>,
    /// When it runs by itself; empty when it runs on request only. Where two have the same slot, the first
    /// decides.
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
    /// The name of its action, one of those that the pipeline was validated with.
    pub action: String,
    /// The definitions that it works on.
    pub targets: Targets,
    /// The ids of the steps that must be done before it.
    pub needs: Vec<String>,
    /// How often and how soon a failed attempt is repeated.
    pub retries: Retries,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// Whether the steps that need it run when it fails.
    pub on_failure: OnFailure,
    /// The conditions under which it is run; the steps that need a skipped one run all the same.
    pub when: Option<Condition>,
}

/// The consequence of a failed step for those that need it, and for its run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// They are not run, and the run fails.
    #[default]
    Stop,
    /// They are run all the same, and the run does not fail by it.
    Continue,
}

/// The definitions that a step works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// Every definition of the step's kind in the pipeline.
    All,
    /// These, at least one. Whether they exist, and as what, is for the caller to check, by their positions.
    Named(Vec<Spanned<String>>),
}

/// How often and how soon a failed attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How many more attempts there are after the first.
    pub max: u32,
    /// The pause before the first of them.
    pub backoff: Duration,
    /// By how many hundredths of itself a pause may be longer.
    pub jitter_percent: u32,
}

impl Pipeline {
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
}

impl Retries {
    /// The pause before the first retry, unless its author says otherwise.
    pub const DEFAULT_BACKOFF: Duration = Duration::from_secs(30);
    /// Pauses grow to this and no further, unless the first is already longer.
    pub const LONGEST_BACKOFF: Duration = Duration::from_secs(15 * 60);

    /// By how many hundredths pauses are longer, unless their author says otherwise.
    pub const DEFAULT_JITTER_PERCENT: u32 = 10;

    /// The pauses before each retry, doubling up to a cap, and each longer by a share that follows from
    /// `who`.
    pub fn pauses(self, who: &str) -> impl Iterator<Item = Duration> + Send + use<> {
        let cap = self.backoff.max(Self::LONGEST_BACKOFF);
        let pauses =
            std::iter::successors(Some(self.backoff), move |last| Some(last.saturating_mul(2).min(cap)));
        let mut shares = blake3::Hasher::new().update(who.as_bytes()).finalize_xof();
        let longer = move |pause: Duration| {
            let mut byte = [0];
            shares.fill(&mut byte);
            pause + pause.mul_f64(f64::from(self.jitter_percent) / 100.0 * f64::from(byte[0]) / 255.0)
        };
        pauses.take(usize::try_from(self.max).unwrap_or(usize::MAX)).map(longer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_cap() {
        let seconds = |max, backoff| {
            let retries = Retries { max, backoff: Duration::from_secs(backoff), jitter_percent: 0 };
            retries.pauses("r1/load").map(|pause| pause.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(seconds(0, 30), [0; 0]);
        assert_eq!(seconds(7, 30), [30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(seconds(2, 3_600), [3_600, 3_600]);
    }

    #[test]
    fn pauses_of_different_runs_are_spread() {
        let retries = Retries { max: 1, backoff: Duration::from_secs(100), jitter_percent: 25 };
        let pause = |run: usize| retries.pauses(&format!("r{run}/load")).next().unwrap().as_secs_f64();
        let pauses: Vec<f64> = (0..200).map(pause).collect();
        assert!(pauses.iter().all(|pause| (100.0..=125.0).contains(pause)), "{pauses:?}");
        let mean = pauses.iter().sum::<f64>() / 200.0;
        assert!((110.0..115.0).contains(&mean), "{mean}");
        assert!((pause(7) - pauses[7]).abs() < f64::EPSILON);
    }
}
