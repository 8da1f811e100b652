//! A run as its log has it: the sum of its events.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::event::{Event, FailureClass, RunStatus, Started, StepStatus};

/// A run: what it was for, its state, and the work of its steps. As JSON, it is what `runs RUN` prints.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunRecord {
    /// The run's id: 32 hexadecimal digits, sorted by the instant of its start.
    pub run_id: String,
    /// The name of its pipeline.
    pub pipeline: String,
    /// The slot that it fills; `None` for a run on request.
    #[schemars(with = "Option<String>")]
    pub slot: Option<Timestamp>,
    /// The logical instant of its results.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// Whether everything is computed again.
    #[serde(skip)]
    pub full: bool,
    /// Which entry of the slot's log it stands in: more than 0 when the slot is run again.
    #[serde(skip)]
    pub restatement: u64,
    /// Its state.
    pub status: RunStatus,
    /// The instant of its first event.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// The instant at which it ended; `None` while it runs.
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// The instants at which it was resumed, oldest first.
    #[schemars(with = "Vec<String>")]
    pub resumed_at: Vec<Timestamp>,
    /// The hash of the definitions that it was started with.
    #[serde(skip)]
    pub definitions: String,
    /// Its steps, as written in the pipeline.
    pub steps: Vec<StepRecord>,
    /// Why it ended as it did, where no step says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many events its log holds: the sequence number of the next.
    #[serde(skip)]
    pub events: u64,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StepRecord {
    /// The step's id, unique in its pipeline.
    pub id: String,
    /// Its state.
    pub status: StepStatus,
    /// The instant at which its first attempt began.
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// The instant at which its last attempt ended.
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// Duration of its last finished attempt; `None` when none finished.
    pub seconds: Option<f64>,
    /// Rows that it read.
    pub rows_read: u64,
    /// Rows that it wrote.
    pub rows_written: u64,
    /// Number of attempts that began.
    pub attempts: u32,
    /// Failed attempts, oldest first.
    pub failures: Vec<FailedAttempt>,
    /// What its action reports besides, as a JSON document.
    pub detail: Value,
    /// Why its last attempt failed, or why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who has to act on that; decides the exit code.
    #[serde(skip)]
    pub class: Option<FailureClass>,
    /// Number of its last attempts in a row that have no end in the log, since their process died.
    #[serde(skip)]
    pub unended: u32,
}

/// A failed attempt at a step.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FailedAttempt {
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The instant at which it ended.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Its duration.
    pub seconds: f64,
    /// Who has to act.
    pub class: FailureClass,
    /// What went wrong.
    pub message: String,
}

