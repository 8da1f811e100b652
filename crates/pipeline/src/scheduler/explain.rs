//! Every slot of a pipeline in an interval, and its outcome.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::upstream::Upstream;
use crate::definition::Pipeline;
use crate::error::RunError;
use crate::ledger::watermark::read_watermark;
use crate::ledger::{Ledger, RunStatus, SlotDecision};
use crate::schedule::{DstClass, Schedule, ScheduleEvent, ScheduleLog, ScheduledSlot};

/// A slot as `schedule explain` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplainedSlot {
    /// The name of its pipeline.
    pub pipeline: String,
    /// The instant.
    #[schemars(with = "String")]
    pub slot: Timestamp,
    /// Its local time in the schedule's zone, with the zone's name.
    pub local: String,
    /// Whether that zone's clock changes around the slot.
    pub dst: DstClass,
    /// Its outcome.
    #[serde(rename = "fate")]
    pub outcome: SlotOutcome,
    /// Why it was skipped or missed, or the state of its run.
    pub reason: Option<String>,
    /// The run that runs it: the latest, when it was run again.
    pub run_id: Option<String>,
}

/// The outcome of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlotOutcome {
    /// It is run, or was.
    Run,
    /// It is left out.
    Skipped,
    /// It passed while no scheduler was there to run it.
    Missed,
    /// It has come and is not decided yet.
    Due,
    /// It has not come yet.
    Future,
    /// It lies before the schedule was declared in the lake, so that no scheduler was to run it.
    Before,
}

/// How a slot is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// From the definition, before the lake knew a schedule.
    Before,
    /// From the log of schedules, or because it was decided.
    Log,
    /// From a definition that the log does not have yet.
    Undeclared,
}

/// Slots that are looked up at the same time.
const CONCURRENCY: usize = 16;

/// The slots of a pipeline in `[from, to)`, oldest first. Those before the first declared schedule are
/// derived from the pipeline's definition, and so are future ones, if this definition is not declared yet.
///
/// # Errors
/// [`RunError::Store`] when the storage fails, [`RunError::Damaged`] when an object cannot be read.
pub async fn explain(
    ledger: &Ledger,
    pipeline: &Pipeline,
    zone: &TimeZone,
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<Vec<ExplainedSlot>, RunError> {
    let history = ledger.schedule_log(&pipeline.name).await?;
    let mut upstream = Upstream::default();
    upstream.refresh(ledger, &history).await?;
    let nanosecond = SignedDuration::from_nanos(1);
    let just_before = |instant: Timestamp| instant.checked_sub(nanosecond).unwrap_or(instant);
    let (after, until) = (just_before(from), just_before(to));
    let begin = history.events().first().map_or(until, ScheduleEvent::at);
    let schedules = pipeline.schedules.clone();
    let is_declared = history.current() == schedules;
    let defined =
        ScheduleLog::from_events(vec![ScheduleEvent::Scheduled { since: Timestamp::MIN, schedules }]);
    let before = defined.clock_slots(after, until.min(begin));
    let known = upstream.slots(&history, after, if is_declared { until } else { until.min(now) });
    let mut undeclared = Vec::new();
    if !is_declared && now < until {
        upstream.refresh(ledger, &defined).await?;
        undeclared = upstream.slots(&defined, after.max(now), until);
        undeclared.iter_mut().for_each(|found| found.paused = history.is_paused());
    }
    let all = [(before, Origin::Before), (known, Origin::Log), (undeclared, Origin::Undeclared)];
    let all = all
        .into_iter()
        .flat_map(|(slots, origin)| slots.into_iter().map(move |found| (found.slot, (found, origin))));
    let mut slots: BTreeMap<Timestamp, (ScheduledSlot, Origin)> = all.collect();
    let fallback = Arc::new(Schedule::new(crate::schedule::Trigger::After(Vec::new())));
    for slot in ledger.decided_slots(&pipeline.name, from, to).await? {
        let schedule = Arc::clone(&fallback);
        slots.entry(slot).or_insert_with(|| (ScheduledSlot { slot, schedule, paused: false }, Origin::Log));
    }
    let watermark = read_watermark(ledger, &pipeline.name).await?.map(|watermark| watermark.slot);
    let explainer = Explainer { ledger, pipeline, zone, now, watermark };
    let explained = slots.into_values().map(|(found, origin)| explainer.explain(found, origin));
    stream::iter(explained).buffered(CONCURRENCY).try_collect().await
}

/// What all slots of a pipeline share.
struct Explainer<'a> {
    ledger: &'a Ledger,
    pipeline: &'a Pipeline,
    zone: &'a TimeZone,
    now: Timestamp,
    /// Every slot up to here has come to its end.
    watermark: Option<Timestamp>,
}

