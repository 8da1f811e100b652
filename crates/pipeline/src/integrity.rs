//! Integrity of the ledger: every log readable without gaps, every unfinished run owned by a process, and the
//! definitions of each run still there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tranche_store::integrity::Finding;

use crate::backfill::BACKFILLS;
use crate::backfill::Backfill;
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::ledger::append_log::{AppendLog, Entry};
use crate::ledger::event::{Event, RunStatus};
use crate::ledger::lease::LEASES;
use crate::ledger::record::RunRecord;
use crate::ledger::slot::{SlotDecision, SlotEntry};
use crate::ledger::watermark::read_watermark;
use crate::ledger::{CONCURRENCY, events_of, failed, log_path};
use crate::schedule::log::SCHEDULES;
use crate::schedule::log::ScheduleEvent;
use crate::schedule::source_files::Arrival;

/// An unfinished run without a heartbeat for so long has no process that works on it.
const OWNERLESS_AFTER: Duration = Duration::from_secs(6 * 3_600);

const ARRIVALS: &str = tranche_store::layout::system::ARRIVALS.path;

impl Ledger {
    /// Findings in the logs of runs. `now` is an instant of the storage's own clock.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails otherwise than by missing objects.
    pub async fn check_integrity(&self, now: Timestamp) -> Result<Vec<Finding>, RunError> {
        let mut ids = self.run_ids().await?;
        ids.sort_unstable();
        let checked: Vec<_> = ids.iter().map(|id| self.check_run(id, now).boxed()).collect();
        let checked: Vec<(Vec<Finding>, Option<RunRecord>)> =
            stream::iter(checked).buffered(CONCURRENCY).try_collect().await?;
        let mut findings = Vec::new();
        let mut pinned = BTreeSet::new();
        for (found, record) in checked {
            findings.extend(found);
            pinned.extend(record.map(|record| record.definitions));
        }
        let definitions: Vec<_> =
            pinned.into_iter().map(|hash| self.check_definitions(hash).boxed()).collect();
        let damaged: Vec<Option<Finding>> =
            stream::iter(definitions).buffered(CONCURRENCY).try_collect().await?;
        findings.extend(damaged.into_iter().flatten());
        Ok(findings)
    }

