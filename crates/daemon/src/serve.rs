//! The daemon: runs due slots until it is asked to end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tranche_pipeline::scheduler::{CronWaker, SchedulerOptions, Totals};
use tranche_pipeline::{Scheduler, Stop, SystemClock};
use tranche_workspace::{Failure, Tranche};

use crate::catalog::ProjectCatalog;
use crate::console::Console;
use crate::shutdown::{SHUTDOWN_TIMEOUT, drain_on_signal};
use crate::telemetry::{look_forever, serve_monitoring};

/// How a daemon works.
#[derive(Debug, Clone, Copy)]
pub struct DaemonOptions {
    /// How many runs it works on at a time, at most.
    pub max_runs: usize,
    /// Whether it ends when nothing is left to do for now.
    pub once: bool,
    /// After how long a silence other daemons take a run over.
    pub lease: Duration,
    /// How long running steps may take to end once the daemon is asked to.
    pub drain_limit: Duration,
    /// Where it answers scrapes of metrics.
    pub metrics: Option<SocketAddr>,
}

/// Runs due slots until a signal asks the process to end, or once; returns what was done, or `None` when running steps took too
/// long to end.
///
/// # Errors
/// [`Failure`] of the definitions, of the lake, or of the address of metrics.
pub async fn serve(
    tranche: Tranche,
    options: DaemonOptions,
    console: Arc<dyn Console>,
) -> Result<Option<Totals>, Failure> {
    tranche.check().await?;
    let ledger = tranche.ledger()?.with_lease(options.lease);
    let catalog = ProjectCatalog::new(tranche, Arc::clone(&console));
    let stop = Stop::default();
    let (drain, to_listener) = (stop.drain.clone(), Arc::clone(&console));
    let listener = tokio::spawn(async move { drain_on_signal(drain, &*to_listener).await });
    let waker = CronWaker::start().await;
    let totals = {
        let DaemonOptions { max_runs, once, .. } = options;
        let scheduling = SchedulerOptions { max_runs, once, ..SchedulerOptions::default() };
        let scheduler = Scheduler::new(&ledger, &catalog, &SystemClock, scheduling);
        let scheduler = match &waker {
            Some(waker) => scheduler.woken_by(waker),
            None => scheduler,
        };
        tokio::select! {
            biased;
            totals = scheduler.run(stop.clone()) => Some(totals),
            () = catalog.reload_forever() => None,
            () = look_forever(&catalog, options.metrics.is_some()) => None,
            failure = serve_monitoring(options.metrics, &catalog, &*console) => return Err(failure),
            () = after_drain(&stop.drain, options.drain_limit) => None,
        }
    };
    // A signal from here on ends the process without waiting for receivers either.
    stop.drain.cancel();
    catalog.observers.close(&catalog.tranche(), SHUTDOWN_TIMEOUT).await;
    listener.abort();
    Ok(totals)
}

async fn after_drain(drain: &CancellationToken, limit: Duration) {
    drain.cancelled().await;
    tokio::time::sleep(limit).await;
}
