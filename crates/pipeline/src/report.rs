//! What `run --format json` prints.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{FailureClass, RunRecord, RunStatus, StepStatus};

/// A run and what its steps did, for its caller.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunReport {
    /// The run.
    pub run_id: String,
    /// The pipeline that it ran.
    pub pipeline: String,
    /// The logical instant of its results.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// How it ended.
    pub status: RunStatus,
    /// Its steps, as written in the pipeline.
    pub steps: Vec<StepReport>,
    /// Why it ended as it did, where no step says it.
    #[serde(skip)]
    pub message: Option<String>,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StepReport {
    /// The step.
    pub id: String,
    /// How it ended.
    pub status: StepStatus,
    /// How long its last finished attempt took; `None` when none did.
    pub seconds: Option<f64>,
    /// Rows that it read.
    pub rows_read: u64,
    /// Rows that it wrote.
    pub rows_written: u64,
    /// What else it has to tell.
    pub detail: Value,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who has to act on that; decides the exit code.
    #[serde(skip)]
    pub class: Option<FailureClass>,
}

impl From<&RunRecord> for RunReport {
    fn from(record: &RunRecord) -> Self {
        let step = |step: &crate::StepRecord| StepReport {
            id: step.id.clone(),
            status: step.status,
            seconds: step.seconds,
            rows_read: step.rows_read,
            rows_written: step.rows_written,
            detail: step.detail.clone(),
            message: step.message.clone(),
            class: step.class,
        };
        Self {
            run_id: record.run_id.clone(),
            pipeline: record.pipeline.clone(),
            as_of: record.as_of,
            status: record.status,
            steps: record.steps.iter().map(step).collect(),
            message: record.message.clone(),
        }
    }
}
