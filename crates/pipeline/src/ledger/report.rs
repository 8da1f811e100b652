//! A run as commands print it: the JSON of `runs` and of `run`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::event::{RunStatus, StepStatus};
use super::record::{RunRecord, StepRecord};

/// A line of `runs --format json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// The run.
    pub run_id: String,
    /// The pipeline that it runs.
    pub pipeline: String,
    /// The slot that it fills; `None` for a run on request.
    pub slot: Option<Timestamp>,
    /// The logical instant of its results.
    pub as_of: Timestamp,
    /// Its state.
    pub status: RunStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if it did.
    pub ended_at: Option<Timestamp>,
}

/// What `run --format json` prints of a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunReport<'a> {
    run_id: &'a str,
    pipeline: &'a str,
    #[schemars(with = "String")]
    as_of: Timestamp,
    status: RunStatus,
    steps: Vec<StepReport<'a>>,
}

/// What `run --format json` prints of a step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct StepReport<'a> {
    id: &'a str,
    status: StepStatus,
    seconds: Option<f64>,
    rows_read: u64,
    rows_written: u64,
    detail: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl RunRecord {
    /// The run as a line of `runs`.
    #[must_use]
    pub fn summary(&self) -> RunSummary {
        RunSummary {
            run_id: self.run_id.clone(),
            pipeline: self.pipeline.clone(),
            slot: self.slot,
            as_of: self.as_of,
            status: self.status,
            started_at: self.started_at,
            ended_at: self.ended_at,
        }
    }

    /// The run as `run --format json` prints it.
    #[must_use]
    pub fn report(&self) -> RunReport<'_> {
        RunReport {
            run_id: &self.run_id,
            pipeline: &self.pipeline,
            as_of: self.as_of,
            status: self.status,
            steps: self.steps.iter().map(StepReport::of).collect(),
        }
    }
}

impl<'a> StepReport<'a> {
    fn of(step: &'a StepRecord) -> Self {
        Self {
            id: &step.id,
            status: step.status,
            seconds: step.seconds,
            rows_read: step.rows_read,
            rows_written: step.rows_written,
            detail: &step.detail,
            message: step.message.as_deref(),
        }
    }
}
