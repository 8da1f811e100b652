//! What the daemon does for those who look from outside: people are told, and what does not happen by itself is measured.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};
use tranche_observe::Metrics;
use tranche_pipeline::{Clock, SlotFate, SystemClock, explain};

use super::catalog::ProjectCatalog;
use crate::failure::{Failure, chain};
use crate::output::note;
use crate::watching::{newest, tell};
use crate::workbench::Workbench;

/// How long those who look from outside may take when a process is about to end: what they do not see then, they see later.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How far back slots are looked at.
const LOOKED_BACK: Duration = Duration::from_secs(86_400);

/// Answers scrapes, if there is an address for them, until that fails.
pub(super) async fn serve(address: Option<SocketAddr>, metrics: &Metrics) -> Failure {
    let Some(address) = address else { return std::future::pending().await };
    let listening = |address: SocketAddr| {
        // A terminal that went away is no reason to stop.
        let _ = note(&format!("metrics at http://{address}/metrics"));
    };
    match tranche_observe::serve(address, metrics.clone(), || SystemClock.now(), listening).await {
        Ok(()) => Failure::internal("the port of metrics was closed"),
        Err(error) => Failure::definition(chain(&error)),
    }
}

/// Looks again and again.
pub(super) async fn look_forever(catalog: &ProjectCatalog, measure: bool) {
    loop {
        look(catalog, measure).await;
        sleep(LOOK_EVERY).await;
    }
}

/// The last look of a process that is about to end, within a limit.
pub(in crate::commands) async fn look_once(catalog: &ProjectCatalog) {
    if timeout(FAREWELL, look(catalog, false)).await.is_err() {
        tracing::warn!("those who look from outside took too long: what they did not see is for the next process");
    }
}

/// Tells people what there is to tell, and measures if that is wanted. What fails is logged, and no run fails for it.
async fn look(catalog: &ProjectCatalog, measure: bool) {
    let bench = catalog.bench();
    if let Err(failure) = looked(&bench, measure.then_some(&catalog.metrics)).await {
        tracing::warn!("those who look from outside do not see all: {}", failure.message);
    }
}

async fn looked(bench: &Workbench, metrics: Option<&Metrics>) -> Result<(), Failure> {
    let lake = bench.lake()?;
    let session = bench.engine.session(bench.instant_or_latest(None)?);
    tell(&bench.workspace, &lake, &session).await;
    let Some(metrics) = metrics else { return Ok(()) };
    for ((kind, name), as_of) in newest(&bench.workspace, &lake, &session).await? {
        metrics.fresh(kind, &name, as_of);
    }
    let now = SystemClock.now();
    for name in bench.workspace.pipelines.keys() {
        if let Some(lag) = lag(bench, name, now).await? {
            metrics.lag(name, lag);
        }
    }
    Ok(())
}

/// The age of a pipeline's oldest slot of the last day about which nothing is decided.
async fn lag(bench: &Workbench, name: &str, now: Timestamp) -> Result<Option<Duration>, Failure> {
    let Some(pipeline) = &bench.workspace.pipeline(name)?.pipeline else { return Ok(None) };
    let ledger = Workbench::ledger(&bench.lake()?);
    let from = now.checked_sub(LOOKED_BACK).unwrap_or(now);
    let slots = explain(&ledger, pipeline, &bench.workspace.settings.timezone, (from, now), now).await?;
    let oldest = slots.into_iter().find(|slot| slot.fate == SlotFate::Due).map_or(now, |slot| slot.slot);
    Ok(Some(Duration::try_from(now.duration_since(oldest)).unwrap_or_default()))
}
