//! Lines for people who watch a process, and the observer that writes one for every event of a run.

use std::sync::Arc;
use std::time::Duration;

use tranche_pipeline::{Observer, RunRecord, Step, StepFailure, StepOutcome};

/// Where a process writes lines for people, such as its standard error.
pub trait Console: Send + Sync {
    /// Writes a line. A console that is closed is no reason to stop: failures are ignored.
    fn line(&self, text: &str);
}

/// Writes a line for every event of the runs of one pipeline.
pub(crate) struct ConsoleObserver {
    pipeline: String,
    console: Arc<dyn Console>,
}

impl ConsoleObserver {
    pub(crate) fn new(pipeline: &str, console: Arc<dyn Console>) -> Self {
        Self { pipeline: pipeline.to_owned(), console }
    }

    fn step_line(&self, step: &Step, text: &str) {
        self.console.line(&format!("{} {} {text}", self.pipeline, step.id));
    }
}

impl Observer for ConsoleObserver {
    fn step_started(&self, step: &Step, attempt: u32) {
        let text = if attempt > 1 { format!("begins attempt {attempt}") } else { "begins".to_owned() };
        self.step_line(step, &text);
    }

    fn step_done(&self, step: &Step, outcome: &StepOutcome, seconds: f64) {
        let (read, written) = (outcome.rows_read, outcome.rows_written);
        self.step_line(step, &format!("is done in {seconds:.1} s: {read} rows read, {written} written"));
    }

    fn step_failed(&self, step: &Step, failure: &StepFailure, retry_in: Option<Duration>) {
        let next = retry_in.map_or_else(String::new, |pause| format!("; again in {} s", pause.as_secs()));
        self.step_line(step, &format!("failed: {}{next}", failure.message));
    }

    fn run_ended(&self, report: &RunRecord) {
        let RunRecord { pipeline, as_of, status, run_id, .. } = report;
        self.console.line(&format!("{pipeline} {as_of} {status}: run {run_id}"));
    }
}
