//! Telling people: of runs that ended, and of what is not fresh. What there is to tell is put into the outbox, and sent from there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;
use tranche_observe::{Background, Message, ObserveError, Outbox, Sender, messages_of};
use tranche_pipeline::ledger::Event;
use tranche_pipeline::{Clock, Ledger, Observer, RunError, RunRecord, RunStatus, SystemClock};
use tranche_sql::Session;
use tranche_store::Lake;

use crate::failure::{Failure, chain};
use crate::freshness::stale;
use crate::watching::variable;
use crate::workspace::Workspace;

/// How far back runs are looked at whose end may not have been told, because a process was cut short.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(24);
/// How much longer than that a run may have lasted that is looked at.
const LONGEST_RUN: SignedDuration = SignedDuration::from_hours(24);
/// How often a process that goes on looks back.
const LOOK_BACK_EVERY: Duration = Duration::from_secs(3_600);
/// Among so many runs the one of the same pipeline before a run is looked for.
const RUNS_BEFORE: usize = 500;
/// Runs that are read at the same time.
const CONCURRENCY: usize = 16;

/// The runs that a process has yet to tell of: those that ended in it, and now and then all that ended lately, wherever they did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Untold(Arc<Mutex<UntoldRuns>>);

#[derive(Debug, Default)]
struct UntoldRuns {
    ended: BTreeSet<String>,
    looked_back: Option<Instant>,
}

impl Untold {
    fn ended(&self) -> BTreeSet<String> {
        self.lock().ended.clone()
    }

    fn looks_back(&self) -> bool {
        self.lock().looked_back.is_none_or(|last| last.elapsed() >= LOOK_BACK_EVERY)
    }

    /// Notes that there are messages of these runs.
    fn put(&self, ended: &BTreeSet<String>, has_looked_back: bool) {
        let mut untold = self.lock();
        untold.ended.retain(|run| !ended.contains(run));
        if has_looked_back {
            untold.looked_back = Some(Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, UntoldRuns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Untold {
    fn run_ended(&self, report: &RunRecord) {
        self.lock().ended.insert(report.run_id.clone());
    }
}

/// Is called before something happens that people may be told: whoever is told for the first time is told what happens from now on.
pub(crate) async fn expect_messages(workspace: &Workspace, lake: &Lake) {
    let senders = senders(workspace);
    if let Err(error) = Outbox::new(lake.objects()).open(&senders, SystemClock.now().as_millisecond()).await {
        tracing::warn!("people may not be told what happens now: {}", chain(&error));
    }
}

/// Tells people what there is to tell: of runs that ended, and of what is not fresh. Nothing is done when nobody wants to know.
pub(crate) async fn tell(workspace: &Workspace, lake: &Lake, session: &Session, untold: &Untold) {
    if workspace.observe.notifications.is_empty() {
        return;
    }
    if let Err(failure) = told(workspace, lake, session, untold).await {
        tracing::warn!("people were not told: {}", failure.message);
    }
}

async fn told(workspace: &Workspace, lake: &Lake, session: &Session, untold: &Untold) -> Result<(), Failure> {
    let outbox = Outbox::new(lake.objects());
    let now = SystemClock.now();
    let (ended, looks_back) = (untold.ended(), untold.looks_back());
    let runs = EndedRuns { workspace, ledger: Ledger::new(lake.objects()), ids: OnceCell::new() };
    for message in runs.messages(&ended).await? {
        outbox.put(&message).await.map_err(failed)?;
    }
    if looks_back {
        for message in runs.recent_messages(now).await? {
            outbox.put(&message).await.map_err(failed)?;
        }
    }
    untold.put(&ended, looks_back);
    for message in stale(workspace, lake, session, now).await? {
        outbox.put(&message).await.map_err(failed)?;
    }
    let delivery = outbox.deliver(&senders(workspace), now.as_millisecond()).await.map_err(failed)?;
    tracing::info!(
        sent = delivery.sent,
        failed = delivery.failed,
        waiting = delivery.waiting,
        "people were told"
    );
    Ok(())
}

fn failed(error: ObserveError) -> Failure {
    Failure::storage(chain(&error))
}

fn senders(workspace: &Workspace) -> Vec<Sender> {
    let mut senders = Vec::new();
    for notification in &workspace.observe.notifications {
        match Sender::of(notification, variable) {
            Ok(of_one) => senders.extend(of_one),
            // The others are told all the same, and this one when it can be.
            Err(error) => tracing::warn!("a notification cannot be sent: {error}"),
        }
    }
    senders
}

/// What there is to tell of runs. Each message has an id of what it is about, so whoever finds it again puts nothing.
struct EndedRuns<'a> {
    workspace: &'a Workspace,
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
        let since = now - LOOKED_BACK;
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
        let next_slot = next_slot(self.workspace, record);
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
                tracing::warn!(path, reason, "nobody is told of a run");
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

fn next_slot(workspace: &Workspace, run: &RunRecord) -> Option<Timestamp> {
    let pipeline = workspace.pipelines.get(&run.pipeline)?.pipeline.as_ref()?;
    let slot = run.slot?;
    pipeline.schedules.iter().filter_map(|schedule| schedule.next_after(slot)).min()
}
