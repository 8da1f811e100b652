//! One run that someone asked for, observed like those of the scheduler.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tranche_pipeline::{Ledger, Observer, RunPlan, RunReport, SystemClock, execute};
use tranche_workspace::{Failure, Progress, Tranche};

use crate::observers::RunObservers;

/// Notifications of a run that someone asked for have no limit but their own.
const NO_LIMIT: Duration = Duration::from_secs(86_400);

/// Where a run that someone asked for is shown.
pub struct RunDisplay {
    /// Shows the run's events.
    pub observer: Box<dyn Observer>,
    /// Shows how far its steps are.
    pub progress: Arc<dyn Progress>,
}

/// Executes a plan until it ends or `cancel` stops it cleanly; returns when everything that observes it has been sent.
///
/// # Errors
/// [`Failure`] when the lake's location is not one, or the ledger fails. A step that fails is in the report.
pub async fn run_now(
    plan: &RunPlan,
    tranche: &Tranche,
    ledger: &Ledger,
    display: RunDisplay,
    cancel: CancellationToken,
) -> Result<RunReport, Failure> {
    let observers = RunObservers::default();
    let steps = tranche.steps(display.progress)?;
    let observer = observers.observe(&plan.pipeline, tranche, display.observer).await?;
    let report = execute(plan, &steps, ledger, &*observer, &SystemClock, cancel).await;
    drop(observer);
    observers.close(tranche, NO_LIMIT).await;
    Ok(report?)
}
