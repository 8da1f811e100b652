//! Retention: removes old logs of runs, snapshots of definitions without a run, leases and backfills.
//!
//! Decisions about slots stay, and so do the logs of schedules and arrivals: a slot without its entry would
//! be run once more.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use crate::backfill::Backfill;
use crate::backfill::{BACKFILLS, CONCURRENCY};
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::ledger::definition_snapshot::DEFINITIONS;
use crate::ledger::event::RunStatus;
use crate::ledger::lease::LEASES;
use crate::ledger::record::RunRecord;
use crate::ledger::watermark::read_watermark;
use crate::ledger::{failed, log_path};

/// How long what belongs to a run stays without one: it may be about to start.
const DAY_MILLIS: i64 = 86_400_000;

/// The numbers of removed objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Runs.
    pub runs: u64,
    /// Definitions.
    pub definitions: u64,
    /// Leases of runs that no process works on.
    pub leases: u64,
    /// Backfills.
    pub backfills: u64,
}

impl Ledger {
    /// Forgets runs that ended before an instant, but for the last of each pipeline, definitions that no run
    /// that is left was started with, leases that were not written for a day unless their runs are active,
    /// and finished backfills before the instant. A run that is not over stays, however old it is, and so
    /// does one of a backfill that is not over, or of a slot that a scheduler looks at again when it starts:
    /// without its log, the slot would be run once more. `runs` are all that can be read, from
    /// [`Ledger::list`].
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails; the rest is removed the next time.
    pub async fn expire(
        &self,
        runs: &[RunRecord],
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Expired, RunError> {
        let records: HashMap<&str, &RunRecord> = runs.iter().map(|run| (run.run_id.as_str(), run)).collect();
        let ids = self.run_ids().await?;
        // Before the runs, by which they are known to be over.
        let (backfills, of_backfills) = self.expire_backfills(before).await?;
        let mut expired = Expired { backfills, ..Expired::default() };
        expired.leases = self.expire_leases(&records, now).await?;
        let mut last: BTreeMap<&str, (Timestamp, &str)> = BTreeMap::new();
        for record in runs {
            let newest = last.entry(&record.pipeline).or_insert((record.started_at, &record.run_id));
            *newest = (*newest).max((record.started_at, &record.run_id));
        }
        let mut watermark: HashMap<&str, Option<Timestamp>> = HashMap::new();
        for pipeline in last.keys() {
            watermark.insert(pipeline, read_watermark(self, pipeline).await?.map(|watermark| watermark.slot));
        }
        let mut needed = BTreeSet::new();
        let mut is_all_known = true;
        for id in &ids {
            let is_old = match records.get(id.as_str()) {
                Some(record) => {
                    let is_last = last.get(record.pipeline.as_str()).is_some_and(|(_, newest)| newest == id);
                    let is_over = record.status != RunStatus::Running
                        && record.ended_at.is_some_and(|ended| ended < before);
                    let watermark = watermark.get(record.pipeline.as_str()).copied().flatten();
                    let is_settled =
                        record.slot.is_none_or(|slot| watermark.is_some_and(|watermark| slot < watermark));
                    let is_kept = is_last || !is_over || !is_settled || of_backfills.contains(id);
                    needed.extend(is_kept.then_some(record.definitions.as_str()));
                    !is_kept
                }
                // Damaged, or begun since: for `doctor`, unless it is what an earlier attempt left.
                None => {
                    let events = self.log_objects(id).await?;
                    if events.is_empty() {
                        // On a local disk, the folder remains.
                        continue;
                    }
                    let is_left_over = is_left_over(&events, before);
                    is_all_known &= is_left_over;
                    is_left_over
                }
            };
            if is_old {
                self.forget(id).await?;
                expired.runs += 1;
            }
        }
        if is_all_known {
            expired.definitions = self.expire_definitions(&needed, now).await?;
        }
        Ok(expired)
    }

    /// The first event goes first: a log without it is no run, where one without its last would be a run that
    /// is not over.
    async fn forget(&self, id: &str) -> Result<(), RunError> {
        let mut events = self.log_objects(id).await?;
        events.sort_by(|a, b| a.location.cmp(&b.location));
        for event in events {
            self.remove(&event.location).await?;
        }
        Ok(())
    }

    async fn log_objects(&self, id: &str) -> Result<Vec<ObjectMeta>, RunError> {
        let path = log_path(id);
        self.objects.list(Some(&path)).try_collect().await.map_err(|error| failed(&path, error))
    }

    async fn expire_definitions(&self, needed: &BTreeSet<&str>, now: Timestamp) -> Result<u64, RunError> {
        let root = Path::from(DEFINITIONS);
        let pinned =
            self.objects.list(Some(&root)).try_collect::<Vec<_>>().await.map_err(|e| failed(&root, e))?;
        let mut expired = 0;
        for object in pinned {
            let hash = object.location.filename().and_then(|name| name.strip_suffix(".json"));
            let is_old = object.last_modified.timestamp_millis() < now.as_millisecond() - DAY_MILLIS;
            if is_old && hash.is_some_and(|hash| !needed.contains(hash)) {
                self.remove(&object.location).await?;
                expired += 1;
            }
        }
        Ok(expired)
    }

    /// Removes leases of runs that ended, or are unknown.
    async fn expire_leases(&self, runs: &HashMap<&str, &RunRecord>, now: Timestamp) -> Result<u64, RunError> {
        let root = Path::from(LEASES);
        let leases =
            self.objects.list(Some(&root)).try_collect::<Vec<_>>().await.map_err(|e| failed(&root, e))?;
        let mut expired = 0;
        for lease in leases {
            let run = lease.location.filename().and_then(|name| runs.get(name.strip_suffix(".json")?));
            let is_at_work = run.is_some_and(|run| run.status == RunStatus::Running);
            if !is_at_work && lease.last_modified.timestamp_millis() < now.as_millisecond() - DAY_MILLIS {
                self.remove(&lease.location).await?;
                expired += 1;
            }
        }
        Ok(expired)
    }

    /// Removes finished backfills that were requested before an instant. The decisions about slots stay.
    /// Returns how many these are, and the runs of the unfinished ones, which a process that continues one
    /// has to read.
    async fn expire_backfills(&self, before: Timestamp) -> Result<(u64, BTreeSet<String>), RunError> {
        let root = Path::from(BACKFILLS);
        let listed =
            self.objects.list(Some(&root)).try_collect::<Vec<_>>().await.map_err(|e| failed(&root, e))?;
        let (mut expired, mut needed) = (0, BTreeSet::new());
        for object in listed {
            let Some(id) = object.location.prefix_match(&root).and_then(|mut parts| parts.next()) else {
                continue;
            };
            let backfill = match self.backfill(id.as_ref()).await {
                Ok(backfill) => backfill,
                // Damaged: for `doctor`.
                Err(RunError::Damaged { .. } | RunError::Unknown { .. }) => continue,
                Err(error) => return Err(error),
            };
            if backfill.at >= before {
                continue;
            }
            let (is_over, runs) = self.standing(&backfill).await?;
            if is_over {
                self.remove(&object.location).await?;
                expired += 1;
            } else {
                needed.extend(runs);
            }
        }
        Ok((expired, needed))
    }

    /// Whether each slot of a backfill was claimed by it and no run of it is to be resumed, and its runs.
    async fn standing(&self, backfill: &Backfill) -> Result<(bool, Vec<String>), RunError> {
        let slots = backfill.slots.iter().map(|slot| self.standing_of(backfill, *slot)).collect::<Vec<_>>();
        let slots: Vec<(bool, Option<String>)> =
            stream::iter(slots).buffered(CONCURRENCY).try_collect().await?;
        Ok((
            slots.iter().all(|(is_over, _)| *is_over),
            slots.into_iter().filter_map(|(_, run_id)| run_id).collect(),
        ))
    }

    /// The same of one of its slots.
    async fn standing_of(
        &self,
        backfill: &Backfill,
        slot: Timestamp,
    ) -> Result<(bool, Option<String>), RunError> {
        let entries = self.slot_entries(&backfill.pipeline, slot).await?;
        let Some((_, run_id)) = backfill.entry_of(&entries) else { return Ok((false, None)) };
        let is_over = match self.read(run_id).await {
            Ok(run) => run.status != RunStatus::Running,
            // One without a log was removed: no process begins it after so long.
            Err(RunError::Unknown { .. } | RunError::Damaged { .. }) => true,
            Err(error) => return Err(error),
        };
        Ok((is_over, Some(run_id.to_owned())))
    }

    async fn remove(&self, path: &Path) -> Result<(), RunError> {
        match self.objects.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(path, error)),
        }
    }
}

