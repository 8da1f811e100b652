//! Every slot of a pipeline in a stretch of time, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::scheduler::Upstream;
use crate::{DstClass, Fate, History, HistorySlot, Ledger, Pipeline, RunError, RunStatus, Schedule, ScheduleEvent};

/// A slot, for its reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedSlot {
    /// The pipeline.
    pub pipeline: String,
    /// The instant.
    pub slot: Timestamp,
    /// What the clock of the schedule's zone shows then, with the zone's name.
    pub local: String,
    /// What that clock does around the slot.
    pub dst: DstClass,
    /// What became of it.
    pub fate: SlotFate,
    /// Why it was skipped or missed; how its run stands.
    pub reason: Option<String>,
    /// The run that runs it: the latest, when it was run anew.
    pub run_id: Option<String>,
}

/// What became of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotFate {
    /// It is run, or was.
    Run,
    /// It came, and was left out.
    Skipped,
    /// It passed while nobody was there to run it.
    Missed,
    /// It came, and nothing is decided yet.
    Due,
    /// It has not come yet.
    Future,
    /// It lies before the schedule was known to the lake: nobody was to run it.
    Before,
}

/// Slots that are looked up at the same time.
const CONCURRENCY: usize = 16;

/// The slots of a pipeline in `[from, to)`, oldest first. What came before the lake knew a schedule, and what comes when it knows
/// none, is told from the pipeline's definition.
///
/// # Errors
/// [`RunError::Store`] when the storage fails, [`RunError::Damaged`] when what it holds cannot be read.
pub async fn explain(
    ledger: &Ledger,
    pipeline: &Pipeline,
    zone: &TimeZone,
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<Vec<ExplainedSlot>, RunError> {
    let history = ledger.history(&pipeline.name).await?;
    let mut upstream = Upstream::default();
    upstream.refresh(ledger, &history).await?;
    let nanosecond = SignedDuration::from_nanos(1);
    let just_before = |instant: Timestamp| instant.checked_sub(nanosecond).unwrap_or(instant);
    let (after, until) = (just_before(from), just_before(to));
    let begin = history.events().first().map_or(until, ScheduleEvent::at);
    let schedules = pipeline.schedules.clone();
    let defined = History::from_events(vec![ScheduleEvent::Scheduled { since: Timestamp::MIN, schedules }]);
    let before = defined.clock_slots(after, until.min(begin)).into_iter().map(|found| (found, true));
    let known = upstream.slots(&history, after, until).into_iter().map(|found| (found, false));
    let mut slots: BTreeMap<Timestamp, (HistorySlot, bool)> = before.chain(known).map(|found| (found.0.slot, found)).collect();
    let fallback = Arc::new(Schedule::new(crate::Trigger::After(Vec::new())));
    for slot in ledger.decided_slots(&pipeline.name, from, to).await? {
        let schedule = Arc::clone(&fallback);
        slots.entry(slot).or_insert_with(|| (HistorySlot { slot, schedule, paused: false }, false));
    }
    let explained = slots.into_values().map(|(found, is_before)| explain_slot(ledger, pipeline, zone, found, is_before, now));
    stream::iter(explained).buffered(CONCURRENCY).try_collect().await
}

async fn explain_slot(
    ledger: &Ledger,
    pipeline: &Pipeline,
    zone: &TimeZone,
    found: HistorySlot,
    is_before: bool,
    now: Timestamp,
) -> Result<ExplainedSlot, RunError> {
    let calendar = found.schedule.calendar();
    let zone = calendar.map_or(zone, |calendar| calendar.zone());
    let mut explained = ExplainedSlot {
        pipeline: pipeline.name.clone(),
        slot: found.slot,
        local: format!("{} {}", zone.to_datetime(found.slot), zone.iana_name().unwrap_or("UTC")),
        dst: calendar.map_or(DstClass::Normal, |calendar| calendar.dst_class(found.slot)),
        fate: if is_before { SlotFate::Before } else { SlotFate::Future },
        reason: None,
        run_id: None,
    };
    if found.slot > now {
        if !is_before && found.paused {
            explained.reason = Some("paused".to_owned());
        }
        explained.fate = SlotFate::Future;
        return Ok(explained);
    }
    match ledger.slot(&pipeline.name, found.slot).await?.pop().map(|entry| entry.fate) {
        None if is_before => {}
        None => explained.fate = SlotFate::Due,
        Some(Fate::Skipped { reason }) => (explained.fate, explained.reason) = (SlotFate::Skipped, Some(reason)),
        Some(Fate::Missed { reason }) => (explained.fate, explained.reason) = (SlotFate::Missed, Some(reason)),
        Some(Fate::Run { run_id, .. }) => {
            let status = match ledger.read(&run_id).await {
                Ok(record) => record.status.to_string(),
                Err(RunError::Unknown { .. }) => "waiting".to_owned(),
                Err(error) => return Err(error),
            };
            (explained.fate, explained.reason, explained.run_id) = (SlotFate::Run, Some(status), Some(run_id));
        }
    }
    Ok(explained)
}

impl SlotFate {
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