    /// Findings in the slots of a pipeline above its watermark: an entry that cannot be read, a run
    /// that no process began.
    ///
    /// # Errors
    /// As [`Ledger::check_integrity`].
    pub async fn check_slots(&self, pipeline: &str, now: Timestamp) -> Result<Vec<Finding>, RunError> {
        let since = read_watermark(self, pipeline).await?.map_or(Timestamp::MIN, |watermark| watermark.slot);
        let mut findings = Vec::new();
        for slot in self.decided_slots(pipeline, since, Timestamp::MAX).await? {
            let entries = match self.slot_entries(pipeline, slot).await {
                Ok(entries) => entries,
                Err(RunError::Damaged { path, reason }) => {
                    let advice = "restore it from the bucket's versions: without it the decision about the slot is lost";
                    findings.push(Finding::new(format!("`{path}` is damaged: {reason}"), advice));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let is_decided = entries.iter().any(|entry| matches!(entry, Entry::Written(_)));
            findings.extend(entries.iter().filter_map(|entry| torn_decision(entry, is_decided)));
            let Some(Entry::Written(SlotEntry {
                decision: SlotDecision::Run { run_id, .. },
                at,
                backfill,
                ..
            })) = entries.last()
            else {
                continue;
            };
            if is_silent(at.as_millisecond(), now)
                && matches!(self.read(run_id).await, Err(RunError::Unknown { .. }))
            {
                let problem = format!(
                    "slot {slot} of `{pipeline}` is to be run by `{run_id}`, which no process has begun"
                );
                let advice = match backfill {
                    Some(id) => {
                        format!("continue its backfill, which begins it: `tranche backfill --resume {id}`")
                    }
                    None => "start a scheduler, which begins it: `tranche schedule`".to_owned(),
                };
                findings.push(Finding::new(problem, advice));
            }
        }
        Ok(findings)
    }

    /// Findings in the logs of schedules and of arrived files: an entry that is missing or cannot be
    /// read.
    ///
    /// # Errors
    /// As [`Ledger::check_integrity`].
    pub async fn check_schedules(&self) -> Result<Vec<Finding>, RunError> {
        let advice = |_: &Path| {
            "restore it from the bucket's versions: without it the pipeline's slots are unknown".to_owned()
        };
        let mut findings = self.check_logs::<ScheduleEvent>(SCHEDULES, advice).await?;
        findings.extend(self.check_logs::<Arrival>(ARRIVALS, advice).await?);
        Ok(findings)
    }

    /// Findings in the definitions of backfills.
    ///
    /// # Errors
    /// As [`Ledger::check_integrity`].
    pub async fn check_backfills(&self) -> Result<Vec<Finding>, RunError> {
        let advice = |log: &Path| {
            format!("restore it from the bucket's versions, or remove `{log}/` to forget the backfill")
        };
        self.check_logs::<Backfill>(BACKFILLS, advice).await
    }

    /// Findings in the logs in the folders of a folder.
    async fn check_logs<T: Serialize + DeserializeOwned>(
        &self,
        root: &str,
        advice: impl Fn(&Path) -> String,
    ) -> Result<Vec<Finding>, RunError> {
        let root = Path::from(root);
        let listed =
            self.objects.list(Some(&root)).try_collect::<Vec<_>>().await.map_err(|e| failed(&root, e))?;
        let mut logs: BTreeMap<Path, BTreeSet<u64>> = BTreeMap::new();
        for object in listed.iter().filter(|object| is_event(&object.location)) {
            let log = object.location.prefix_match(&root).and_then(|mut parts| parts.next());
            if let (Some(log), Some(sequence)) = (log, sequence(&object.location)) {
                logs.entry(root.clone().join(log)).or_default().insert(sequence);
            }
        }
        let mut findings = Vec::new();
        for (log, sequences) in logs {
            let problems = match missing(&sequences) {
                Some(number) => vec![format!("the log `{log}` lacks entry {number}")],
                None => match AppendLog::<T>::new(self.objects.as_ref(), log.clone()).read(0).await {
                    Ok(entries) => entries.iter().filter_map(torn).collect(),
                    Err(RunError::Damaged { path, reason }) => vec![format!("`{path}` is damaged: {reason}")],
                    Err(error) => return Err(error),
                },
            };
            findings.extend(problems.into_iter().map(|problem| Finding::new(problem, advice(&log))));
        }
        Ok(findings)
    }

    async fn check_run(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<(Vec<Finding>, Option<RunRecord>), RunError> {
        let path = log_path(id);
        let listed =
            self.objects.list(Some(&path)).try_collect::<Vec<_>>().await.map_err(|e| failed(&path, e))?;
        let events: Vec<&ObjectMeta> = listed.iter().filter(|object| is_event(&object.location)).collect();
        if events.is_empty() {
            // On a local disk, the folder of a removed run remains.
            return Ok((Vec::new(), None));
        }
        let damaged = |problem: String| {
            let advice =
                format!("restore it from the bucket's versions, or remove `{path}/` to forget the run");
            Ok((vec![Finding::new(problem, advice)], None))
        };
        let sequences: BTreeSet<u64> =
            events.iter().filter_map(|object| sequence(&object.location)).collect();
        if let Some(number) = missing(&sequences) {
            return damaged(format!("the log `{path}` lacks event {number}"));
        }
        let entries = match events_of(self.objects.as_ref(), id).read(0).await {
            Ok(entries) => entries,
            Err(RunError::Damaged { path, reason }) => {
                return damaged(format!("`{path}` is damaged: {reason}"));
            }
            Err(error) => return Err(error),
        };
        let mut findings: Vec<Finding> =
            entries.iter().filter_map(torn).map(|problem| Finding::new(problem, TORN_EVENT)).collect();
        let events_read = self.events(id).await?;
        let Some(record) = RunRecord::from_events(&events_read) else {
            if !findings.is_empty() {
                return Ok((findings, None));
            }
            return damaged(format!("the log `{path}` does not begin with the start of a run"));
        };
        let mut starts =
            events_read.iter().enumerate().filter(|(_, event)| matches!(event, Event::Started(_)));
        if let Some((at, _)) = starts.nth(1) {
            return damaged(format!("the log `{path}` begins again at event {at}"));
        }
        let heard = events.iter().map(|object| object.last_modified.timestamp_millis()).max();
        if let Some(heard) = heard
            && record.status == RunStatus::Running
        {
            findings.extend(self.check_owner(&record, heard, now).await?);
        }
        Ok((findings, Some(record)))
    }

    async fn check_owner(
        &self,
        run: &RunRecord,
        heard_millis: i64,
        now: Timestamp,
    ) -> Result<Option<Finding>, RunError> {
        let lease = Path::from(LEASES).join(format!("{}.json", run.run_id));
        let leased = match self.objects.head(&lease).await {
            Ok(found) => found.last_modified.timestamp_millis(),
            Err(object_store::Error::NotFound { .. }) => heard_millis,
            Err(error) => return Err(failed(&lease, error)),
        };
        let heard_millis = heard_millis.max(leased);
        if !is_silent(heard_millis, now) {
            return Ok(None);
        }
        let hours = now.as_millisecond().saturating_sub(heard_millis) / 3_600_000;
        let problem = format!(
            "run `{}` of `{}` has not ended, and its last heartbeat is {hours} hours old",
            run.run_id, run.pipeline
        );
        Ok(Some(Finding::new(problem, format!("resume it: `tranche resume {}`", run.run_id))))
    }

    async fn check_definitions(&self, hash: String) -> Result<Option<Finding>, RunError> {
        let advice = "restore it from the bucket's versions; without it such a run cannot be resumed";
        match self.definitions(&hash).await {
            Ok(_) => Ok(None),
            Err(RunError::MissingDefinitions { hash }) => {
                let problem = format!(
                    "the definitions `_sys/definitions/{hash}.json` that runs were started with are gone"
                );
                Ok(Some(Finding::new(problem, advice)))
            }
            Err(RunError::Damaged { path, reason }) => {
                Ok(Some(Finding::new(format!("`{path}` is damaged: {reason}"), advice)))
            }
            Err(error) => Err(error),
        }
    }
}

/// What is to be done about an event that nobody can read.
const TORN_EVENT: &str = "nothing needs to be done: the run goes on without it (`tranche resume` repeats a step whose end was \
                          lost, and commits it once); restored from the bucket's versions, it is shown again";

/// The problem of an entry that cannot be read.
fn torn<T>(entry: &Entry<T>) -> Option<String> {
    match entry {
        Entry::Written(_) => None,
        Entry::Torn { path, reason } => Some(format!("`{path}` is damaged: {reason}")),
    }
}

fn torn_decision(entry: &Entry<SlotEntry>, is_decided: bool) -> Option<Finding> {
    let advice = match is_decided {
        true => "nothing needs to be done: the slot was decided again, and its run commits once",
        false => "start a scheduler, which decides about the slot again: `tranche schedule`",
    };
    torn(entry).map(|problem| Finding::new(problem, advice))
}

/// The first number that a log lacks.
fn missing(sequences: &BTreeSet<u64>) -> Option<u64> {
    (0..=sequences.last().copied().unwrap_or_default()).find(|number| !sequences.contains(number))
}

fn is_silent(heard_millis: i64, now: Timestamp) -> bool {
    let limit = i64::try_from(OWNERLESS_AFTER.as_millis()).unwrap_or(i64::MAX);
    now.as_millisecond().saturating_sub(heard_millis) > limit
}

/// Other objects may lie beside the events, such as a writer's temporary files.
fn is_event(path: &Path) -> bool {
    let stem = path.filename().and_then(|name| name.strip_suffix(".json"));
    stem.is_some_and(|stem| stem.len() >= 8 && stem.chars().all(|c| c.is_ascii_digit()))
}

fn sequence(path: &Path) -> Option<u64> {
    path.filename()?.strip_suffix(".json")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::PutPayload;
    use object_store::memory::InMemory;
    use tranche_project::Project;

    use super::*;
    use crate::ledger::event::Started;

    async fn ledger() -> Ledger {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let definitions = ledger.pin(&Project::from_files([("tranche.yaml", "version: 1\n")])).await.unwrap();
        for run in ["r1", "r2"] {
            let at = Timestamp::UNIX_EPOCH;
            let started = Started {
                run_id: run.into(),
                pipeline: "shop".into(),
                slot: None,
                as_of: at,
                full: false,
                restatement: 0,
                definitions: definitions.clone(),
                steps: vec!["load".into()],
                at,
            };
            let mut log = ledger.start(started).await.unwrap();
            log.append(Event::StepStarted { step: "load".into(), attempt: 1, at }).await.unwrap();
            log.append(Event::Ended { status: RunStatus::Failed, message: None, at }).await.unwrap();
        }
        ledger
    }

    async fn check(ledger: &Ledger, now: Timestamp, expected: &[&str]) {
        let findings = ledger.check_integrity(now).await.unwrap();
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, part) in findings.iter().zip(expected) {
            assert!(finding.to_string().contains(part), "{finding}");
        }
    }

    fn event(run: &str, sequence: u64) -> Path {
        Path::from(format!("_sys/runs/{run}/{sequence:08}.json"))
    }

    #[tokio::test]
    async fn a_gap_a_damaged_event_and_definitions_that_are_gone_are_named() {
        let (ledger, now) = (ledger().await, Timestamp::now());
        check(&ledger, now, &[]).await;
        ledger.objects.delete(&event("r1", 1)).await.unwrap();
        check(&ledger, now, &["`_sys/runs/r1` lacks event 1"]).await;
        ledger.objects.put(&event("r2", 2), PutPayload::from("{\"nonce\":")).await.unwrap();
        check(&ledger, now, &["lacks event 1", "_sys/runs/r2/00000002.json"]).await;

        let ledger = self::ledger().await;
        let pinned =
            ledger.objects.list(Some(&Path::from("_sys/definitions"))).try_collect::<Vec<_>>().await.unwrap();
        ledger.objects.put(&pinned[0].location, PutPayload::from("{}")).await.unwrap();
        check(&ledger, now, &["does not have the hash of its name"]).await;
        ledger.objects.delete(&pinned[0].location).await.unwrap();
        check(&ledger, now, &["are gone"]).await;
    }

    #[tokio::test]
    async fn a_slot_whose_run_was_not_started_is_named() {
        let (ledger, now) = (ledger().await, Timestamp::now());
        let slots =
            [("r1", 1), ("r9", 2)].map(|(run, second)| (run, Timestamp::from_second(second).unwrap()));
        for (run_id, slot) in slots {
            let entry = SlotEntry {
                decision: SlotDecision::Run { run_id: run_id.into(), late: false },
                at: now,
                schedule: 1,
                backfill: None,
            };
            ledger.decide("shop", slot, entry).await.unwrap();
        }
        assert_eq!(ledger.check_slots("shop", now).await.unwrap(), []);
        let findings = ledger.check_slots("shop", now + Duration::from_secs(7 * 3_600)).await.unwrap();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].problem.contains("`r9`, which no process has begun"), "{findings:?}");
        assert!(findings[0].advice.contains("`tranche schedule`"), "{findings:?}");
        let decision = SlotDecision::Run { run_id: "r10".into(), late: true };
        let again = SlotEntry { decision, at: now, schedule: 0, backfill: Some("b1".into()) };
        assert!(ledger.restate("shop", slots[1].1, 1, &again).await.unwrap());
        let findings = ledger.check_slots("shop", now + Duration::from_secs(7 * 3_600)).await.unwrap();
        assert!(findings[0].advice.contains("`tranche backfill --resume b1`"), "{findings:?}");
    }