/// Whether a log is the rest of one that was forgotten: without its first event, and old.
fn is_left_over(events: &[ObjectMeta], before: Timestamp) -> bool {
    let begins = events.iter().any(|event| event.location.filename() == Some("00000000.json"));
    !begins && events.iter().all(|event| event.last_modified.timestamp_millis() < before.as_millisecond())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use tranche_project::Project;
    use tranche_store::objects::write_document;

    use super::*;
    use crate::backfill::{BackfillMode, BackfillOrder};
    use crate::ledger::event::{Event, Started};
    use crate::ledger::slot::{SlotDecision, SlotEntry};

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + day * 86_400).unwrap()
    }

    async fn run(ledger: &Ledger, id: &str, pipeline: &str, day: i64, ends: bool) -> String {
        run_of(ledger, id, pipeline, day, None, ends).await
    }

    async fn run_of(
        ledger: &Ledger,
        id: &str,
        pipeline: &str,
        day: i64,
        slot: Option<Timestamp>,
        ends: bool,
    ) -> String {
        let text = format!("version: 1\n# {id}\n");
        let definitions = ledger.pin(&Project::from_files([("tranche.yaml", text)])).await.unwrap();
        let started = Started {
            run_id: id.into(),
            pipeline: pipeline.into(),
            slot,
            as_of: at(day),
            full: false,
            restatement: 0,
            definitions: definitions.clone(),
            steps: vec!["load".into()],
            at: at(day),
        };
        let mut log = ledger.start(started).await.unwrap();
        if ends {
            log.append(Event::Ended { status: RunStatus::Failed, message: None, at: at(day) }).await.unwrap();
        }
        definitions
    }

    async fn expire(ledger: &Ledger, before: Timestamp, now: Timestamp) -> Expired {
        ledger.expire(&ledger.list().await.unwrap(), before, now).await.unwrap()
    }

    #[tokio::test]
    async fn old_runs_go_but_for_the_last_of_a_pipeline_and_those_that_are_not_over() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let gone = run(&ledger, "r1", "shop", 1, true).await;
        let open = run(&ledger, "r2", "shop", 2, false).await;
        run(&ledger, "r3", "shop", 3, true).await;
        run(&ledger, "r4", "other", 1, true).await;
        // The objects are of today: only definitions that no run pinned for a day go.
        let now = Timestamp::now();
        assert_eq!(expire(&ledger, at(9), now).await, Expired { runs: 1, ..Expired::default() });
        assert_eq!(ledger.run_ids().await.unwrap(), ["r4", "r3", "r2"]);
        let tomorrow = now + jiff::SignedDuration::from_hours(25);
        assert_eq!(expire(&ledger, at(9), tomorrow).await, Expired { definitions: 1, ..Expired::default() });
        assert!(ledger.definitions(&gone).await.is_err());
        ledger.definitions(&open).await.unwrap();
        assert_eq!(ledger.check_integrity(now).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_run_of_a_slot_that_is_not_settled_stays() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        for (id, slot) in [("r1", 1), ("r2", 2), ("r3", 3)] {
            run_of(&ledger, id, "shop", slot, Some(at(slot)), true).await;
        }
        let now = Timestamp::now();
        assert_eq!(expire(&ledger, at(9), now).await.runs, 0);
        let watermark = format!("{{\"slot\":\"{}\"}}", at(2));
        let settled = Path::from("_sys/settled/shop.json");
        write_document(&*ledger.objects, &settled, &watermark).await.unwrap();
        assert_eq!(expire(&ledger, at(9), now).await.runs, 1);
        assert_eq!(ledger.run_ids().await.unwrap(), ["r3", "r2"]);
    }

    #[tokio::test]
    async fn leases_stay_while_their_run_may_be_active() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        run(&ledger, "r1", "shop", 1, true).await;
        run(&ledger, "r2", "shop", 2, false).await;
        for id in ["r1", "r2", "r9"] {
            ledger.release(id).await.unwrap();
        }
        let now = Timestamp::now();
        assert_eq!(expire(&ledger, at(0), now).await.leases, 0, "they are of today");
        assert_eq!(expire(&ledger, at(0), now + jiff::SignedDuration::from_hours(25)).await.leases, 2);
        assert!(ledger.lease("r2").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_backfill_goes_when_it_is_old_and_over_and_its_slots_stay() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let slots = vec![at(1), at(2)];
        let (mode, order) = (BackfillMode::All, BackfillOrder::Oldest);
        let (id, pipeline) = ("b1".to_owned(), "shop".to_owned());
        let backfill =
            Backfill { id, pipeline, from: at(1), to: at(3), mode, order, concurrency: 1, slots, at: at(4) };
        ledger.begin_backfill(&backfill).await.unwrap();
        let claim = async |slot: i64, run_id: &str| {
            let decision = SlotDecision::Run { run_id: run_id.into(), late: true };
            let entry = SlotEntry { decision, at: at(4), schedule: 0, backfill: Some("b1".into()) };
            ledger.decide("shop", at(slot), entry).await.unwrap();
        };
        let now = Timestamp::now();
        run_of(&ledger, "r1", "shop", 4, Some(at(1)), true).await;
        claim(1, "r1").await;
        let watermark = format!("{{\"slot\":\"{}\"}}", at(3));
        let settled = Path::from("_sys/settled/shop.json");
        write_document(&*ledger.objects, &settled, &watermark).await.unwrap();
        run(&ledger, "r3", "shop", 5, true).await;
        // A process that continues the backfill learns from the run of the first slot that it is done.
        assert_eq!(expire(&ledger, at(9), now).await, Expired::default(), "the second slot was not started");
        run_of(&ledger, "r2", "shop", 4, Some(at(2)), false).await;
        claim(2, "r2").await;
        assert_eq!(expire(&ledger, at(9), now).await.backfills, 0, "a run is not over");
        let open = ledger.read("r2").await.unwrap();
        ledger.end(open, "cancelled", at(4)).await.unwrap();
        assert_eq!(expire(&ledger, at(4), now).await.backfills, 0, "it is not that old");
        let expired = expire(&ledger, at(9), now).await;
        assert_eq!((expired.backfills, expired.runs), (1, 2));
        assert!(ledger.backfills().await.unwrap().is_empty());
        assert_eq!(ledger.decided_slots("shop", at(0), at(9)).await.unwrap(), [at(1), at(2)]);
    }

    #[tokio::test]
    async fn a_run_that_was_removed_in_part_is_removed() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        run(&ledger, "r1", "shop", 1, true).await;
        run(&ledger, "r2", "shop", 2, true).await;
        ledger.objects.delete(&Path::from("_sys/runs/r1/00000000.json")).await.unwrap();
        let now = Timestamp::now();
        assert_eq!(expire(&ledger, at(9), now).await.runs, 0, "it is of today");
        let later = now + jiff::SignedDuration::from_hours(1);
        assert_eq!(expire(&ledger, later, now).await.runs, 1);
        assert_eq!(ledger.run_ids().await.unwrap(), ["r2"]);
    }
}
