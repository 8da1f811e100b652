//! The ledger of runs: one append-only log per run, `_sys/runs/<run_id>/<sequence>.json`.
//!
//! Every event is an object that is created once. The process that creates the next sequence number owns the
//! run; one that finds it taken has lost the run to another and stops. So two processes can never both
//! continue a run, whatever their clocks say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::path::Path;
use tranche_store::StoreError;

use crate::error::RunError;
use append_log::{Append, AppendLog, Entry};

pub(crate) mod append_log;
pub(crate) mod definition_snapshot;
pub(crate) mod event;
pub(crate) mod lease;
pub(crate) mod record;
mod report;
pub(crate) mod slot;
pub(crate) mod watermark;

pub use event::{Event, FailureClass, RunStatus, Started, StepStatus};
pub use lease::{Lease, LeaseWatch, Liveness};
pub use record::{FailedAttempt, RunRecord, StepRecord};
pub use report::{RunReport, RunSummary};
pub use slot::{SlotDecision, SlotEntry};

const RUNS: &str = tranche_store::layout::system::RUNS.path;

/// Runs that are read at the same time.
pub(crate) const CONCURRENCY: usize = 16;

/// The runs of a lake.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) lease: Duration,
    /// A name for this process, in the leases of its runs.
    pub(crate) owner: Arc<str>,
}

/// How long the owner of a run may be silent, unless something else is said.
const LEASE: Duration = Duration::from_secs(60);

/// The log of a run that this process owns until another creates its next event.
#[derive(Debug)]
pub struct RunLog {
    objects: Arc<dyn ObjectStore>,
    record: RunRecord,
}

