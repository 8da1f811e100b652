//! The work of a step, as a trait.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::progress::Progress;
use crate::definition::Step;
use crate::ledger::FailureClass;

/// Does the work of steps: the one place where a pipeline meets its actions.
#[async_trait]
pub trait StepRunner: Send + Sync {
    /// Does the work of one step.
    ///
    /// The future may be dropped at any await point, when the step takes too long or the run is interrupted,
    /// and the same step may be run again: its effects are bound to [`StepContext::transaction`], so that
    /// they happen once.
    ///
    /// One task polls all steps of a run: computations belong on tasks or threads that end when the future is
    /// dropped.
    async fn run(&self, step: &Step, context: &StepContext) -> Result<StepOutcome, StepFailure>;
}

/// The run, as far as a step needs it.
#[derive(Debug, Clone)]
pub struct StepContext {
    /// The run's id.
    pub run_id: String,
    /// The name of its pipeline.
    pub pipeline: String,
    /// The slot that the run fills; `None` for a run on request.
    pub slot: Option<Timestamp>,
    /// The logical instant of the results.
    pub as_of: Timestamp,
    /// Whether everything is computed again.
    pub full: bool,
    /// `pipeline/step/slot`, or `pipeline/step/run_id` where there is no slot: the application transaction of
    /// the step's commits.
    pub transaction: String,
    /// Takes the step's reports of its progress.
    pub progress: Progress,
}

/// The result of a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepOutcome {
    /// Rows that it read.
    pub rows_read: u64,
    /// Rows that it wrote.
    pub rows_written: u64,
    /// What its action reports besides, as a JSON document.
    pub detail: Value,
}

/// Why a step did not do its work.
#[derive(Debug, Clone, PartialEq)]
pub struct StepFailure {
    /// Who has to act; decides whether the step is tried again.
    pub class: FailureClass,
    /// The error, and what to do about it.
    pub message: String,
    /// Details, as a JSON document.
    pub detail: Option<Value>,
}

impl StepFailure {
    /// A failure without detail.
    #[must_use]
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), detail: None }
    }
}