    #[tokio::test]
    async fn missing_entries_of_schedules_and_backfills_are_named() {
        let ledger = ledger().await;
        let pause = |sequence: u64| Path::from(format!("_sys/schedules/shop/{sequence:08}.json"));
        let mut history = crate::schedule::log::ScheduleLog::default();
        for at in [1, 2] {
            let at = Timestamp::from_second(at).unwrap();
            let paused = |history: &crate::schedule::log::ScheduleLog| {
                (history.events().last().is_none_or(|last| last.at() < at))
                    .then_some(ScheduleEvent::Paused { at })
            };
            assert!(ledger.amend_schedule_log("shop", &mut history, paused).await.unwrap());
        }
        assert_eq!(ledger.check_schedules().await.unwrap(), []);
        assert_eq!(ledger.check_backfills().await.unwrap(), []);
        ledger.objects.delete(&pause(0)).await.unwrap();
        let findings = ledger.check_schedules().await.unwrap();
        assert!(findings[0].problem.contains("`_sys/schedules/shop` lacks entry 0"), "{findings:?}");
        for damaged in ["_sys/arrivals/shop/00000000.json", "_sys/backfills/b1/00000000.json"] {
            ledger.objects.put(&Path::from(damaged), PutPayload::from("{\"nonce\":")).await.unwrap();
        }
        assert_eq!(ledger.check_schedules().await.unwrap().len(), 2);
        let findings = ledger.check_backfills().await.unwrap();
        assert!(findings[0].advice.contains("remove `_sys/backfills/b1/`"), "{findings:?}");
    }

    #[tokio::test]
    async fn a_run_without_an_owner_is_one_of_which_nothing_was_heard() {
        let (ledger, now) = (ledger().await, Timestamp::now());
        ledger.objects.delete(&event("r1", 2)).await.unwrap();
        check(&ledger, now, &[]).await;
        let later = now + Duration::from_secs(7 * 3_600);
        check(&ledger, later, &["`tranche resume r1`"]).await;
        ledger.objects.delete(&event("r2", 2)).await.unwrap();
        check(&ledger, later, &["resume r1", "resume r2"]).await;
    }
}
