//! What the daemon measures and sends by itself, beside its runs: notifications, freshness, lag, and the answers to scrapes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;
use tranche_observe::Metrics;
use tranche_pipeline::{Backlog, Clock, SystemClock};
use tranche_workspace::{Failure, Tranche, chain, freshness};

use crate::catalog::ProjectCatalog;
use crate::console::Console;

/// How often the daemon looks.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How far back slots are looked at.
const LOOK_BACK: Duration = Duration::from_secs(86_400);

/// Answers scrapes, if there is an address for them, until that fails.
pub(crate) async fn serve_metrics(
    address: Option<SocketAddr>,
    metrics: &Metrics,
    console: &dyn Console,
) -> Failure {
    let Some(address) = address else { return std::future::pending().await };
    let listening = |address: SocketAddr| console.line(&format!("metrics at http://{address}/metrics"));
    match tranche_observe::serve(address, metrics.clone(), || SystemClock.now(), listening).await {
        Ok(()) => Failure::internal("the port of metrics was closed"),
        Err(error) => Failure::definition(chain(&error)),
    }
}

/// What pipelines have yet to decide about, by name.
type Backlogs = BTreeMap<String, Backlog>;

/// Sends notifications, and measures if that is wanted, again and again.
pub(crate) async fn look_forever(catalog: &ProjectCatalog, measure: bool) {
    let mut backlogs = Backlogs::new();
    loop {
        let tranche = catalog.tranche();
        catalog.observers.notify(&tranche).await;
        if measure && let Err(failure) = gauge(&tranche, &catalog.observers.metrics, &mut backlogs).await {
            tracing::warn!("metrics are incomplete: {}", failure.message);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Measures how fresh data is, and how far decisions lag behind.
async fn gauge(tranche: &Tranche, metrics: &Metrics, backlogs: &mut Backlogs) -> Result<(), Failure> {
    for ((kind, name), as_of) in freshness::newest(tranche).await? {
        metrics.fresh(kind, &name, as_of);
    }
    let (ledger, now) = (tranche.ledger()?, SystemClock.now());
    let since = now.checked_sub(LOOK_BACK).unwrap_or(now);
    for name in tranche.definitions.pipelines.keys() {
        let oldest = backlogs.entry(name.clone()).or_default().oldest(&ledger, name, since, now).await?;
        let lag = oldest.and_then(|oldest| Duration::try_from(now.duration_since(oldest)).ok());
        metrics.lag(name, lag.unwrap_or_default());
    }
    Ok(())
}
