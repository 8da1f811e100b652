//! Past slots of a pipeline, run as the scheduler would.

use std::sync::Arc;

use tranche_pipeline::backfill::{Backfill, run_backfill};
use tranche_pipeline::{RunStatus, Stop, SystemClock};
use tranche_workspace::queries::backfills::BackfillRow;
use tranche_workspace::{Failure, Tranche};

use crate::catalog::ProjectCatalog;
use crate::console::Console;
use crate::run_now::LEASE;
use crate::shutdown::{SHUTDOWN_TIMEOUT, drain_on_signal};

/// Runs a backfill until its slots are done or a signal asks the process to end; returns how far it came.
///
/// # Errors
/// [`Failure`] when the ledger fails.
pub async fn backfill(
    backfill: &Backfill,
    tranche: Tranche,
    console: Arc<dyn Console>,
) -> Result<BackfillRow, Failure> {
    let ledger = tranche.ledger()?.with_lease(LEASE);
    let catalog = ProjectCatalog::new(tranche, Arc::clone(&console));
    let stop = Stop::default();
    let (drain, to_listener) = (stop.drain.clone(), Arc::clone(&console));
    let listener = tokio::spawn(async move { drain_on_signal(drain, &*to_listener).await });
    let slot_done = |slot, status: RunStatus| console.line(&format!("{slot} {status}"));
    let progress = run_backfill(backfill, &ledger, &catalog, &SystemClock, stop, &slot_done).await;
    catalog.observers.close(&catalog.tranche(), SHUTDOWN_TIMEOUT).await;
    listener.abort();
    Ok(BackfillRow::new(backfill, progress?))
}