impl Explainer<'_> {
    async fn explain(&self, found: ScheduledSlot, origin: Origin) -> Result<ExplainedSlot, RunError> {
        let calendar = found.schedule.calendar();
        let zone = calendar.map_or(self.zone, |calendar| calendar.zone());
        let mut explained = ExplainedSlot {
            pipeline: self.pipeline.name.clone(),
            slot: found.slot,
            local: format!("{} {}", zone.to_datetime(found.slot), zone.iana_name().unwrap_or("UTC")),
            dst: calendar.map_or(DstClass::Normal, |calendar| calendar.dst_class(found.slot)),
            outcome: if origin == Origin::Before { SlotOutcome::Before } else { SlotOutcome::Future },
            reason: None,
            run_id: None,
        };
        if found.slot > self.now {
            explained.outcome = SlotOutcome::Future;
            explained.reason = match origin {
                _ if found.paused => Some("paused".to_owned()),
                Origin::Undeclared => Some("not declared yet: start `tranche schedule`".to_owned()),
                Origin::Before | Origin::Log => None,
            };
            return Ok(explained);
        }
        let Some(entry) = self.ledger.slot(&self.pipeline.name, found.slot).await?.pop() else {
            if origin != Origin::Before {
                explained.outcome = SlotOutcome::Due;
            }
            return Ok(explained);
        };
        (explained.outcome, explained.reason, explained.run_id) = match entry.decision {
            SlotDecision::Skipped { reason } => (SlotOutcome::Skipped, Some(reason), None),
            SlotDecision::Missed { reason } => (SlotOutcome::Missed, Some(reason), None),
            SlotDecision::Run { run_id, .. } => {
                let is_settled = entry.backfill.is_none()
                    && self.watermark.is_some_and(|watermark| found.slot <= watermark);
                let stands = match self.ledger.read(&run_id).await {
                    Ok(record) => record.status.to_string(),
                    // Its log was so old that it expired.
                    Err(RunError::Unknown { .. }) if is_settled => "forgotten".to_owned(),
                    Err(RunError::Unknown { .. }) => "waiting".to_owned(),
                    Err(error) => return Err(error),
                };
                (SlotOutcome::Run, Some(stands), Some(run_id))
            }
        };
        Ok(explained)
    }
}

impl SlotOutcome {
    /// The status by which a list of runs shows a slot that has no run.
    #[must_use]
    pub fn status(self) -> Option<RunStatus> {
        match self {
            Self::Skipped => Some(RunStatus::Skipped),
            Self::Missed => Some(RunStatus::Missed),
            Self::Run | Self::Due | Self::Future | Self::Before => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use tranche_project::{Problems, Settings, SourceFile};
    use tranche_store::objects::write_document;

    use super::*;
    use crate::ledger::slot::SlotEntry;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-01T{text}:00Z").parse().unwrap()
    }

    fn pipeline(cron: &str) -> Pipeline {
        let text = format!(
            "version: 1\npipeline: shop\nschedule: {{cron: '{cron}', timezone: UTC}}\nsteps: [{{id: load, ingest: all}}]\n"
        );
        let file = SourceFile::new("pipelines/shop/pipeline.yaml", &text);
        Pipeline::read(&file, &["ingest"], &Settings::default(), &mut Problems::default()).unwrap()
    }

    async fn check(ledger: &Ledger, cron: &str, expected: &[&str]) {
        let span = (at("00:00"), at("04:00"));
        let slots = explain(ledger, &pipeline(cron), &TimeZone::UTC, span, at("02:10")).await.unwrap();
        let shown = |slot: &ExplainedSlot| {
            let outcome = serde_json::to_value(slot.outcome).unwrap();
            let reason = slot.reason.as_deref().map_or_else(String::new, |reason| format!(" {reason}"));
            format!("{} {}{reason}", slot.slot.strftime("%H:%M"), outcome.as_str().unwrap())
        };
        assert_eq!(slots.iter().map(shown).collect::<Vec<_>>(), expected);
    }

    async fn scheduled(ledger: &Ledger, cron: &str) {
        let event = ScheduleEvent::Scheduled { since: at("00:30"), schedules: pipeline(cron).schedules };
        let begin = |history: &ScheduleLog| history.events().is_empty().then(|| event.clone());
        ledger.amend_schedule_log("shop", &mut ScheduleLog::default(), begin).await.unwrap();
    }

    #[tokio::test]
    async fn an_edit_that_no_daemon_declared_is_reported_as_such() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let undeclared = "03:30 future not declared yet: start `tranche schedule`";
        check(
            &ledger,
            "30 * * * *",
            &[
                "00:30 before",
                "01:30 before",
                "02:30 future not declared yet: start `tranche schedule`",
                undeclared,
            ],
        )
        .await;
        scheduled(&ledger, "0 * * * *").await;
        check(&ledger, "0 * * * *", &["00:00 before", "01:00 due", "02:00 due", "03:00 future"]).await;
        check(&ledger, "30 3 * * *", &["01:00 due", "02:00 due", undeclared]).await;
    }

    #[tokio::test]
    async fn an_expired_run_is_forgotten_and_one_that_was_not_started_waits() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        scheduled(&ledger, "0 * * * *").await;
        for slot in ["01:00", "02:00"] {
            let decision = SlotDecision::Run { run_id: format!("r{slot}"), late: false };
            ledger
                .decide("shop", at(slot), SlotEntry { decision, at: at(slot), schedule: 1, backfill: None })
                .await
                .unwrap();
        }
        let watermark = format!("{{\"slot\":\"{}\"}}", at("01:00"));
        let settled = Path::from("_sys/settled/shop.json");
        write_document(&*ledger.objects, &settled, &watermark).await.unwrap();
        check(
            &ledger,
            "0 * * * *",
            &["00:00 before", "01:00 run forgotten", "02:00 run waiting", "03:00 future"],
        )
        .await;
    }
}
