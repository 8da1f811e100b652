//! Observers of a run.

use std::ops::Deref;
use std::time::Duration;

use super::plan::RunPlan;
use super::step_runner::{StepFailure, StepOutcome};
use crate::definition::Step;
use crate::ledger::RunRecord;

/// Receives the events of a run as they happen. Every method has an empty default.
pub trait Observer: Send + Sync {
    /// This process owns the run, which begins or is resumed.
    fn run_started(&self, run: &RunPlan) {
        let _ = run;
    }

    /// An attempt at a step began; 1 is the first.
    fn step_started(&self, step: &Step, attempt: u32) {
        let _ = (step, attempt);
    }

    /// A running step reported its current work, such as `orders: 3 of 18 files`. Of reports in quick
    /// succession only the last arrives.
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
    fn run_ended(&self, report: &RunRecord) {
        let _ = report;
    }
}

/// Ignores all events.
impl Observer for () {}

/// Hands each event to every one of them.
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

    fn run_ended(&self, report: &RunRecord) {
        self.iter().for_each(|observer| observer.run_ended(report));
    }
}