impl RunRecord {
    /// The sum of a log's events; `None` when its first event is not the start of a run. Where that event is lost,
    /// the run is what began again behind it.
    #[must_use]
    pub fn from_events<'e>(events: impl IntoIterator<Item = &'e Event>) -> Option<Self> {
        let mut events = events.into_iter();
        let mut before = 0;
        let started = loop {
            match events.next()? {
                Event::Started(started) => break started,
                Event::Lost { .. } => before += 1,
                _ if before > 0 => before += 1,
                _ => return None,
            }
        };
        let mut record = Self::begin(started);
        record.events += before;
        for event in events {
            record.apply(event);
        }
        Some(record)
    }

    /// The run right after its first event.
    pub(crate) fn begin(started: &Started) -> Self {
        Self {
            run_id: started.run_id.clone(),
            pipeline: started.pipeline.clone(),
            slot: started.slot,
            as_of: started.as_of,
            full: started.full,
            restatement: started.restatement,
            status: RunStatus::Running,
            started_at: started.at,
            ended_at: None,
            resumed_at: Vec::new(),
            definitions: started.definitions.clone(),
            steps: started.steps.iter().map(|id| StepRecord::pending(id)).collect(),
            message: None,
            events: 1,
        }
    }

    /// The run after one more event. An event of an unknown step changes nothing but the count.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.events += 1;
        match event {
            Event::Started(_) | Event::Lost { .. } => {}
            Event::StepStarted { step, attempt, at } => self.change(step, |record| {
                record.status = StepStatus::Running;
                record.started_at = record.started_at.or(Some(*at));
                record.attempts = *attempt;
                record.unended += 1;
            }),
            Event::StepDone { step, seconds, rows_read, rows_written, detail, at } => {
                self.change(step, |record| {
                    record.status = StepStatus::Done;
                    record.ended_at = Some(*at);
                    record.seconds = Some(*seconds);
                    record.rows_read = *rows_read;
                    record.rows_written = *rows_written;
                    record.detail = detail.clone();
                    record.message = None;
                    record.class = None;
                    record.unended = 0;
                })
            }
            Event::StepFailed { step, attempt, seconds, class, message, detail, will_retry, at } => {
                self.change(step, |record| {
                    let (attempt, at, seconds, class, message) =
                        (*attempt, *at, *seconds, *class, message.clone());
                    record.failures.push(FailedAttempt { attempt, at, seconds, class, message });
                });
                self.change(step, |record| {
                    record.status = if *will_retry { StepStatus::Running } else { StepStatus::Failed };
                    record.ended_at = Some(*at);
                    record.seconds = Some(*seconds);
                    record.detail = detail.clone();
                    record.message = Some(message.clone());
                    record.class = Some(*class);
                    record.unended = 0;
                })
            }
            Event::StepSkipped { step, reason, at } => self.change(step, |record| {
                record.status = StepStatus::Skipped;
                record.ended_at = Some(*at);
                record.message = Some(reason.clone());
            }),
            Event::Resumed { at } => self.resume(*at),
            Event::Ended { status, message, at } => self.end(*status, message.as_ref(), *at),
        }
    }

    fn resume(&mut self, at: Timestamp) {
        self.resumed_at.push(at);
        self.status = RunStatus::Running;
        self.message = None;
        self.ended_at = None;
        for step in self.steps.iter_mut().filter(|step| step.status != StepStatus::Done) {
            step.restart();
        }
    }

    fn end(&mut self, status: RunStatus, message: Option<&String>, at: Timestamp) {
        self.status = status;
        self.message = message.cloned();
        self.ended_at = Some(at);
        for step in &mut self.steps {
            step.unended = 0;
            match step.status {
                StepStatus::Pending => step.status = StepStatus::Skipped,
                StepStatus::Running => {
                    step.status = StepStatus::Failed;
                    step.message = message.cloned().or_else(|| step.message.take());
                }
                StepStatus::Done | StepStatus::Failed | StepStatus::Skipped => {}
            }
        }
    }

    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&StepRecord> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// Whether there is something left to do.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        matches!(self.status, RunStatus::Running | RunStatus::Failed)
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut StepRecord)) {
        if let Some(step) = self.steps.iter_mut().find(|step| step.id == id) {
            change(step);
        }
    }
}

