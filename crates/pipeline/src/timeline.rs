//! A run as a timeline: when each attempt at each step began and ended, and how.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{Event, FailureClass, RunRecord, RunStatus, StepStatus};

/// A run and when everything in it happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Timeline {
    /// The run.
    pub run_id: String,
    /// The pipeline that it runs.
    pub pipeline: String,
    /// The slot that it fills; `None` for a run that someone asked for.
    #[schemars(with = "Option<String>")]
    pub slot: Option<Timestamp>,
    /// The logical instant of its results.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// How it stands.
    pub status: RunStatus,
    /// When it began.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it ended, if it did.
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// When others went on with it.
    pub resumed_at: Vec<Timestamp>,
    /// Its steps, as written in the pipeline.
    pub steps: Vec<StepTimeline>,
    /// Why it ended as it did, where no step says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A step and when everything in it happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StepTimeline {
    /// The step.
    pub id: String,
    /// How it stands.
    pub status: StepStatus,
    /// When its first attempt began.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// When its last attempt ended.
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// How long its last finished attempt took.
    pub seconds: Option<f64>,
    /// Rows that it read.
    pub rows_read: u64,
    /// Rows that it wrote.
    pub rows_written: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// Attempts that failed, oldest first.
    pub failures: Vec<FailedAttempt>,
    /// What else it has to tell.
    pub detail: Value,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who has to act on that; decides the exit code.
    #[serde(skip)]
    pub class: Option<FailureClass>,
}

/// An attempt at a step that failed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FailedAttempt {
    /// Which attempt.
    pub attempt: u32,
    /// When it ended.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// Who has to act.
    pub class: FailureClass,
    /// What went wrong.
    pub message: String,
}

impl Timeline {
    /// What a log tells; `None` when its first event is not the start of a run.
    #[must_use]
    pub fn from_events(events: &[Event]) -> Option<Self> {
        let record = RunRecord::from_events(events)?;
        let step = |step: &crate::StepRecord| StepTimeline {
            id: step.id.clone(),
            status: step.status,
            started_at: None,
            ended_at: None,
            seconds: step.seconds,
            rows_read: step.rows_read,
            rows_written: step.rows_written,
            attempts: step.attempts,
            failures: Vec::new(),
            detail: step.detail.clone(),
            message: step.message.clone(),
            class: step.class,
        };
        let mut timeline = Self {
            steps: record.steps.iter().map(step).collect(),
            run_id: record.run_id,
            pipeline: record.pipeline,
            slot: record.slot,
            as_of: record.as_of,
            status: record.status,
            started_at: record.started_at,
            ended_at: record.ended_at,
            resumed_at: Vec::new(),
            message: record.message,
        };
        events.iter().for_each(|event| timeline.add(event));
        Some(timeline)
    }

    fn add(&mut self, event: &Event) {
        let mut of = |id: &str, change: &dyn Fn(&mut StepTimeline)| {
            self.steps.iter_mut().filter(|step| step.id == id).for_each(change);
        };
        match event {
            Event::StepStarted { step, at, .. } => {
                of(step, &|step| step.started_at = step.started_at.or(Some(*at)))
            }
            Event::StepDone { step, at, .. } => of(step, &|step| step.ended_at = Some(*at)),
            Event::StepFailed { step, attempt, seconds, class, message, at, .. } => of(step, &|step| {
                let (attempt, seconds, class, message) = (*attempt, *seconds, *class, message.clone());
                step.failures.push(FailedAttempt { attempt, at: *at, seconds, class, message });
                step.ended_at = Some(*at);
            }),
            Event::StepSkipped { step, at, .. } => of(step, &|step| step.ended_at = Some(*at)),
            Event::Resumed { at } => self.resumed_at.push(*at),
            Event::Started(_) | Event::Ended { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Started;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_793_500_000 + second).unwrap()
    }

    #[test]
    fn a_timeline_keeps_every_attempt() {
        let started = Started {
            run_id: "r1".into(),
            pipeline: "shop".into(),
            slot: Some(at(0)),
            as_of: at(0),
            full: false,
            restatement: 0,
            definitions: "abc".into(),
            steps: vec!["load".into()],
            at: at(1),
        };
        let begun = |attempt, second| Event::StepStarted { step: "load".into(), attempt, at: at(second) };
        let failed = Event::StepFailed {
            step: "load".into(),
            attempt: 1,
            seconds: 3.0,
            class: FailureClass::Storage,
            message: "no network".into(),
            detail: Value::Null,
            will_retry: true,
            at: at(5),
        };
        let done = Event::StepDone {
            step: "load".into(),
            seconds: 4.0,
            rows_read: 10,
            rows_written: 7,
            detail: Value::Null,
            at: at(24),
        };
        let ended = Event::Ended { status: RunStatus::Done, message: None, at: at(25) };
        let log = [
            Event::Started(started),
            begun(1, 2),
            failed,
            Event::Resumed { at: at(15) },
            begun(2, 20),
            done,
            ended,
        ];
        let timeline = Timeline::from_events(&log).unwrap();
        assert_eq!(
            (timeline.status, timeline.ended_at, timeline.resumed_at),
            (RunStatus::Done, Some(at(25)), vec![at(15)])
        );
        let step = &timeline.steps[0];
        assert_eq!(
            (step.started_at, step.ended_at, step.seconds, step.attempts),
            (Some(at(2)), Some(at(24)), Some(4.0), 2)
        );
        assert_eq!(step.failures.len(), 1);
        assert_eq!((step.failures[0].at, step.failures[0].message.as_str()), (at(5), "no network"));
        assert_eq!(Timeline::from_events(&log[1..]), None);
    }
}
