//! Slots that come after those of other pipelines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::error::RunError;
use crate::ledger::Ledger;
use crate::ledger::event::RunStatus;
use crate::ledger::slot::SlotDecision;
use crate::schedule::Trigger;
use crate::schedule::log::{ScheduleLog, ScheduledSlot};

/// The logs of schedules of all pipelines that a pipeline follows, directly or not.
#[derive(Debug, Default)]
pub(crate) struct Upstream(BTreeMap<String, ScheduleLog>);

/// The state of a slot in an upstream pipeline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UpstreamSlot {
    Done,
    /// It may still be done.
    Open,
    /// It was not done, and why.
    NotDone(String),
}

impl UpstreamSlot {
    fn gone(pipeline: &str) -> Self {
        Self::NotDone(format!("after: `{pipeline}` was removed from the project"))
    }
}

impl Upstream {
    /// Reads new entries of the logs that this one refers to.
    pub(crate) async fn refresh(&mut self, ledger: &Ledger, history: &ScheduleLog) -> Result<(), RunError> {
        let mut wanted: Vec<String> = history.upstream().map(str::to_owned).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            if seen.insert(name.clone()) {
                let of_name = self.0.entry(name.clone()).or_default();
                ledger.refresh_schedule_log(&name, of_name).await?;
                wanted.extend(of_name.upstream().map(str::to_owned));
            }
        }
        Ok(())
    }

    /// The logs, by pipeline.
    pub(super) fn histories(&self) -> impl Iterator<Item = (&str, &ScheduleLog)> {
        self.0.iter().map(|(name, history)| (name.as_str(), history))
    }

    /// Every slot of a log in `(after, until]`, oldest first: its own, and those that follow other pipelines.
    ///
    /// Two pipelines that were edited to change places come after each other until both edits are known:
    /// neither has such slots then.
    pub(crate) fn slots(
        &self,
        history: &ScheduleLog,
        after: Timestamp,
        until: Timestamp,
    ) -> Vec<ScheduledSlot> {
        self.slots_below(history, after, until, &mut Vec::new())
    }

    /// The same, for a log that was reached along this path.
    fn slots_below(
        &self,
        history: &ScheduleLog,
        after: Timestamp,
        until: Timestamp,
        path: &mut Vec<String>,
    ) -> Vec<ScheduledSlot> {
        let mut slots = history.own_slots(after, until);
        for era in history.eras(after, until) {
            for schedule in &era.schedules {
                let Trigger::After(pipelines) = &schedule.trigger else { continue };
                let of = |name: &String| match self.0.get(name).filter(|_| !path.contains(name)) {
                    Some(upstream) => {
                        path.push(name.clone());
                        let slots = self.slots_below(upstream, era.after, era.until, path);
                        path.pop();
                        slots.into_iter().map(|found| found.slot).collect()
                    }
                    None => BTreeSet::new(),
                };
                let common = pipelines
                    .iter()
                    .map(of)
                    .reduce(|a: BTreeSet<Timestamp>, b| a.intersection(&b).copied().collect());
                let admitted = common.unwrap_or_default().into_iter().filter(|slot| schedule.admits(*slot));
                slots.extend(admitted.map(|slot| ScheduledSlot {
                    slot,
                    schedule: Arc::clone(schedule),
                    paused: era.paused,
                }));
            }
        }
        slots.sort_by_key(|slot| slot.slot);
        slots.dedup_by_key(|slot| slot.slot);
        slots
    }

    /// The state of a slot in all of these pipelines. A run that failed may still be resumed, until the
    /// pipeline's next slot comes, or it has no schedule any more.
    pub(super) async fn state(
        &self,
        ledger: &Ledger,
        pipelines: &[String],
        slot: Timestamp,
        now: Timestamp,
        in_project: impl Fn(&str) -> bool,
    ) -> Result<UpstreamSlot, RunError> {
        let mut all = UpstreamSlot::Done;
        for pipeline in pipelines {
            let last = ledger.slot(pipeline, slot).await?.pop();
            let state = match last.map(|entry| entry.decision) {
                None if in_project(pipeline) => UpstreamSlot::Open,
                None => UpstreamSlot::gone(pipeline),
                Some(SlotDecision::Skipped { .. }) => {
                    UpstreamSlot::NotDone(format!("after: `{pipeline}` skipped this slot"))
                }
                Some(SlotDecision::Missed { .. }) => {
                    UpstreamSlot::NotDone(format!("after: `{pipeline}` missed this slot"))
                }
                Some(SlotDecision::Run { run_id, .. }) => match ledger.read(&run_id).await {
                    Err(RunError::Unknown { .. }) if in_project(pipeline) => UpstreamSlot::Open,
                    Err(RunError::Unknown { .. }) => UpstreamSlot::gone(pipeline),
                    Err(error) => return Err(error),
                    Ok(record) if record.status == RunStatus::Done => UpstreamSlot::Done,
                    Ok(record) if record.status == RunStatus::Failed && self.is_past(pipeline, slot, now) => {
                        UpstreamSlot::NotDone(format!("after: `{pipeline}` failed this slot"))
                    }
                    Ok(_) => UpstreamSlot::Open,
                },
            };
            match state {
                UpstreamSlot::NotDone(_) => return Ok(state),
                UpstreamSlot::Open => all = UpstreamSlot::Open,
                UpstreamSlot::Done => {}
            }
        }
        Ok(all)
    }

    /// Whether the pipeline's next slot came, or none will come.
    fn is_past(&self, pipeline: &str, slot: Timestamp, now: Timestamp) -> bool {
        let is_past = |history: &ScheduleLog| {
            history.current().is_empty() || !self.slots(history, slot, now).is_empty()
        };
        self.0.get(pipeline).is_some_and(is_past)
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::schedule::Schedule;
    use crate::schedule::log::ScheduleEvent;

    #[tokio::test]
    async fn pipelines_that_change_places_are_not_waited_for_in_a_circle() {
        let at = |text: &str| format!("2026-11-01T{text}:00Z").parse::<Timestamp>().unwrap();
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let clock = || {
            Schedule::new(Trigger::Calendar(Box::new(
                crate::schedule::calendar::Calendar::new("0 * * * *", jiff::tz::TimeZone::UTC).unwrap(),
            )))
        };
        let after = |name: &str| Schedule::new(Trigger::After(vec![name.to_owned()]));
        // From 02:00 to 03:00 each comes after the other.
        let edits = [
            ("b", "00:30", clock()),
            ("c", "00:30", after("b")),
            ("b", "02:00", after("c")),
            ("c", "03:00", clock()),
        ];
        for (name, since, schedule) in edits {
            let mut history = ledger.schedule_log(name).await.unwrap();
            let event = ScheduleEvent::Scheduled { since: at(since), schedules: vec![schedule] };
            let known = history.events().len();
            ledger
                .amend_schedule_log(name, &mut history, |now| {
                    (now.events().len() == known).then(|| event.clone())
                })
                .await
                .unwrap();
        }
        for (name, expected) in [("b", ["01:00", "02:00", "04:00"]), ("c", ["01:00", "02:00", "04:00"])] {
            let history = ledger.schedule_log(name).await.unwrap();
            let mut upstream = Upstream::default();
            upstream.refresh(&ledger, &history).await.unwrap();
            let slots = upstream.slots(&history, at("00:00"), at("04:30"));
            assert_eq!(slots.iter().map(|found| found.slot).collect::<Vec<_>>(), expected.map(at), "{name}");
        }
    }
}
