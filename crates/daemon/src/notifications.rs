//! Notifications of people: of runs that ended, and of data that is not fresh. Each message is put into the outbox, and sent from there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;
use tranche_observe::{Background, Message, ObserveError, Outbox, Sender, messages_of};
use tranche_pipeline::ledger::Event;
use tranche_pipeline::{Clock, Ledger, Observer, RunError, RunRecord, RunStatus, SystemClock};
use tranche_workspace::{Failure, Tranche, chain, freshness};

use crate::environment::environment_variable;

/// How far back runs are read whose end may not have been notified, because a process was cut short.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24);
/// How much longer than that a run may have lasted that is read.
const LONGEST_RUN: SignedDuration = SignedDuration::from_hours(24);
/// How often a process that stays up looks back.
const LOOK_BACK_EVERY: Duration = Duration::from_secs(3_600);
/// Among how many runs the previous one of the same pipeline is looked for.
const RUNS_BEFORE: usize = 500;
/// Runs that are read at the same time.
const CONCURRENCY: usize = 16;

/// The runs of which a process has yet to notify people: those that ended in it, and every hour all that ended lately, in any process.
#[derive(Debug, Clone, Default)]
pub(crate) struct PendingNotifications(Arc<Mutex<PendingRuns>>);

#[derive(Debug, Default)]
struct PendingRuns {
    ended: BTreeSet<String>,
    looked_back: Option<Instant>,
}

impl PendingNotifications {
    fn ended(&self) -> BTreeSet<String> {
        self.lock().ended.clone()
    }

    fn looks_back(&self) -> bool {
        self.lock().looked_back.is_none_or(|last| last.elapsed() >= LOOK_BACK_EVERY)
    }