impl StepRecord {
    fn pending(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            status: StepStatus::Pending,
            started_at: None,
            ended_at: None,
            seconds: None,
            rows_read: 0,
            rows_written: 0,
            attempts: 0,
            failures: Vec::new(),
            detail: Value::Null,
            message: None,
            class: None,
            unended: 0,
        }
    }

    /// Makes the step pending again, with its attempts so far.
    fn restart(&mut self) {
        let pending = Self::pending(&self.id);
        *self = Self {
            started_at: self.started_at,
            ended_at: self.ended_at,
            attempts: self.attempts,
            failures: std::mem::take(&mut self.failures),
            unended: self.unended,
            ..pending
        };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_793_500_000 + second).unwrap()
    }

    fn started() -> Event {
        Event::Started(Started {
            run_id: "r1".into(),
            pipeline: "shop".into(),
            slot: None,
            as_of: at(0),
            full: false,
            restatement: 0,
            definitions: "abc".into(),
            steps: ["load", "segments", "weekly"].map(str::to_owned).to_vec(),
            at: at(1),
        })
    }

    fn begun(step: &str, attempt: u32) -> Event {
        Event::StepStarted { step: step.into(), attempt, at: at(2) }
    }

    fn done(step: &str) -> Event {
        Event::StepDone {
            step: step.into(),
            seconds: 1.5,
            rows_read: 10,
            rows_written: 7,
            detail: json!({"a": 1}),
            at: at(3),
        }
    }

    fn failed(step: &str, will_retry: bool) -> Event {
        let (class, message) = (FailureClass::Storage, "no network".into());
        Event::StepFailed {
            step: step.into(),
            attempt: 1,
            seconds: 0.5,
            class,
            message,
            detail: Value::Null,
            will_retry,
            at: at(4),
        }
    }

    fn ended(status: RunStatus, message: Option<&str>) -> Event {
        Event::Ended { status, message: message.map(str::to_owned), at: at(9) }
    }

    fn check(events: &[Event], status: RunStatus, steps: [StepStatus; 3]) -> RunRecord {
        let record = RunRecord::from_events(events).unwrap();
        let found: Vec<StepStatus> = record.steps.iter().map(|step| step.status).collect();
        assert_eq!((record.status, found.as_slice()), (status, steps.as_slice()), "{record:#?}");
        assert_eq!(record.events, events.len() as u64);
        record
    }

    #[test]
    fn a_run_is_what_its_events_amount_to() {
        use RunStatus as Run;
        use StepStatus::{Done, Failed, Pending, Running, Skipped};
        assert_eq!(RunRecord::from_events(&[]), None);
        assert_eq!(RunRecord::from_events(&[begun("load", 1)]), None);

        let mut log = vec![started()];
        check(&log, Run::Running, [Pending, Pending, Pending]);
        log.push(begun("load", 1));
        check(&log, Run::Running, [Running, Pending, Pending]);
        log.push(failed("load", true));
        let record = check(&log, Run::Running, [Running, Pending, Pending]);
        assert_eq!(record.steps[0].message.as_deref(), Some("no network"));
        log.extend([begun("load", 2), done("load"), begun("segments", 1)]);
        let record = check(&log, Run::Running, [Done, Running, Pending]);
        assert_eq!(
            (record.steps[0].attempts, record.steps[0].rows_written, record.steps[0].message.as_ref()),
            (2, 7, None)
        );
        log.extend([failed("segments", false), ended(Run::Failed, None)]);
        let record = check(&log, Run::Failed, [Done, Failed, Skipped]);
        assert_eq!((record.ended_at, record.steps[1].class), (Some(at(9)), Some(FailureClass::Storage)));
        log.push(Event::Resumed { at: at(10) });
        let record = check(&log, Run::Running, [Done, Pending, Pending]);
        assert_eq!(
            (record.ended_at, record.steps[1].message.as_ref(), record.steps[1].attempts),
            (None, None, 1)
        );
        log.extend([begun("segments", 2), ended(Run::Failed, Some("interrupted"))]);
        let record = check(&log, Run::Failed, [Done, Failed, Skipped]);
        assert_eq!(record.steps[1].message.as_deref(), Some("interrupted"));
    }

    #[test]
    fn a_slot_that_was_not_run_is_a_run_without_steps_done() {
        use StepStatus::Skipped;
        let record = check(
            &[started(), ended(RunStatus::Missed, None)],
            RunStatus::Missed,
            [Skipped, Skipped, Skipped],
        );
        assert!(!record.is_resumable());
    }

    #[test]
    fn a_summary_has_the_keys_of_the_command() {
        let record = RunRecord::from_events(&[started(), ended(RunStatus::Done, None)]).unwrap();
        assert_eq!(
            serde_json::to_string(&record.summary()).unwrap(),
            format!(
                r#"{{"run_id":"r1","pipeline":"shop","slot":null,"as_of":"{}","status":"done","started_at":"{}","ended_at":"{}"}}"#,
                at(0),
                at(1),
                at(9)
            )
        );
    }

    #[test]
    fn a_record_has_every_attempt() {
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
        let record = RunRecord::from_events(&log).unwrap();
        assert_eq!(
            (record.status, record.ended_at, record.resumed_at),
            (RunStatus::Done, Some(at(25)), vec![at(15)])
        );
        let step = &record.steps[0];
        assert_eq!(
            (step.started_at, step.ended_at, step.seconds, step.attempts),
            (Some(at(2)), Some(at(24)), Some(4.0), 2)
        );
        assert_eq!(step.failures.len(), 1);
        assert_eq!((step.failures[0].at, step.failures[0].message.as_str()), (at(5), "no network"));
        assert_eq!(RunRecord::from_events(&log[1..]), None);
    }
}
