//! Decisions about slots: `_sys/slots/<pipeline>/<instant>/<sequence>.json`.
//!
//! The process that creates entry 0 decides about the slot, once. Later entries are written on request, to
//! repeat a slot or compute it again; each is one more run of it.
//!
//! A decision that cannot be read any more is nobody's. Where the ledger has a run of the slot, that run was the
//! decision, and the next entry says so again; where it has none, the next entry decides anew. Entries are created once,
//! so that two schedulers agree; and the run, whichever it is, carries out the slot under the same commits.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::append_log::{Append, AppendLog, Entry};
use super::record::RunRecord;
use super::{Ledger, failed};
use crate::error::RunError;

/// The decision about a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum SlotDecision {
    /// It is run, by the run of this id. Any process may begin that run: its log says which did.
    Run {
        /// The run.
        run_id: String,
        /// Whether its time had passed: such a run waits behind earlier ones.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
    },
    /// It is left out.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It passed while no scheduler was there to run it.
    Missed {
        /// The policy by which it is not caught up.
        reason: String,
    },
}

/// An entry of a slot's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotEntry {
    /// The decision.
    #[serde(flatten)]
    pub decision: SlotDecision,
    /// When.
    pub at: Timestamp,
    /// How many entries of the log of schedules the decision was based on: after an edit that was seen later,
    /// this may be no slot.
    #[serde(default)]
    pub schedule: u64,
    /// The backfill that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<String>,
}

impl Ledger {
    /// The decisions about a slot that can be read, oldest first; empty when there is none.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails, [`RunError::Damaged`] when an entry is missing or not understood.
    pub async fn slot(&self, pipeline: &str, slot: Timestamp) -> Result<Vec<SlotEntry>, RunError> {
        Ok(self.slot_entries(pipeline, slot).await?.into_iter().filter_map(Entry::written).collect())
    }

    /// All entries about a slot, each at its number.
    pub(crate) async fn slot_entries(
        &self,
        pipeline: &str,
        slot: Timestamp,
    ) -> Result<Vec<Entry<SlotEntry>>, RunError> {
        self.slot_log(pipeline, slot).read(0).await
    }

    /// The first decision about a slot, if there is one.
    ///
    /// # Errors
    /// As [`Ledger::slot`].
    pub async fn decision(&self, pipeline: &str, slot: Timestamp) -> Result<Option<SlotDecision>, RunError> {
        match self.slot_log(pipeline, slot).entry(0).await? {
            None => Ok(None),
            Some(Entry::Written(entry)) => Ok(Some(entry.decision)),
            Some(Entry::Torn { .. }) => {
                Ok(self.slot(pipeline, slot).await?.into_iter().next().map(|entry| entry.decision))
            }
        }
    }

    /// The backfill that asked for a run, if one did.
    ///
    /// # Errors
    /// As [`Ledger::slot`].
    pub async fn backfill_of(&self, run: &RunRecord) -> Result<Option<String>, RunError> {
        let Some(slot) = run.slot else { return Ok(None) };
        let entry = self.slot_log(&run.pipeline, slot).entry(run.restatement).await?;
        Ok(entry.and_then(Entry::written).and_then(|entry| entry.backfill))
    }

    /// Decides about a slot, unless it is decided; returns the decision that holds.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage gave no clear answer: the slot may be decided, or not.
    pub async fn decide(
        &self,
        pipeline: &str,
        slot: Timestamp,
        entry: SlotEntry,
    ) -> Result<SlotDecision, RunError> {
        match self.slot_log(pipeline, slot).append(0, &entry).await? {
            Append::Won => Ok(entry.decision),
            Append::Lost(theirs) => Ok(theirs.decision),
            Append::Torn => self.decide_again(pipeline, slot, entry).await,
        }
    }

    /// Decides about a slot whose first decision cannot be read.
    async fn decide_again(
        &self,
        pipeline: &str,
        slot: Timestamp,
        mut entry: SlotEntry,
    ) -> Result<SlotDecision, RunError> {
        loop {
            let entries = self.slot_entries(pipeline, slot).await?;
            let next = entries.len() as u64;
            if let Some(decided) = entries.into_iter().find_map(Entry::written) {
                return Ok(decided.decision);
            }
            if let Some(run_id) = self.begun(pipeline, slot).await? {
                entry.decision = SlotDecision::Run { run_id, late: true };
            }
            match self.slot_log(pipeline, slot).append(next, &entry).await? {
                Append::Won => return Ok(entry.decision),
                Append::Lost(theirs) => return Ok(theirs.decision),
                Append::Torn => {}
            }
        }
    }

