//! Who does the work of a step, and who watches.

use std::ops::Deref;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::{FailureClass, Progress, RunPlan, RunReport, Step};

/// Does the work of steps. The one place where a pipeline meets what it is made of.
#[async_trait]
pub trait StepRunner: Send + Sync {
    /// Does the work of one step.
    ///
    /// The future may be dropped at any await point, when the step takes too long or the run is interrupted, and the same step may
    /// be run again: its effects are bound to [`StepContext::transaction`], so that they happen once.
    ///
    /// One task polls all steps of a run: what keeps a processor busy belongs on tasks or threads that end when the future is dropped.
    async fn run(&self, step: &Step, context: &StepContext) -> Result<StepOutcome, StepFailure>;
}

/// What a step needs to know about its run.
#[derive(Debug, Clone)]
pub struct StepContext {
    /// The run.
    pub run_id: String,
    /// The pipeline.
    pub pipeline: String,
    /// The slot that the run fills; `None` for a run that someone asked for.
    pub slot: Option<Timestamp>,
    /// The logical instant of the results.
    pub as_of: Timestamp,
    /// Whether everything is computed anew.
    pub full: bool,
    /// `pipeline/step/slot`, or `pipeline/step/run_id` where there is no slot: the application transaction of the step's commits.
    pub transaction: String,
    /// Where the step reports what it is working on.
    pub progress: Progress,
}

/// What a step did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepOutcome {
    /// Rows that it read.
    pub rows_read: u64,
    /// Rows that it wrote.
    pub rows_written: u64,
    /// What else it has to tell, as a JSON document.
    pub detail: Value,
}

/// Why a step did not do its work.
#[derive(Debug, Clone, PartialEq)]
pub struct StepFailure {
    /// Who has to act; decides whether the step is tried again.
    pub class: FailureClass,
    /// What went wrong, and what to do about it.
    pub message: String,
    /// What else there is to tell, as a JSON document.
    pub detail: Option<Value>,
}

impl StepFailure {
    /// A failure without detail.
    #[must_use]
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), detail: None }
    }
}

/// Watches a run while it happens. Every method does nothing unless it is given something to do.
pub trait Observer: Send + Sync {
    /// The run is ours and begins, or goes on.
    fn run_started(&self, run: &RunPlan) {
        let _ = run;
    }

    /// An attempt at a step began; 1 is the first.
    fn step_started(&self, step: &Step, attempt: u32) {
        let _ = (step, attempt);
    }

    /// A running step reported what it is working on, such as `orders: 3 of 18 files`. Of reports in quick succession only the last is
    /// given on.
    fn step_progress(&self, step: &Step, message: &str) {
        let _ = (step, message);
    }

    /// A step did its work.
    fn step_done(&self, step: &Step, outcome: &StepOutcome, seconds: f64) {
        let _ = (step, outcome, seconds);
    }

    /// An attempt at a step failed; `retry_in` is the pause before the next one, if there is one.
    fn step_failed(&self, step: &Step, failure: &StepFailure, retry_in: Option<Duration>) {
        let _ = (step, failure, retry_in);
    }

    /// The run ended.
    fn run_ended(&self, report: &RunReport) {
        let _ = report;
    }
}

/// Nobody watches.
impl Observer for () {}

/// Several watch.
impl<O> Observer for Vec<O>
where
    O: Deref<Target: Observer> + Send + Sync,
{
    fn run_started(&self, run: &RunPlan) {
        self.iter().for_each(|observer| observer.run_started(run));
    }

    fn step_started(&self, step: &Step, attempt: u32) {
        self.iter().for_each(|observer| observer.step_started(step, attempt));
    }

    fn step_progress(&self, step: &Step, message: &str) {
        self.iter().for_each(|observer| observer.step_progress(step, message));
    }

    fn step_done(&self, step: &Step, outcome: &StepOutcome, seconds: f64) {
        self.iter().for_each(|observer| observer.step_done(step, outcome, seconds));
    }

    fn step_failed(&self, step: &Step, failure: &StepFailure, retry_in: Option<Duration>) {
        self.iter().for_each(|observer| observer.step_failed(step, failure, retry_in));
    }

    fn run_ended(&self, report: &RunReport) {
        self.iter().for_each(|observer| observer.run_ended(report));
    }
}
