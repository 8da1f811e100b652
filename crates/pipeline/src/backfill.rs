//! Past slots, run late or again: `_sys/backfills/<id>/00000000.json` says which, once and for all.
//!
//! Each slot of a backfill gets an entry in the slot's own log, with the backfill's id: that entry is its
//! claim, and the run that it names is its progress. So any process that names its id continues a backfill,
//! and two that do share its work.

use std::ops::ControlFlow;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::clock::{Clock, new_run_id};
use crate::definition::pipeline::Pipeline;
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::ledger::append_log::{Append, AppendLog, Entry};
use crate::ledger::event::RunStatus;
use crate::ledger::failed;
use crate::ledger::lease::{LeaseWatch, Liveness};
use crate::ledger::record::RunRecord;
use crate::ledger::slot::{SlotDecision, SlotEntry};
use crate::run::plan::Stop;
use crate::scheduler::catalog::Catalog;
use crate::scheduler::explain::{ExplainedSlot, SlotOutcome, explain};
use crate::scheduler::run_slot::{SlotRun, run_slot};

/// Past slots of a pipeline that are to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// Its id; ids sort by the instant at which they were made.
    pub id: String,
    /// The pipeline.
    pub pipeline: String,
    /// The first instant.
    pub from: Timestamp,
    /// The instant after the last.
    pub to: Timestamp,
    /// Which slots.
    pub mode: BackfillMode,
    /// In which order.
    pub order: BackfillOrder,
    /// How many at the same time.
    pub concurrency: usize,
    /// The slots, in their order.
    pub slots: Vec<Timestamp>,
    /// When it was asked for.
    pub at: Timestamp,
}

/// Which slots a backfill runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillMode {
    /// Those without a run: skipped, missed, not decided, or before the schedule was known.
    Missing,
    /// Those whose run failed.
    Failed,
    /// All of them, but for those whose run is active or waiting.
    All,
}

/// In which order a backfill runs its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillOrder {
    /// The oldest first.
    Oldest,
    /// The newest first.
    Newest,
}

/// The progress of a backfill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BackfillProgress {
    /// All of its slots.
    pub slots: usize,
    /// Those that are done.
    pub done: usize,
    /// Those whose run failed.
    pub failed: usize,
    /// Slots whose run has begun and not ended.
    pub running: usize,
    /// Slots whose run has not begun.
    pub waiting: usize,
}

pub(crate) const BACKFILLS: &str = tranche_store::layout::system::BACKFILLS.path;

/// Slots that are looked up at the same time.
pub(crate) const CONCURRENCY: usize = 16;

/// How long to wait between two looks at a run of another process.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl BackfillMode {
    /// Whether it takes a slot; none that is in hand takes it.
    fn takes(self, slot: &ExplainedSlot) -> bool {
        let stands = |how: &str| slot.outcome == SlotOutcome::Run && slot.reason.as_deref() == Some(how);
        match self {
            Self::All => slot.outcome != SlotOutcome::Future && !stands("running") && !stands("waiting"),
            Self::Failed => stands("failed"),
            Self::Missing => !matches!(slot.outcome, SlotOutcome::Run | SlotOutcome::Future),
        }
    }
}

impl Backfill {
    /// The slots of a pipeline in an interval that a backfill would run.
    ///
    /// # Errors
    /// As [`explain`].
    pub async fn slots(
        ledger: &Ledger,
        pipeline: &Pipeline,
        zone: &TimeZone,
        span: (Timestamp, Timestamp),
        (mode, order): (BackfillMode, BackfillOrder),
        now: Timestamp,
    ) -> Result<Vec<ExplainedSlot>, RunError> {
        let mut slots = explain(ledger, pipeline, zone, span, now).await?;
        slots.retain(|slot| mode.takes(slot));
        if order == BackfillOrder::Newest {
            slots.reverse();
        }
        Ok(slots)
    }

