//! What the daemon tells of its runs: a line for everything that happens, on stderr.

use std::time::Duration;

use tranche_pipeline::{Observer, RunRecord, Step, StepFailure, StepOutcome};

use crate::output::note;

/// Watches one run.
pub(super) struct Watcher {
    pipeline: String,
}

impl Watcher {
    pub(super) fn new(pipeline: &str) -> Self {
        Self { pipeline: pipeline.to_owned() }
    }

    fn tell(&self, step: &Step, what: &str) {
        // A terminal that went away is no reason to stop.
        let _ = note(&format!("{} {} {what}", self.pipeline, step.id));
    }
}

impl Observer for Watcher {
    fn step_started(&self, step: &Step, attempt: u32) {
        self.tell(step, &if attempt > 1 { format!("begins attempt {attempt}") } else { "begins".to_owned() });
    }

    fn step_done(&self, step: &Step, outcome: &StepOutcome, seconds: f64) {
        let (read, written) = (outcome.rows_read, outcome.rows_written);
        self.tell(step, &format!("is done in {seconds:.1} s: {read} rows read, {written} written"));
    }

    fn step_failed(&self, step: &Step, failure: &StepFailure, retry_in: Option<Duration>) {
        let next = retry_in.map_or_else(String::new, |pause| format!("; again in {} s", pause.as_secs()));
        self.tell(step, &format!("failed: {}{next}", failure.message));
    }

    fn run_ended(&self, report: &RunRecord) {
        let _ =
            note(&format!("{} {} {}: run {}", report.pipeline, report.as_of, report.status, report.run_id));
    }
}
