//! What the daemon does for those who look from outside: people are told, and what does not happen by itself is measured.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{sleep, timeout};
use tranche_observe::{Monitoring, Readiness};
use tranche_pipeline::scheduler::ScheduleLag;
use tranche_pipeline::{Clock, Ledger, SystemClock};

use super::catalog::ProjectCatalog;
use crate::failure::{Failure, chain};
use crate::freshness::newest;
use crate::output::note;
use crate::telling::tell;
use crate::workbench::Workbench;

/// How long it may take to tell people when a process is about to end: what is not told then is told later.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How far back slots are looked at.
const LOOKED_BACK: Duration = Duration::from_secs(86_400);

/// Serves the endpoints of monitoring, if there is an address for them, until that fails.
pub(super) async fn serve(address: Option<SocketAddr>, catalog: &ProjectCatalog) -> Failure {
    let Some(address) = address else { return std::future::pending().await };
    let listening = |address: SocketAddr| {
        // A closed terminal is no reason to stop.
        let _ = note(&format!("metrics at http://{address}/metrics"));
    };
    let ledger = match catalog.bench().lake() {
        Ok(lake) => Workbench::ledger(&lake),
        Err(failure) => return failure,
    };
    let monitoring = Monitoring {
        metrics: catalog.metrics.clone(),
        clock: Arc::new(SystemClock),
        readiness: readiness(ledger),
    };
    match monitoring.serve(address, listening).await {
        Ok(()) => Failure::internal("the monitoring port was closed"),
        Err(error) => Failure::definition(chain(&error)),
    }
}

/// Ready when the lake answers a listing; definitions are loaded before the endpoints are served.
fn readiness(ledger: Ledger) -> Readiness {
    Arc::new(move || {
        let ledger = ledger.clone();
        async move { ledger.scheduled_pipelines().await.map(drop).map_err(|error| chain(&error)) }.boxed()
    })
}

/// What pipelines have yet to decide about, by name.
type Backlogs = BTreeMap<String, ScheduleLag>;

/// Looks again and again.
pub(super) async fn look_forever(catalog: &ProjectCatalog, measure: bool) {
    let mut backlogs = Backlogs::new();
    loop {
        look(catalog, measure.then_some(&mut backlogs)).await;
        sleep(LOOK_EVERY).await;
    }
}

/// The last look of a process that is about to end: people are told and lineage is sent, each within a limit.
pub(in crate::commands) async fn take_leave(catalog: &ProjectCatalog) {
    let told = async {
        if timeout(FAREWELL, look(catalog, None)).await.is_err() {
            tracing::warn!("telling people took too long: what was not told is left to the next process");
        }
    };
    tokio::join!(told, catalog.lineage_sent());
}

/// Tells people what there is to tell, and measures if that is wanted. What fails is logged, and no run fails for it.
async fn look(catalog: &ProjectCatalog, measured: Option<&mut Backlogs>) {
    let bench = catalog.bench();
    if let Err(failure) = looked(&bench, catalog, measured).await {
        tracing::warn!("those who look from outside do not see all: {}", failure.message);
    }
}

async fn looked(
    bench: &Workbench,
    catalog: &ProjectCatalog,
    measured: Option<&mut Backlogs>,
) -> Result<(), Failure> {
    let lake = bench.lake()?;
    let session = bench.engine.session(bench.instant_or_latest(None)?);
    tell(&bench.workspace, &lake, &session, &catalog.untold).await;
    let Some(backlogs) = measured else { return Ok(()) };
    let metrics = &catalog.metrics;
    for ((kind, name), as_of) in newest(&bench.workspace, &lake, &session).await? {
        metrics.fresh(kind, &name, as_of);
    }
    let (ledger, now) = (Workbench::ledger(&lake), SystemClock.now());
    let since = now.checked_sub(LOOKED_BACK).unwrap_or(now);
    for name in bench.workspace.pipelines.keys() {
        let oldest = backlogs.entry(name.clone()).or_default().oldest(&ledger, name, since, now).await?;
        let lag = oldest.and_then(|oldest| Duration::try_from(now.duration_since(oldest)).ok());
        metrics.lag(name, lag.unwrap_or_default());
    }
    Ok(())
}