    pub(crate) fn entry_of<'e>(&self, entries: &'e [Entry<SlotEntry>]) -> Option<(u64, &'e str)> {
        let own =
            |(number, entry): (usize, &'e Entry<SlotEntry>)| match entry {
                Entry::Written(SlotEntry {
                    decision: SlotDecision::Run { run_id, .. }, backfill, ..
                }) if backfill.as_ref() == Some(&self.id) => Some((number as u64, run_id.as_str())),
                _ => None,
            };
        entries.iter().enumerate().find_map(own)
    }

    /// The run of one of its slots, once it is claimed.
    async fn run_of(&self, ledger: &Ledger, slot: Timestamp) -> Result<Option<RunRecord>, RunError> {
        let entries = ledger.slot_entries(&self.pipeline, slot).await?;
        let Some((_, run_id)) = self.entry_of(&entries) else { return Ok(None) };
        match ledger.read(run_id).await {
            Ok(record) => Ok(Some(record)),
            Err(RunError::Unknown { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Ledger {
    /// Writes a backfill down, before anything of it is run.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn begin_backfill(&self, backfill: &Backfill) -> Result<(), RunError> {
        match self.backfill_log(&backfill.id).append(0, backfill).await? {
            Append::Won => Ok(()),
            Append::Lost(_) | Append::Torn => {
                Err(RunError::damaged(&backfill.id, "there is a backfill of this id"))
            }
        }
    }

    /// The backfill of this id.
    ///
    /// # Errors
    /// [`RunError::Unknown`] when there is none.
    pub async fn backfill(&self, id: &str) -> Result<Backfill, RunError> {
        match self.backfill_log(id).entry(0).await? {
            Some(Entry::Written(backfill)) => Ok(backfill),
            Some(Entry::Torn { path, reason }) => Err(RunError::Damaged { path, reason }),
            None => Err(RunError::Unknown { run_id: id.to_owned() }),
        }
    }

    /// All backfills, the newest first. One that cannot be read is left out, with a warning.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn backfills(&self) -> Result<Vec<Backfill>, RunError> {
        let root = Path::from(BACKFILLS);
        let listed =
            self.objects.list_with_delimiter(Some(&root)).await.map_err(|error| failed(&root, error))?;
        let mut ids: Vec<String> =
            listed.common_prefixes.iter().filter_map(Path::filename).map(str::to_owned).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        let found = stream::iter(&ids).map(|id| self.backfill(id)).buffered(CONCURRENCY);
        let readable = found.filter_map(async |found| match found {
            Err(RunError::Damaged { path, reason }) => {
                tracing::warn!(path, reason, "a damaged backfill is not listed");
                None
            }
            // On a local disk, the folder of a removed one remains.
            Err(RunError::Unknown { .. }) => None,
            found => Some(found),
        });
        readable.try_collect().await
    }

    /// The runs of a backfill, in its order, as far as they have begun.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails, [`RunError::Damaged`] when a log cannot be read.
    pub async fn backfill_runs(&self, backfill: &Backfill) -> Result<Vec<Option<RunRecord>>, RunError> {
        stream::iter(&backfill.slots)
            .map(|slot| backfill.run_of(self, *slot))
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// The progress of a backfill.
    ///
    /// # Errors
    /// As [`Ledger::backfill_runs`].
    pub async fn backfill_progress(&self, backfill: &Backfill) -> Result<BackfillProgress, RunError> {
        let runs = self.backfill_runs(backfill).await?;
        let count = |status: Option<RunStatus>| {
            runs.iter().filter(|run| run.as_ref().map(|run| run.status) == status).count()
        };
        Ok(BackfillProgress {
            slots: runs.len(),
            done: count(Some(RunStatus::Done)),
            failed: count(Some(RunStatus::Failed)),
            running: count(Some(RunStatus::Running)),
            waiting: count(None),
        })
    }

    fn backfill_log(&self, id: &str) -> AppendLog<'_, Backfill> {
        AppendLog::new(self.objects.as_ref(), Path::from(BACKFILLS).join(id))
    }
}

/// Runs the remaining slots of a backfill, in its order; calls `notify` with each slot that ended. A slot
/// that fails does not keep the others from being run.
///
/// # Errors
/// [`RunError::Store`] when the storage fails: running it again continues with the rest.
pub async fn run_backfill(
    backfill: &Backfill,
    ledger: &Ledger,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    stop: Stop,
    notify: &(dyn Fn(Timestamp, RunStatus) + Send + Sync),
) -> Result<BackfillProgress, RunError> {
    let slots = stream::iter(&backfill.slots).map(|slot| {
        let stop = stop.clone();
        async move {
            let is_stopped = stop.cancel.is_cancelled() || stop.drain.is_cancelled();
            if !is_stopped && let Some(status) = fill(backfill, *slot, ledger, catalog, clock, stop).await? {
                notify(*slot, status);
            }
            Ok::<_, RunError>(())
        }
    });
    slots.buffer_unordered(backfill.concurrency.max(1)).try_collect::<Vec<()>>().await?;
    ledger.backfill_progress(backfill).await
}

/// Brings one slot to its end; `None` when it had ended already, or is left to other processes.
async fn fill(
    backfill: &Backfill,
    slot: Timestamp,
    ledger: &Ledger,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    stop: Stop,
) -> Result<Option<RunStatus>, RunError> {
    let pipeline = backfill.pipeline.as_str();
    let mut watch = LeaseWatch::begin();
    loop {
        let entries = ledger.slot_entries(pipeline, slot).await?;
        let Some((restatement, run_id)) = backfill.entry_of(&entries) else {
            let decision = SlotDecision::Run { run_id: new_run_id(clock), late: true };
            let entry =
                SlotEntry { decision, at: clock.now(), schedule: 0, backfill: Some(backfill.id.clone()) };
            ledger.restate(pipeline, slot, entries.len() as u64, &entry).await?;
            continue;
        };
        let resumes = match ledger.read(run_id).await {
            Err(RunError::Unknown { .. }) => None,
            Err(error) => return Err(error),
            Ok(record) if record.ended_at.is_some() => return Ok(None),
            Ok(record) => {
                if watch.look(ledger, run_id).await? != Liveness::Dead {
                    if pause(&stop).await.is_break() {
                        return Ok(None);
                    }
                    continue;
                }
                Some(record)
            }
        };
        let run = SlotRun { slot, run_id: run_id.to_owned(), restatement, resumes };
        match run_slot(ledger, catalog, clock, pipeline, run, stop.clone()).await {
            Ok(report) => return Ok(Some(report.status)),
            Err(RunError::Taken { .. }) if pause(&stop).await.is_break() => return Ok(None),
            Err(RunError::Taken { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits for the runs of other processes, unless there is more to do here.
async fn pause(stop: &Stop) -> ControlFlow<()> {
    tokio::select! {
        biased;
        () = stop.cancel.cancelled() => ControlFlow::Break(()),
        () = stop.drain.cancelled() => ControlFlow::Break(()),
        () = sleep(LOOK_EVERY) => ControlFlow::Continue(()),
    }
}
