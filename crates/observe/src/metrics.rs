//! Measures of a scheduler and its runs, as Prometheus reads them.

mod exposition;
mod server;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tranche_pipeline::{
    FailureClass, Observer, RunPlan, RunReport, RunStatus, Step, StepFailure, StepOutcome,
};

pub use server::serve;

/// Upper bounds of the histogram of steps' durations, in seconds: from what is felt as at once to a long night.
const BUCKETS_SECONDS: [f64; 13] =
    [0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0];

/// What became of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SlotEnd {
    /// It was run, and the run is done.
    Done,
    /// It was run, and the run failed.
    Failed,
    /// It was skipped, since the one before still ran.
    Skipped,
    /// It passed while nobody was there.
    Missed,
}

/// The measures of a process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<Measured>>);

#[derive(Debug, Default)]
struct Measured {
    slots: BTreeMap<(String, SlotEnd), u64>,
    lag_seconds: BTreeMap<String, f64>,
    steps: BTreeMap<(String, String), Histogram>,
    rows_read: BTreeMap<(String, String), u64>,
    rows_written: BTreeMap<(String, String), u64>,
    failures: BTreeMap<(String, String, String), u64>,
    fresh_as_of: BTreeMap<(String, String), Timestamp>,
    running: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, Default)]
struct Histogram {
    /// Observations up to each bound, not counting those up to the bound before.
    counts: [u64; BUCKETS_SECONDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    fn observe(&mut self, seconds: f64) {
        if let Some(bucket) = BUCKETS_SECONDS.iter().position(|bound| seconds <= *bound) {
            self.counts[bucket] += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

impl Metrics {
    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot came to its end.
    pub fn slot(&self, pipeline: &str, fate: SlotEnd) {
        *self.measured().slots.entry((pipeline.to_owned(), fate)).or_default() += 1;
    }

    /// How far a pipeline is behind its schedule: the age of its oldest slot that came and has no fate yet.
    pub fn lag(&self, pipeline: &str, lag: Duration) {
        self.measured().lag_seconds.insert(pipeline.to_owned(), lag.as_secs_f64());
    }

    /// The instant that the newest data of something is of: kind `table` or `segment`.
    pub fn fresh(&self, kind: &str, name: &str, as_of: Timestamp) {
        self.measured().fresh_as_of.insert((kind.to_owned(), name.to_owned()), as_of);
    }

    /// Watches a run of a pipeline.
    #[must_use]
    pub fn watch(&self, pipeline: &str) -> RunMeter {
        *self.measured().running.entry(pipeline.to_owned()).or_default() += 1;
        RunMeter { metrics: self.clone(), pipeline: pipeline.to_owned(), fills_slot: AtomicBool::new(false) }
    }
}

/// Measures one run while it lasts.
#[derive(Debug)]
pub struct RunMeter {
    metrics: Metrics,
    pipeline: String,
    fills_slot: AtomicBool,
}

impl Drop for RunMeter {
    fn drop(&mut self) {
        *self.metrics.measured().running.entry(self.pipeline.clone()).or_default() -= 1;
    }
}

impl Observer for RunMeter {
    fn step_done(&self, step: &Step, outcome: &StepOutcome, seconds: f64) {
        let key = (self.pipeline.clone(), step.id.clone());
        let mut measured = self.metrics.measured();
        measured.steps.entry(key.clone()).or_default().observe(seconds);
        *measured.rows_read.entry(key.clone()).or_default() += outcome.rows_read;
        *measured.rows_written.entry(key).or_default() += outcome.rows_written;
    }

    fn step_failed(&self, step: &Step, failure: &StepFailure, _: Option<Duration>) {
        let key = (self.pipeline.clone(), step.id.clone(), class(failure.class).to_owned());
        *self.metrics.measured().failures.entry(key).or_default() += 1;
    }

    fn run_started(&self, run: &RunPlan) {
        self.fills_slot.store(run.slot.is_some(), Ordering::Relaxed);
    }

    fn run_ended(&self, report: &RunReport) {
        let end = match report.status {
            RunStatus::Done => SlotEnd::Done,
            RunStatus::Failed => SlotEnd::Failed,
            RunStatus::Running | RunStatus::Skipped | RunStatus::Missed => return,
        };
        if self.fills_slot.load(Ordering::Relaxed) {
            self.metrics.slot(&self.pipeline, end);
        }
    }
}

fn class(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Definition => "definition",
        FailureClass::Data => "data",
        FailureClass::Storage => "storage",
        FailureClass::Timeout => "timeout",
        FailureClass::Internal => "internal",
    }
}

impl SlotEnd {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
        }
    }
}
