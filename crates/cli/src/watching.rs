//! Who looks at runs from outside: people by messages, catalogues by lineage. What goes wrong there fails no run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tranche_observe::{Lineage, Message, ObserveError, Outbox, Sender, messages_of};
use tranche_pipeline::{
    Clock, Event, Ledger, Observer, Pipeline, RunError, RunPlan, RunRecord, RunReport, RunStatus, SystemClock,
};
use tranche_sql::Session;
use tranche_store::Lake;

use crate::failure::{Failure, chain};
use crate::lineage::LineageWatch;
use crate::progress::Progress;
use crate::workbench::Workbench;
use crate::workspace::Workspace;

/// How far back runs are looked at whose end may not have been told, because a process was cut short.
const LOOKED_BACK_HOURS: i64 = 24;
/// No more runs than this are looked at.
const LOOKED_AT: usize = 200;

/// A variable of the environment.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Does a run while everybody watches who wants to, and tells people afterwards what there is to tell.
pub(crate) async fn watched(
    plan: &RunPlan,
    bench: &Workbench,
    progress: &Progress,
    run: impl AsyncFnOnce(&dyn Observer) -> Result<RunReport, RunError>,
) -> Result<RunReport, Failure> {
    let lake = bench.lake()?;
    let lineage = lineage_of(&plan.pipeline, bench, &lake).await?;
    let mut observers: Vec<&dyn Observer> = vec![progress];
    if let Some(lineage) = &lineage {
        observers.push(lineage);
    }
    let report = run(&observers).await;
    if let Some(lineage) = lineage {
        lineage.end().await;
    }
    tell(&bench.workspace, &lake, &bench.engine.session(bench.instant_or_latest(None)?)).await;
    Ok(report?)
}

/// Whoever keeps a catalogue, if the project names one.
pub(crate) async fn lineage_of(pipeline: &Pipeline, bench: &Workbench, lake: &Lake) -> Result<Option<LineageWatch>, Failure> {
    let Some(spec) = &bench.workspace.settings.lineage else { return Ok(None) };
    let lineage = match Lineage::new(spec, &bench.folder, variable) {
        Ok(lineage) => lineage,
        Err(error) => {
            tracing::warn!("lineage is not told: {error}");
            return Ok(None);
        }
    };
    let session = bench.workspace.empty_session(&bench.engine)?;
    let place = lake.url().as_str().trim_end_matches('/');
    Ok(Some(LineageWatch::new(lineage, pipeline, place, &bench.workspace, &session).await))
}

/// Tells people what there is to tell: of runs that ended, and of what is not fresh. Nothing is done when nobody wants to know.
pub(crate) async fn tell(workspace: &Workspace, lake: &Lake, session: &Session) {
    if workspace.settings.notifications.is_empty() {
        return;
    }
    if let Err(failure) = told(workspace, lake, session).await {
        tracing::warn!("people were not told: {}", failure.message);
    }
}

async fn told(workspace: &Workspace, lake: &Lake, session: &Session) -> Result<(), Failure> {
    let outbox = Outbox::new(lake.objects());
    let now = SystemClock.now();
    for message in ended(workspace, &Ledger::new(lake.objects()), now).await? {
        outbox.put(&message).await.map_err(failed)?;
    }
    for message in stale(workspace, lake, session, now).await? {
        outbox.put(&message).await.map_err(failed)?;
    }
    let mut senders = Vec::new();
    for notification in &workspace.settings.notifications {
        match Sender::new(notification, variable) {
            Ok(sender) => senders.push(sender),
            // The others are told all the same, and this one when it can be.
            Err(error) => tracing::warn!("a notification cannot be sent: {error}"),
        }
    }
    let delivery = outbox.deliver(&senders, now.as_millisecond()).await.map_err(failed)?;
    tracing::info!(sent = delivery.sent, failed = delivery.failed, waiting = delivery.waiting, "people were told");
    Ok(())
}

