//! The events of a run, as its log has them.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry of a run's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began. Always the first event, and only the first.
    Started(Started),
    /// An attempt at a step began.
    StepStarted {
        /// The step.
        step: String,
        /// 1 for the first attempt; counted on when a run is resumed.
        attempt: u32,
        /// When.
        at: Timestamp,
    },
    /// A step did its work.
    StepDone {
        /// The step.
        step: String,
        /// How long the successful attempt took.
        seconds: f64,
        /// Rows that it read.
        rows_read: u64,
        /// Rows that it wrote.
        rows_written: u64,
        /// What its action reports besides.
        detail: Value,
        /// When.
        at: Timestamp,
    },
    /// An attempt at a step failed.
    StepFailed {
        /// The step.
        step: String,
        /// Which attempt.
        attempt: u32,
        /// How long it took.
        seconds: f64,
        /// Who has to act.
        class: FailureClass,
        /// What went wrong.
        message: String,
        /// Details of the failure.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        detail: Value,
        /// Whether another attempt follows.
        will_retry: bool,
        /// When.
        at: Timestamp,
    },
    /// A step was skipped, because its `when` does not hold. The steps that need it run all the same.
    StepSkipped {
        /// The step.
        step: String,
        /// The condition that does not hold.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// A process resumes the run: steps that are done stay done, all others are pending.
    Resumed {
        /// When.
        at: Timestamp,
    },
    /// An entry of the log cannot be read: power failed while it was written, or the storage damaged it. It changes
    /// nothing but the count, and is never written.
    Lost {
        /// The instant of the event before it.
        at: Timestamp,
    },
    /// The run ended. Only [`Event::Resumed`] may follow.
    Ended {
        /// How.
        status: RunStatus,
        /// Why, where no step says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// When.
        at: Timestamp,
    },
}

/// The first event of a run: its pipeline and its instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The run.
    pub run_id: String,
    /// The pipeline that it runs.
    pub pipeline: String,
    /// The slot of the schedule that it fills; `None` for a run on request.
    pub slot: Option<Timestamp>,
    /// The logical instant of its results.
    pub as_of: Timestamp,
    /// Whether everything is computed again.
    pub full: bool,
    /// Which entry of the slot's log the run stands in: more than 0 when the slot is run again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restatement: u64,
    /// The hash of the pinned definitions.
    pub definitions: String,
    /// The ids of its steps, as written in the pipeline.
    pub steps: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It has not ended, as far as its log says.
    Running,
    /// Every step is done.
    Done,
    /// A step failed, or the run was interrupted.
    Failed,
    /// Its slot came while the one before still ran.
    Skipped,
    /// Its slot passed while no scheduler was there to run it.
    Missed,
}

/// The state of a step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It has not begun.
    Pending,
    /// It is running, or waits for its next attempt.
    Running,
    /// It did its work.
    Done,
    /// Its last attempt failed, or was interrupted.
    Failed,
    /// The run ended without it, or its `when` did not hold.
    Skipped,
}

/// Who has to act on a failed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The author: the definition is wrong.
    Definition,
    /// The owner of the data: the data break an expectation.
    Data,
    /// The storage or network: worth another try.
    Storage,
    /// The step took longer than its `timeout`: worth another try.
    Timeout,
    /// Us.
    Internal,
}

impl FailureClass {
    /// Whether the same step may well succeed when it is tried again.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Storage | Self::Timeout)
    }
}

impl Event {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Started(Started { at, .. })
            | Self::StepStarted { at, .. }
            | Self::StepDone { at, .. }
            | Self::StepFailed { at, .. }
            | Self::StepSkipped { at, .. }
            | Self::Resumed { at }
            | Self::Lost { at }
            | Self::Ended { at, .. } => *at,
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
        })
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_written_with_their_name() {
        let at: Timestamp = "2026-11-01T02:00:00Z".parse().unwrap();
        let event = Event::StepStarted { step: "load".into(), attempt: 1, at };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"event":"step_started","step":"load","attempt":1,"at":"2026-11-01T02:00:00Z"}"#);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);

        let event = Event::Ended { status: RunStatus::Done, message: None, at };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"event":"ended","status":"done","at":"2026-11-01T02:00:00Z"}"#);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
