//! Messages about runs and stale data.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tranche_pipeline::{RunRecord, RunStatus, StepStatus};

use super::notification::Occasion;

/// A message. The same event has the same id, however often and by whichever process it is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id, of letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// The event that it is about.
    pub occasion: Occasion,
    /// The pipeline that it is about, if it is about one.
    pub pipeline: Option<String>,
    /// The run that it is about, if it is about one.
    pub run_id: Option<String>,
    /// The event in one line.
    pub title: String,
    /// Details, in lines; may be empty.
    pub text: String,
    /// The instant of the event.
    pub at: Timestamp,
}

impl Message {
    /// A table or segment is older than its `freshness`. There is one message for each state that it is stuck
    /// in.
    #[must_use]
    pub fn not_fresh(
        kind: &str,
        name: &str,
        newest: Option<Timestamp>,
        limit: Duration,
        now: Timestamp,
    ) -> Self {
        let state = newest.map_or_else(|| "never".to_owned(), |newest| newest.to_string());
        let hours = limit.as_secs().div_ceil(3_600);
        let title = match newest {
            Some(newest) => format!("{kind} {name} is not fresh: as of {newest}, the limit is {hours} hours"),
            None => format!("{kind} {name} is not fresh: it has no data yet"),
        };
        Self {
            id: id(&["freshness", kind, name, &state]),
            occasion: Occasion::Freshness,
            pipeline: None,
            run_id: None,
            title,
            text: String::new(),
            at: now,
        }
    }

    fn of_run(run: &RunRecord, occasion: Occasion, title: String, text: String) -> Self {
        Self {
            id: id(&[occasion.name(), &run.run_id, &run.events.to_string()]),
            occasion,
            pipeline: Some(run.pipeline.clone()),
            run_id: Some(run.run_id.clone()),
            title,
            text,
            at: run.ended_at.unwrap_or(run.started_at),
        }
    }
}

/// What decides about the messages of a run besides its record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Background {
    /// How the previous run of the same pipeline ended, runs of backfills left out.
    pub before: Option<RunStatus>,
    /// The slot after its own.
    pub next_slot: Option<Timestamp>,
    /// Whether it was resumed after a failure: then it is late, and its end is a recovery of its own.
    pub was_resumed: bool,
    /// Whether a backfill asked for it: then it is late by its nature, and no recovery from the runs before
    /// it.
    pub is_backfill: bool,
}

/// The messages about a run that ended.
#[must_use]
pub fn messages_of(run: &RunRecord, background: Background) -> Vec<Message> {
    let Background { before, next_slot, was_resumed, is_backfill } = background;
    let slot = run.slot.map_or_else(|| format!("as of {}", run.as_of), |slot| format!("slot {slot}"));
    let mut messages = Vec::new();
    match run.status {
        RunStatus::Failed => {
            let title = format!("{} failed, {slot}", run.pipeline);
            messages.push(Message::of_run(run, Occasion::Failure, title, failures(run)));
        }
        RunStatus::Done => {
            if was_resumed || (before == Some(RunStatus::Failed) && !is_backfill) {
                let title = format!("{} is done again, {slot}", run.pipeline);
                messages.push(Message::of_run(run, Occasion::Recovery, title, String::new()));
            }
            let passed = next_slot.zip(run.ended_at).filter(|(next, ended)| ended >= next);
            if run.slot.is_some() && !is_backfill && (was_resumed || passed.is_some()) {
                let title = format!("{} is done, but late, {slot}", run.pipeline);
                let text = run.ended_at.map_or_else(String::new, |ended| format!("it ended at {ended}"));
                messages.push(Message::of_run(run, Occasion::Late, title, text));
            }
        }
        RunStatus::Running | RunStatus::Skipped | RunStatus::Missed => {}
    }
    messages
}

fn failures(run: &RunRecord) -> String {
    let failed = run.steps.iter().filter(|step| step.status == StepStatus::Failed);
    let mut lines: Vec<String> =
        failed.map(|step| format!("{}: {}", step.id, step.message.as_deref().unwrap_or("failed"))).collect();
    if lines.is_empty() {
        lines.extend(run.message.clone());
    }
    lines.push(format!("continue with: tranche resume {}", run.run_id));
    lines.join("\n")
}