    /// The first run that was begun to fill a slot.
    async fn begun(&self, pipeline: &str, slot: Timestamp) -> Result<Option<String>, RunError> {
        // Ids are made when slots are decided, which is never before their time.
        for id in self.run_ids_since(slot).await?.into_iter().rev() {
            match self.read(&id).await {
                Ok(run) if run.pipeline == pipeline && run.slot == Some(slot) && run.restatement == 0 => {
                    return Ok(Some(id));
                }
                Ok(_) | Err(RunError::Unknown { .. } | RunError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Adds a decision about a slot as its entry `sequence`, unless that is written; says whether it was
    /// added.
    ///
    /// # Errors
    /// As [`Ledger::decide`].
    pub async fn restate(
        &self,
        pipeline: &str,
        slot: Timestamp,
        sequence: u64,
        entry: &SlotEntry,
    ) -> Result<bool, RunError> {
        Ok(self.slot_log(pipeline, slot).append(sequence, entry).await? == Append::Won)
    }

    /// The decided slots in `[from, to)`, oldest first, as a listing shows them. Earlier ones are not listed.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn decided_slots(
        &self,
        pipeline: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Timestamp>, RunError> {
        let folder = folder(pipeline);
        // Not every storage lists in order, so the listing is read to its end.
        let mut listed = self.objects.list_with_offset(Some(&folder), &folder.clone().join(name(from)));
        let mut slots = BTreeSet::new();
        while let Some(entry) = listed.try_next().await.map_err(|error| failed(&folder, error))? {
            let instant =
                entry.location.prefix_match(&folder).and_then(|mut parts| slot_of(parts.next()?.as_ref()));
            slots.extend(instant);
        }
        Ok(slots.range(from..to).copied().collect())
    }

    fn slot_log(&self, pipeline: &str, slot: Timestamp) -> AppendLog<'_, SlotEntry> {
        AppendLog::new(self.objects.as_ref() as &dyn ObjectStore, folder(pipeline).join(name(slot)))
    }
}

const SLOTS: &str = tranche_store::layout::system::SLOTS.path;

fn folder(pipeline: &str) -> Path {
    Path::from(SLOTS).join(pipeline)
}

/// A slot in the name of an object: names sort by time.
pub(crate) fn name(slot: Timestamp) -> String {
    slot.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn slot_of(name: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", name).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_slot_is_decided_once() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let slot = at("2026-11-01T01:00:00Z");
        let entry = |decision| SlotEntry { decision, at: slot, schedule: 1, backfill: None };
        assert_eq!(ledger.decision("shop", slot).await.unwrap(), None);
        let run = SlotDecision::Run { run_id: "r1".into(), late: false };
        assert_eq!(ledger.decide("shop", slot, entry(run.clone())).await.unwrap(), run);
        let skipped = SlotDecision::Skipped { reason: "paused".into() };
        assert_eq!(ledger.decide("shop", slot, entry(skipped.clone())).await.unwrap(), run);
        assert_eq!(ledger.decide("crm", slot, entry(skipped.clone())).await.unwrap(), skipped);
        let again = entry(SlotDecision::Run { run_id: "r2".into(), late: true });
        assert!(ledger.restate("shop", slot, 1, &again).await.unwrap());
        assert!(!ledger.restate("shop", slot, 1, &again).await.unwrap());
        assert_eq!(ledger.slot("shop", slot).await.unwrap(), [entry(run), again]);
        let day = (at("2026-11-01T00:00:00Z"), at("2026-11-02T00:00:00Z"));
        assert_eq!(ledger.decided_slots("shop", day.0, day.1).await.unwrap(), [slot]);
        assert_eq!(ledger.decided_slots("shop", slot, day.1).await.unwrap(), [slot]);
        assert_eq!(ledger.decided_slots("shop", Timestamp::MIN, Timestamp::MAX).await.unwrap(), [slot]);
        assert_eq!(ledger.decided_slots("shop", day.0, slot).await.unwrap(), []);
        assert_eq!(ledger.decided_slots("shop", day.1, Timestamp::MAX).await.unwrap(), []);
        assert!(
            ledger.objects.head(&Path::from("_sys/slots/shop/20261101T010000Z/00000000.json")).await.is_ok()
        );
    }

    #[tokio::test]
    async fn a_decision_that_is_torn_is_made_again_once() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let (slot, torn) = (at("2026-11-01T01:00:00Z"), "_sys/slots/shop/20261101T010000Z/00000000.json");
        let entry = |run: &str| SlotEntry {
            decision: SlotDecision::Run { run_id: run.into(), late: false },
            at: slot,
            schedule: 1,
            backfill: None,
        };
        ledger.objects.put(&Path::from(torn), "".into()).await.unwrap();
        assert_eq!(ledger.decision("shop", slot).await.unwrap(), None);
        let first = ledger.decide("shop", slot, entry("r2")).await.unwrap();
        assert_eq!(first, entry("r2").decision);
        assert_eq!(ledger.decide("shop", slot, entry("r3")).await.unwrap(), first);
        assert_eq!(ledger.decision("shop", slot).await.unwrap(), Some(first));
        assert_eq!(ledger.slot("shop", slot).await.unwrap(), [entry("r2")]);
    }

    #[tokio::test]
    async fn a_torn_decision_whose_run_was_begun_is_that_run() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let (slot, torn) = (at("2026-11-01T01:00:00Z"), "_sys/slots/shop/20261101T010000Z/00000000.json");
        let run_id = format!("{:012x}00000000000000000000", slot.as_millisecond() + 5);
        let started = crate::ledger::Started {
            run_id: run_id.clone(),
            pipeline: "shop".into(),
            slot: Some(slot),
            as_of: slot,
            full: false,
            restatement: 0,
            definitions: "abc".into(),
            steps: vec![],
            at: slot,
        };
        ledger.start(started).await.unwrap();
        ledger.objects.put(&Path::from(torn), "{\"nonce\":\"".into()).await.unwrap();
        let missed = SlotDecision::Missed { reason: "catchup: none".into() };
        let entry = SlotEntry { decision: missed, at: slot, schedule: 1, backfill: None };
        let decided = ledger.decide("shop", slot, entry).await.unwrap();
        assert_eq!(decided, SlotDecision::Run { run_id, late: true });
    }
}
