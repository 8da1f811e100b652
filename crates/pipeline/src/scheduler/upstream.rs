//! Slots that come after those of other pipelines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::{Fate, History, HistorySlot, Ledger, RunError, RunStatus, Trigger};

/// The histories of the pipelines that a pipeline comes after, and of those that they come after.
#[derive(Debug, Default)]
pub(crate) struct Upstream(BTreeMap<String, History>);

/// How a slot of an upstream pipeline stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UpstreamSlot {
    Done,
    /// It may still be done.
    Open,
    /// It was not done, and why.
    NotDone(String),
}

impl Upstream {
    /// Reads what is new in the histories that `history` refers to.
    pub(crate) async fn refresh(&mut self, ledger: &Ledger, history: &History) -> Result<(), RunError> {
        let mut wanted: Vec<String> = history.upstream().map(str::to_owned).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            if seen.insert(name.clone()) {
                let of_name = self.0.entry(name.clone()).or_default();
                ledger.refresh_history(&name, of_name).await?;
                wanted.extend(of_name.upstream().map(str::to_owned));
            }
        }
        Ok(())
    }

    /// The histories, by pipeline.
    pub(super) fn histories(&self) -> impl Iterator<Item = (&str, &History)> {
        self.0.iter().map(|(name, history)| (name.as_str(), history))
    }

    /// Every slot of a history in `(after, until]`, oldest first: its own, and those that come after others.
    pub(crate) fn slots(&self, history: &History, after: Timestamp, until: Timestamp) -> Vec<HistorySlot> {
        let mut slots = history.own_slots(after, until);
        for era in history.eras(after, until) {
            for schedule in &era.schedules {
                let Trigger::After(pipelines) = &schedule.trigger else { continue };
                let of = |name: &String| match self.0.get(name) {
                    Some(upstream) => self.slots(upstream, era.after, era.until).into_iter().map(|found| found.slot).collect(),
                    None => BTreeSet::new(),
                };
                let common = pipelines.iter().map(of).reduce(|a: BTreeSet<Timestamp>, b| a.intersection(&b).copied().collect());
                let admitted = common.unwrap_or_default().into_iter().filter(|slot| schedule.admits(*slot));
                slots.extend(admitted.map(|slot| HistorySlot { slot, schedule: Arc::clone(schedule), paused: era.paused }));
            }
        }
        slots.sort_by_key(|slot| slot.slot);
        slots.dedup_by_key(|slot| slot.slot);
        slots
    }

    /// How a slot stands in all of these pipelines. A run that failed may still be resumed, until the pipeline's next slot comes.
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
            let state = match last.map(|entry| entry.fate) {
                None if in_project(pipeline) => UpstreamSlot::Open,
                None => UpstreamSlot::NotDone(format!("after: `{pipeline}` is gone from the project")),
                Some(Fate::Skipped { .. }) => UpstreamSlot::NotDone(format!("after: `{pipeline}` skipped this slot")),
                Some(Fate::Missed { .. }) => UpstreamSlot::NotDone(format!("after: `{pipeline}` missed this slot")),
                Some(Fate::Run { run_id, .. }) => match ledger.read(&run_id).await {
                    Err(RunError::Unknown { .. }) => UpstreamSlot::Open,
                    Err(error) => return Err(error),
                    Ok(record) if record.status == RunStatus::Done => UpstreamSlot::Done,
                    Ok(record) if record.status == RunStatus::Failed && self.has_slot(pipeline, slot, now) => {
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

    fn has_slot(&self, pipeline: &str, after: Timestamp, until: Timestamp) -> bool {
        self.0.get(pipeline).is_some_and(|history| !self.slots(history, after, until).is_empty())
    }
}