impl Ledger {
    /// The ledger among a lake's plain objects.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, lease: LEASE, owner: uuid::Uuid::now_v7().simple().to_string().into() }
    }

    /// Begins the log of a new run. Where its start cannot be read any more, nobody knows what the run was to do, and
    /// it begins again behind what is there: its steps' commits are made once all the same.
    ///
    /// # Errors
    /// [`RunError::Taken`] when a run of this id exists, [`RunError::Store`] when the storage fails.
    pub async fn start(&self, started: Started) -> Result<RunLog, RunError> {
        let record = RunRecord::begin(&started);
        let mut log = RunLog { objects: Arc::clone(&self.objects), record };
        let event = Event::Started(started);
        let mut sequence = 0;
        while log.create(sequence, &event).await?.is_none() {
            let events = self.events(&log.record.run_id).await?;
            if events.iter().any(|event| matches!(event, Event::Started(_))) {
                return Err(RunError::Taken { run_id: log.record.run_id, sequence });
            }
            sequence = events.len() as u64;
        }
        log.record.events = sequence + 1;
        Ok(log)
    }

    /// Takes over a run that has not come to its end. `record` is how it stood when it was last read.
    ///
    /// # Errors
    /// [`RunError::Finished`] when nothing is left to do, [`RunError::Taken`] when its log has grown since it
    /// was read.
    pub async fn resume(&self, record: RunRecord, at: Timestamp) -> Result<RunLog, RunError> {
        if !record.is_resumable() {
            return Err(RunError::Finished { run_id: record.run_id, status: record.status });
        }
        let mut log = RunLog { objects: Arc::clone(&self.objects), record };
        log.append(Event::Resumed { at }).await?;
        Ok(log)
    }

    /// Takes over a run to end it as failed. `record` is how it stood when it was last read.
    ///
    /// # Errors
    /// As [`Ledger::resume`].
    pub async fn end(&self, record: RunRecord, message: &str, at: Timestamp) -> Result<(), RunError> {
        let mut log = self.resume(record, at).await?;
        log.append(Event::Ended { status: RunStatus::Failed, message: Some(message.to_owned()), at }).await
    }

    /// A run, as its log has it.
    ///
    /// # Errors
    /// [`RunError::Unknown`] when there is none of this id, [`RunError::Damaged`] when its log cannot be
    /// read.
    pub async fn read(&self, run_id: &str) -> Result<RunRecord, RunError> {
        let events = self.events(run_id).await?;
        // Without its start, a run has not begun.
        let is_torn = matches!(events.first(), Some(Event::Lost { .. }));
        if events.is_empty() || is_torn && !events.iter().any(|event| matches!(event, Event::Started(_))) {
            return Err(RunError::Unknown { run_id: run_id.to_owned() });
        }
        let record = RunRecord::from_events(&events);
        record.ok_or_else(|| {
            RunError::damaged(log_path(run_id), "the log does not begin with the start of a run")
        })
    }

    /// The events of a run, oldest first.
    ///
    /// # Errors
    /// [`RunError::Damaged`] when one is missing or cannot be read.
    pub async fn events(&self, run_id: &str) -> Result<Vec<Event>, RunError> {
        self.events_from(run_id, 0).await
    }

    /// The events of a run from this one on, oldest first.
    ///
    /// # Errors
    /// As [`Ledger::events`].
    pub async fn events_from(&self, run_id: &str, first: u64) -> Result<Vec<Event>, RunError> {
        let entries = events_of(self.objects.as_ref(), run_id).read(first).await?;
        let mut at = Timestamp::UNIX_EPOCH;
        let event = |entry: Entry<Event>| {
            let event = entry.written().unwrap_or(Event::Lost { at });
            at = event.at();
            event
        };
        Ok(entries.into_iter().map(event).collect())
    }

    /// The pipeline that a run is of; `None` when there is no such run.
    ///
    /// # Errors
    /// As [`Ledger::events`].
    pub async fn pipeline_of(&self, run_id: &str) -> Result<Option<String>, RunError> {
        let first = events_of(self.objects.as_ref(), run_id).entry(0).await?;
        Ok(match first {
            Some(Entry::Written(Event::Started(started))) => Some(started.pipeline),
            // It may have begun again behind that.
            Some(Entry::Torn { .. }) => match self.read(run_id).await {
                Ok(record) => Some(record.pipeline),
                Err(RunError::Unknown { .. }) => None,
                Err(error) => return Err(error),
            },
            _ => None,
        })
    }

    /// Reads the events that were added to a run's log since `record` was read; returns whether there were
    /// any.
    ///
    /// # Errors
    /// As [`Ledger::events`].
    pub async fn refresh(&self, record: &mut RunRecord) -> Result<bool, RunError> {
        let added = self.events_from(&record.run_id, record.events).await?;
        added.iter().for_each(|event| record.apply(event));
        Ok(!added.is_empty())
    }

    /// The ids of all runs, the newest first.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn run_ids(&self) -> Result<Vec<String>, RunError> {
        let root = Path::from(RUNS);
        let listed = self.objects.list_with_delimiter(Some(&root)).await.map_err(|e| failed(&root, e))?;
        let mut ids: Vec<String> =
            listed.common_prefixes.iter().filter_map(Path::filename).map(str::to_owned).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// The ids of the runs whose ids were made at or after an instant, the newest first. Earlier ones are not
    /// listed.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn run_ids_since(&self, since: Timestamp) -> Result<Vec<String>, RunError> {
        let root = Path::from(RUNS);
        // Ids begin with the milliseconds since 1970.
        let offset = root.clone().join(format!("{:012x}", since.as_millisecond().max(0)));
        let mut listed = self.objects.list_with_offset(Some(&root), &offset);
        let mut ids = BTreeSet::new();
        while let Some(event) = listed.try_next().await.map_err(|e| failed(&root, e))? {
            let id = event
                .location
                .prefix_match(&root)
                .and_then(|mut parts| parts.next().map(|id| id.as_ref().to_owned()));
            ids.extend(id);
        }
        Ok(ids.into_iter().rev().collect())
    }

    /// All runs, the newest first. A run whose log is damaged is skipped, with a warning.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn list(&self) -> Result<Vec<RunRecord>, RunError> {
        self.newest(usize::MAX, |_| true).await
    }

    /// The newest runs by their ids of those that are `wanted`, at most `limit`, the newest first. No more
    /// are read than needed.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn newest(
        &self,
        limit: usize,
        wanted: impl Fn(&RunRecord) -> bool + Send,
    ) -> Result<Vec<RunRecord>, RunError> {
        let ids = self.run_ids().await?;
        let mut records = Vec::new();
        let reads: Vec<_> = ids.iter().map(|id| self.read(id).boxed()).collect();
        let mut reads = stream::iter(reads).buffered(CONCURRENCY);
        while records.len() < limit
            && let Some(read) = reads.next().await
        {
            match read {
                Ok(record) if wanted(&record) => records.push(record),
                Ok(_) => {}
                Err(RunError::Damaged { path, reason }) => {
                    tracing::warn!(path, reason, "a damaged run is not listed")
                }
                // On a local disk, the folder of a removed run remains.
                Err(RunError::Unknown { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        drop(reads);
        records.sort_by(|a, b| (b.started_at, &b.run_id).cmp(&(a.started_at, &a.run_id)));
        Ok(records)
    }
}

impl RunLog {
    /// Adds an event.
    ///
    /// # Errors
    /// [`RunError::Taken`] when the run is no longer ours; nothing may be added to it then.
    pub async fn append(&mut self, event: Event) -> Result<(), RunError> {
        while self.create(self.record.events, &event).await?.is_none() {
            self.record.apply(&Event::Lost { at: event.at() });
        }
        self.record.apply(&event);
        Ok(())
    }

    /// Checks that no other process has added an event.
    ///
    /// # Errors
    /// [`RunError::Taken`] when one has, [`RunError::Store`] when the storage fails.
    pub async fn check_owned(&self) -> Result<(), RunError> {
        let (run_id, sequence) = (self.record.run_id.clone(), self.record.events);
        match events_of(self.objects.as_ref(), &run_id).entry(sequence).await? {
            None => Ok(()),
            Some(_) => Err(RunError::Taken { run_id, sequence }),
        }
    }

    /// Writes an event; `None` when its number is taken by one that cannot be read.
    async fn create(&self, sequence: u64, event: &Event) -> Result<Option<()>, RunError> {
        match events_of(self.objects.as_ref(), &self.record.run_id).append(sequence, event).await? {
            Append::Won => Ok(Some(())),
            Append::Torn => Ok(None),
            Append::Lost(_) => Err(RunError::Taken { run_id: self.record.run_id.clone(), sequence }),
        }
    }

    /// The run, as its log has it.
    #[must_use]
    pub fn record(&self) -> &RunRecord {
        &self.record
    }
}

pub(crate) fn events_of<'a>(objects: &'a dyn ObjectStore, run_id: &str) -> AppendLog<'a, Event> {
    AppendLog::new(objects, log_path(run_id))
}

pub(crate) fn log_path(run_id: &str) -> Path {
    Path::from(RUNS).join(run_id)
}

pub(crate) fn failed(path: &Path, source: object_store::Error) -> RunError {
    StoreError::Object { path: path.to_string(), source }.into()
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::{ObjectStoreExt, PutPayload};
    use tranche_store::objects::create_once;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_793_500_000 + second).unwrap()
    }

    fn started(run_id: &str, second: i64) -> Started {
        Started {
            run_id: run_id.into(),
            pipeline: "shop".into(),
            slot: Some(at(second)),
            as_of: at(second),
            full: true,
            restatement: 0,
            definitions: "abc".into(),
            steps: vec!["load".into()],
            at: at(second),
        }
    }

    fn ledger() -> Ledger {
        Ledger::new(Arc::new(InMemory::new()))
    }

    fn ended(status: RunStatus) -> Event {
        Event::Ended { status, message: None, at: at(5) }
    }

    #[tokio::test]
    async fn events_are_read_back() {
        let ledger = ledger();
        let mut log = ledger.start(started("r1", 0)).await.unwrap();
        log.append(Event::StepStarted { step: "load".into(), attempt: 1, at: at(1) }).await.unwrap();
        log.append(ended(RunStatus::Failed)).await.unwrap();
        assert_eq!(&ledger.read("r1").await.unwrap(), log.record());
        assert!(ledger.objects.head(&Path::from("_sys/runs/r1/00000002.json")).await.is_ok());
        assert!(matches!(ledger.read("r2").await, Err(RunError::Unknown { .. })));
        assert!(matches!(ledger.read("../runs/r1").await, Err(RunError::Unknown { .. })));
        assert!(matches!(ledger.start(started("r1", 0)).await, Err(RunError::Taken { sequence: 0, .. })));
    }

    #[tokio::test]
    async fn of_two_processes_that_resume_a_run_one_owns_it_and_the_old_owner_stops() {
        let ledger = ledger();
        let mut old = ledger.start(started("r1", 0)).await.unwrap();
        let seen = ledger.read("r1").await.unwrap();
        let mut new = ledger.resume(seen.clone(), at(2)).await.unwrap();
        assert!(matches!(ledger.resume(seen, at(2)).await, Err(RunError::Taken { sequence: 1, .. })));
        assert!(matches!(old.append(ended(RunStatus::Done)).await, Err(RunError::Taken { sequence: 1, .. })));
        new.append(ended(RunStatus::Done)).await.unwrap();
        let finished = ledger.read("r1").await.unwrap();
        assert!(matches!(
            ledger.resume(finished, at(3)).await,
            Err(RunError::Finished { status: RunStatus::Done, .. })
        ));
    }

    #[tokio::test]
    async fn the_runs_since_an_instant_are_those_whose_ids_say_so() {
        let ledger = ledger();
        let id = |second: i64| format!("{:012x}7abcdef", at(second).as_millisecond());
        for second in [0, 10, 20] {
            ledger.start(started(&id(second), second)).await.unwrap();
        }
        assert_eq!(ledger.run_ids_since(at(10)).await.unwrap(), [id(20), id(10)]);
        assert_eq!(ledger.run_ids_since(Timestamp::MIN).await.unwrap().len(), 3);
        assert_eq!(ledger.pipeline_of(&id(10)).await.unwrap().as_deref(), Some("shop"));
        assert_eq!(ledger.pipeline_of("r1").await.unwrap(), None);
    }

    #[tokio::test]
    async fn runs_are_listed_newest_first_without_the_damaged() {
        let ledger = ledger();
        assert_eq!(ledger.list().await.unwrap(), []);
        for (id, second) in [("r1", 10), ("r2", 30), ("r3", 20)] {
            ledger.start(started(id, second)).await.unwrap();
        }
        let damaged = Path::from("_sys/runs/r4/00000000.json");
        create_once(ledger.objects.as_ref(), &damaged, "{\"event\":\"unheard of\"}").await.unwrap();
        ledger.objects.put(&Path::from("_sys/runs/r1/notes.txt"), PutPayload::from("hello")).await.unwrap();
        let ids = |runs: Vec<RunRecord>| runs.into_iter().map(|run| run.run_id).collect::<Vec<_>>();
        assert_eq!(ids(ledger.list().await.unwrap()), ["r2", "r3", "r1"]);
        assert_eq!(ids(ledger.newest(1, |_| true).await.unwrap()), ["r3"]);
        assert!(matches!(ledger.read("r4").await, Err(RunError::Damaged { .. })));
    }
}