    /// Notes that the outbox has the messages about these runs.
    fn put(&self, ended: &BTreeSet<String>, has_looked_back: bool) {
        let mut pending = self.lock();
        pending.ended.retain(|run| !ended.contains(run));
        if has_looked_back {
            pending.looked_back = Some(Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, PendingRuns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for PendingNotifications {
    fn run_ended(&self, report: &RunRecord) {
        self.lock().ended.insert(report.run_id.clone());
    }
}

/// Opens the channels of the project's notifications before something happens: a channel that is first opened now carries what
/// happens from now on.
pub(crate) async fn open_channels(tranche: &Tranche) -> Result<(), Failure> {
    let outbox = Outbox::new(tranche.lake()?.objects());
    if let Err(error) = outbox.open(&senders(tranche), SystemClock.now().as_millisecond()).await {
        tracing::warn!("notifications about current events may be lost: {}", chain(&error));
    }
    Ok(())
}

/// Sends the notifications that are due: of runs that ended, and of data that is not fresh. A project without `notifications` has
/// none. A failure is logged.
pub(crate) async fn notify(tranche: &Tranche, pending: &PendingNotifications) {
    if tranche.definitions.observe.notifications.is_empty() {
        return;
    }
    if let Err(failure) = try_notify(tranche, pending).await {
        tracing::warn!("notifications were not sent: {}", failure.message);
    }
}

async fn try_notify(tranche: &Tranche, pending: &PendingNotifications) -> Result<(), Failure> {
    let lake = tranche.lake()?;
    let outbox = Outbox::new(lake.objects());
    let now = SystemClock.now();
    let (ended, looks_back) = (pending.ended(), pending.looks_back());
    let runs = EndedRuns { tranche, ledger: Ledger::new(lake.objects()), ids: OnceCell::new() };
    for message in runs.messages(&ended).await? {
        outbox.put(&message).await.map_err(failed)?;
    }
    if looks_back {
        for message in runs.recent_messages(now).await? {
            outbox.put(&message).await.map_err(failed)?;
        }
    }
    pending.put(&ended, looks_back);
    for message in freshness::stale(tranche, now).await? {
        outbox.put(&message).await.map_err(failed)?;
    }
    let delivery = outbox.deliver(&senders(tranche), now.as_millisecond()).await.map_err(failed)?;
    let (sent, failed, waiting) = (delivery.sent, delivery.failed, delivery.waiting);
    tracing::info!(sent, failed, waiting, "notifications sent");
    Ok(())
}

fn failed(error: ObserveError) -> Failure {
    Failure::storage(chain(&error))
}

fn senders(tranche: &Tranche) -> Vec<Sender> {
    let mut senders = Vec::new();
    for notification in &tranche.definitions.observe.notifications {
        match Sender::of(notification, environment_variable) {
            Ok(of_one) => senders.extend(of_one),
            // The others are notified all the same, and this one when it can be.
            Err(error) => tracing::warn!("a notification cannot be sent: {error}"),
        }
    }
    senders
}

/// The messages about runs. A message's id is derived from what it is about, so that putting it again changes nothing.
struct EndedRuns<'a> {
    tranche: &'a Tranche,
    ledger: Ledger,
    /// Those of all runs, the newest first, once they are needed.
    ids: OnceCell<Vec<String>>,
}

/// A run that ended, and what its log and its slot say besides.
struct EndedRun {
    record: RunRecord,
    was_resumed: bool,
    is_backfill: bool,
}

impl EndedRuns<'_> {
    /// Of these runs.
    async fn messages(&self, ids: &BTreeSet<String>) -> Result<Vec<Message>, Failure> {
        let mut messages = Vec::new();
        for id in ids {
            let Some(run) = self.read(id).await? else { continue };
            messages.extend(self.messages_of(&run, None).await?);
        }
        Ok(messages)
    }

    /// Of the runs of the last day, wherever they ended.
    async fn recent_messages(&self, now: Timestamp) -> Result<Vec<Message>, Failure> {
        let since = now - LOOK_BACK;
        let mut ids = self.ledger.run_ids_since(since - LONGEST_RUN).await?;
        ids.reverse();
        let mut runs = stream::iter(&ids).map(|id| self.read(id)).buffered(CONCURRENCY);
        let mut before: BTreeMap<String, RunStatus> = BTreeMap::new();
        let mut messages = Vec::new();
        while let Some(run) = runs.try_next().await? {
            let Some(run) = run else { continue };
            if run.record.ended_at.is_some_and(|ended| ended >= since) {
                messages.extend(self.messages_of(&run, before.get(&run.record.pipeline).copied()).await?);
            }
            if !run.is_backfill {
                before.insert(run.record.pipeline.clone(), run.record.status);
            }
        }
        Ok(messages)
    }

    /// Of one run; `before` is how the regular run of its pipeline before it ended, if that is known.
    async fn messages_of(&self, run: &EndedRun, before: Option<RunStatus>) -> Result<Vec<Message>, Failure> {
        let EndedRun { record, was_resumed, is_backfill } = run;
        let before = match before {
            None if record.status == RunStatus::Done && !is_backfill => self.status_before(record).await?,
            known => known,
        };
        let next_slot = next_slot(self.tranche, record);
        Ok(messages_of(
            record,
            Background { before, next_slot, was_resumed: *was_resumed, is_backfill: *is_backfill },
        ))
    }

    /// A run that is done or failed. One whose log cannot be read is left to `doctor`.
    async fn read(&self, id: &str) -> Result<Option<EndedRun>, Failure> {
        let events = match self.ledger.events(id).await {
            Ok(events) => events,
            Err(RunError::Damaged { path, reason }) => {
                tracing::warn!(path, reason, "no notification of a run");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let record = RunRecord::from_events(&events);
        let Some(record) = record.filter(|run| matches!(run.status, RunStatus::Done | RunStatus::Failed))
        else {
            return Ok(None);
        };
        let ends = events
            .iter()
            .filter(|event| matches!(event, Event::Ended { status: RunStatus::Failed, .. }))
            .count();
        let was_resumed = ends > usize::from(record.status == RunStatus::Failed);
        let is_backfill = self.ledger.backfill_of(&record).await?.is_some();
        Ok(Some(EndedRun { record, was_resumed, is_backfill }))
    }

    /// How the regular run of the same pipeline before this one ended.
    async fn status_before(&self, run: &RunRecord) -> Result<Option<RunStatus>, Failure> {
        let ids = self.ids.get_or_try_init(|| self.ledger.run_ids()).await?;
        let earlier = ids.iter().filter(|id| **id < run.run_id).take(RUNS_BEFORE).cloned();
        let read = |id: String| async move {
            let is_same =
                self.ledger.pipeline_of(&id).await?.is_some_and(|pipeline| pipeline == run.pipeline);
            let found = if is_same { self.read(&id).await? } else { None };
            Ok::<_, Failure>(found.filter(|found| !found.is_backfill).map(|found| found.record.status))
        };
        let mut read = stream::iter(earlier).map(read).buffered(CONCURRENCY);
        while let Some(status) = read.try_next().await? {
            if status.is_some() {
                return Ok(status);
            }
        }
        Ok(None)
    }
}

fn next_slot(tranche: &Tranche, run: &RunRecord) -> Option<Timestamp> {
    let pipeline = tranche.definitions.pipelines.get(&run.pipeline)?.pipeline.as_ref()?;
    let slot = run.slot?;
    pipeline.schedules.iter().filter_map(|schedule| schedule.next_after(slot)).min()
}