/// An id that a path and a mail header can hold; parts with other characters are distinguished by a hash.
fn id(parts: &[&str]) -> String {
    let whole = parts.join("-");
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if whole.chars().all(fits) {
        return whole;
    }
    let shown: String = whole.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    format!("{shown}-{}", &blake3::hash(whole.as_bytes()).to_hex()[..8])
}

#[cfg(test)]
mod tests {
    use tranche_pipeline::FailureClass;
    use tranche_pipeline::ledger::{Event, Started};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_793_500_000 + second).unwrap()
    }

    fn run(slot: Option<i64>, status: RunStatus) -> RunRecord {
        let started = Started {
            run_id: "r1".into(),
            pipeline: "shop".into(),
            slot: slot.map(at),
            as_of: at(0),
            full: false,
            restatement: 0,
            definitions: "abc".into(),
            steps: vec!["load".into()],
            at: at(1),
        };
        let failed = Event::StepFailed {
            step: "load".into(),
            attempt: 1,
            seconds: 0.5,
            class: FailureClass::Data,
            message: "no such file".into(),
            detail: serde_json::Value::Null,
            will_retry: false,
            at: at(2),
        };
        let ended = Event::Ended { status, message: None, at: at(100) };
        RunRecord::from_events(&[Event::Started(started), failed, ended]).unwrap()
    }

    fn check(run: &RunRecord, background: Background, expected: &[Occasion]) {
        let found: Vec<Occasion> = messages_of(run, background).iter().map(|m| m.occasion).collect();
        assert_eq!(found, expected);
    }

    fn known(before: Option<RunStatus>, next: Option<i64>, was_resumed: bool) -> Background {
        Background { before, next_slot: next.map(at), was_resumed, is_backfill: false }
    }

    #[test]
    fn messages_depend_on_the_outcome_the_run_before_and_the_slot() {
        use RunStatus::{Done, Failed, Skipped};
        check(&run(None, Done), known(Some(Done), None, false), &[]);
        check(&run(None, Done), known(Some(Failed), None, false), &[Occasion::Recovery]);
        check(&run(None, Done), known(Some(Done), None, true), &[Occasion::Recovery]);
        check(&run(Some(0), Done), known(None, Some(101), false), &[]);
        check(&run(Some(0), Done), known(None, Some(100), false), &[Occasion::Late]);
        check(
            &run(Some(0), Done),
            known(Some(Failed), Some(101), true),
            &[Occasion::Recovery, Occasion::Late],
        );
        check(&run(Some(0), Failed), known(Some(Failed), Some(50), false), &[Occasion::Failure]);
        check(&run(Some(0), Skipped), known(Some(Failed), Some(50), false), &[]);
        let messages = messages_of(&run(None, Failed), Background::default());
        assert_eq!(messages[0].id, "failure-r1-3");
        assert_eq!(messages[0].text, "load: no such file\ncontinue with: tranche resume r1");
    }

    #[test]
    fn a_run_of_a_backfill_is_not_late_and_no_recovery_but_from_its_own_failure() {
        use RunStatus::{Done, Failed};
        let backfill = |known: Background| Background { is_backfill: true, ..known };
        check(&run(Some(0), Done), backfill(known(Some(Failed), Some(50), false)), &[]);
        check(&run(Some(0), Done), backfill(known(None, Some(50), true)), &[Occasion::Recovery]);
        check(&run(Some(0), Failed), backfill(known(None, Some(50), false)), &[Occasion::Failure]);
    }

    #[test]
    fn an_id_is_of_what_it_is_about() {
        let old = |seconds| {
            Message::not_fresh(
                "segment",
                "lifecycle/new",
                Some(at(seconds)),
                Duration::from_secs(93_600),
                at(9),
            )
            .id
        };
        assert_eq!(old(0), old(0));
        assert_ne!(old(0), old(1));
        assert!(!old(0).contains('/') && !old(0).contains(':'), "{}", old(0));
    }
}