fn failed(error: ObserveError) -> Failure {
    Failure::storage(chain(&error))
}

/// What there is to tell of the runs of the last day. It is put into the outbox once, whoever looks and however often.
async fn ended(workspace: &Workspace, ledger: &Ledger, now: Timestamp) -> Result<Vec<Message>, Failure> {
    let since = now - jiff::SignedDuration::from_hours(LOOKED_BACK_HOURS);
    let mut runs = ledger.newest(LOOKED_AT, |_| true).await?;
    runs.reverse();
    let mut before: BTreeMap<String, RunStatus> = BTreeMap::new();
    let mut messages = Vec::new();
    for run in runs.iter().filter(|run| run.status != RunStatus::Running) {
        let last = before.get(&run.pipeline).copied();
        if matches!(run.status, RunStatus::Done | RunStatus::Failed) {
            before.insert(run.pipeline.clone(), run.status);
        }
        if run.ended_at.is_some_and(|ended| ended >= since) {
            let resumed = was_resumed(ledger, run).await?;
            messages.extend(messages_of(run, last.or(resumed.then_some(RunStatus::Failed)), next_slot(workspace, run), resumed));
        }
    }
    Ok(messages)
}

/// A run that was resumed after it had failed is a recovery of its own.
async fn was_resumed(ledger: &Ledger, run: &RunRecord) -> Result<bool, Failure> {
    let events = ledger.events(&run.run_id).await?;
    Ok(events.iter().any(|event| matches!(event, Event::Ended { status: RunStatus::Failed, .. })))
}

fn next_slot(workspace: &Workspace, run: &RunRecord) -> Option<Timestamp> {
    let pipeline = workspace.pipelines.get(&run.pipeline)?.pipeline.as_ref()?;
    let slot = run.slot?;
    pipeline.schedules.iter().filter_map(|schedule| schedule.next_after(slot)).min()
}

/// Tables and segments that are older than their `freshness`.
async fn stale(workspace: &Workspace, lake: &Lake, session: &Session, now: Timestamp) -> Result<Vec<Message>, Failure> {
    let newest = newest(workspace, lake, session).await?;
    let limits = limits(workspace);
    let is_old = |newest: Option<Timestamp>, limit: std::time::Duration| {
        newest.is_none_or(|newest| std::time::Duration::try_from(now.duration_since(newest)).is_ok_and(|age| age > limit))
    };
    let stale = limits.into_iter().filter_map(|(key, limit)| {
        let newest = newest.get(&key).copied();
        is_old(newest, limit).then(|| Message::not_fresh(key.0, &key.1, newest, limit, now))
    });
    Ok(stale.collect())
}

/// A kind, `table` or `segment`, and a name.
type Named = (&'static str, String);

fn limits(workspace: &Workspace) -> BTreeMap<Named, std::time::Duration> {
    let tables = workspace.freshness.iter().map(|(table, limit)| (("table", table.clone()), *limit));
    let segments = workspace.pipelines.values().flat_map(|pipeline| pipeline.definitions.segments.values());
    let segments = segments.filter_map(|segment| Some((("segment", segment.name.clone()), segment.freshness?)));
    tables.chain(segments).collect()
}

/// The instant that the newest data is of: for a table that of its last load, for a segment or set that of its last refresh.
pub(crate) async fn newest(workspace: &Workspace, lake: &Lake, session: &Session) -> Result<BTreeMap<Named, Timestamp>, Failure> {
    let mut newest: BTreeMap<Named, Timestamp> = BTreeMap::new();
    for (table, as_of) in tranche_ingest::last_loads(lake, session).await? {
        newest.insert(("table", table), as_of);
    }
    for row in tranche_segment::store::history(lake, session).await? {
        let known = workspace.segment(&row.segment).map(|(_, _, definition)| definition.name.clone());
        let at = newest.entry(("segment", known.unwrap_or(row.segment))).or_insert(row.as_of);
        *at = (*at).max(row.as_of);
    }
    Ok(newest)
}
