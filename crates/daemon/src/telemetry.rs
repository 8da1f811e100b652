//! What the daemon measures and sends by itself, beside its runs: notifications, freshness, lag, and the endpoints of monitoring.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::sleep;
use tranche_observe::{Metrics, Monitoring, Readiness};
use tranche_pipeline::scheduler::ScheduleLag;
use tranche_pipeline::{Clock, Ledger, SystemClock};
use tranche_workspace::{Failure, Tranche, chain, freshness};

use crate::catalog::ProjectCatalog;
use crate::console::Console;

/// How often the daemon looks.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How far back slots are looked at.
const LOOK_BACK: Duration = Duration::from_secs(86_400);

/// Serves the endpoints of monitoring, if there is an address for them, until that fails.
pub(crate) async fn serve_monitoring(
    address: Option<SocketAddr>,
    catalog: &ProjectCatalog,
    console: &dyn Console,
) -> Failure {
    let Some(address) = address else { return std::future::pending().await };
    let listening = |address: SocketAddr| console.line(&format!("metrics at http://{address}/metrics"));
    let ledger = match catalog.tranche().ledger() {
        Ok(ledger) => ledger,
        Err(failure) => return failure,
    };
    let monitoring = Monitoring {
        metrics: catalog.observers.metrics.clone(),
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
type Lags = BTreeMap<String, ScheduleLag>;

/// Sends notifications, and measures if that is wanted, again and again.
pub(crate) async fn look_forever(catalog: &ProjectCatalog, measure: bool) {
    let mut lags = Lags::new();
    loop {
        let tranche = catalog.tranche();
        catalog.observers.notify(&tranche).await;
        if measure && let Err(failure) = gauge(&tranche, &catalog.observers.metrics, &mut lags).await {
            tracing::warn!("metrics are incomplete: {}", failure.message);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Measures how fresh data is, and how far decisions lag behind.
async fn gauge(tranche: &Tranche, metrics: &Metrics, lags: &mut Lags) -> Result<(), Failure> {
    for ((kind, name), as_of) in freshness::newest(tranche).await? {
        metrics.fresh(kind, &name, as_of);
    }
    let (ledger, now) = (tranche.ledger()?, SystemClock.now());
    let since = now.checked_sub(LOOK_BACK).unwrap_or(now);
    for name in tranche.definitions.pipelines.keys() {
        let oldest = lags.entry(name.clone()).or_default().oldest(&ledger, name, since, now).await?;
        let lag = oldest.and_then(|oldest| Duration::try_from(now.duration_since(oldest)).ok());
        metrics.lag(name, lag.unwrap_or_default());
    }
    Ok(())
}
