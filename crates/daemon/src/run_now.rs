//! One run that a person started, observed like those of the scheduler.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tranche_pipeline::ledger::{LeaseWatch, Liveness};
use tranche_pipeline::{
    Clock, FailureClass, Ledger, Observer, Pipeline, RunPlan, RunRecord, RunStatus, SystemClock, execute,
    new_run_id,
};
use tranche_workspace::queries::runs::full_id;
use tranche_workspace::{Failure, Tranche};

use crate::observers::RunObservers;
use crate::shutdown::cancel_on_signal;

/// After how long a silence a run that a person started counts as dead: resuming it waits for that long.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// How often the lease of a run that may be active is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);
/// Notifications of a run that a person started have no limit but their own.
const NO_LIMIT: Duration = Duration::from_secs(86_400);

/// The subject of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunRequest<'a> {
    /// The pipeline.
    pub pipeline: &'a str,
    /// The logical instant of the results; that of the latest slot, or now, where there is none.
    pub as_of: Option<&'a str>,
    /// Whether everything is recomputed.
    pub full: bool,
}

/// Runs a pipeline until it ends or a signal stops it cleanly, and shows its events on `display`; returns when everything that observes
/// it has been sent.
///
/// # Errors
/// [`Failure`] when there is no such pipeline, a definition has a problem, or the ledger fails. A step that fails is in the report.
pub async fn run_now(
    tranche: &Tranche,
    request: &RunRequest<'_>,
    display: Box<dyn Observer>,
) -> Result<RunRecord, Failure> {
    let name = request.pipeline;
    tranche.definitions.pipeline(name)?;
    tranche.check().await?;
    let pipeline = steps_of(tranche, name)?;
    let now = SystemClock.now();
    let as_of = match request.as_of {
        Some(text) => tranche.instant(text)?,
        None => pipeline.latest_slot(now).unwrap_or(now),
    };
    let ledger = tranche.ledger()?.with_lease(LEASE);
    let plan = RunPlan {
        run_id: new_run_id(&SystemClock),
        pipeline,
        slot: None,
        as_of,
        full: request.full,
        restatement: 0,
        definitions: ledger.pin(&tranche.definitions.project).await?,
        resumes: None,
    };
    perform(&plan, tranche, &ledger, display).await
}

/// Continues the run whose id begins with `run`, with the definitions that it started with. A run that may be active is waited for,
/// with a message to `note`, unless `force` takes it over.
///
/// # Errors
/// [`Failure`] when there is no such run, it is active, or the ledger fails.
pub async fn resume(
    tranche: &Tranche,
    run: &str,
    force: bool,
    note: &(dyn Fn(&str) + Send + Sync),
    display: Box<dyn Observer>,
) -> Result<RunRecord, Failure> {
    let ledger = tranche.ledger()?.with_lease(LEASE);
    let mut record = ledger.read(&full_id(run, &ledger).await?).await?;
    if record.status == RunStatus::Running && !force {
        wait_for_silence(&mut record, &ledger, note).await?;
    }
    let project = ledger.definitions(&record.definitions).await?;
    let pinned = Tranche::with_project(&tranche.place, project, tranche.actions.clone())?;
    let pipeline = steps_of(&pinned, &record.pipeline)?;
    perform(&RunPlan::resume(pipeline, record), &pinned, &ledger, display).await
}

fn steps_of(tranche: &Tranche, name: &str) -> Result<Pipeline, Failure> {
    let pipeline = tranche.definitions.pipeline(name)?.pipeline.clone();
    pipeline.ok_or_else(|| Failure::definition(format!("pipeline `{name}` has no steps")))
}

/// Watches a run until it is certain that no process works on it.
async fn wait_for_silence(
    record: &mut RunRecord,
    ledger: &Ledger,
    note: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), Failure> {
    let mut watch = LeaseWatch::begin();
    let mut is_noted = false;
    loop {
        let is_alive = match watch.look(ledger, &record.run_id).await? {
            Liveness::Dead => return Ok(()),
            Liveness::Alive => true,
            Liveness::Unknown => ledger.refresh(record).await?,
        };
        if is_alive {
            let advice =
                format!("run `{}` is active; to take it over all the same, add --force", record.run_id);
            return Err(Failure::definition(advice));
        }
        if !std::mem::replace(&mut is_noted, true) {
            note("the run may still be active; waiting for a heartbeat (--force takes it over at once)");
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

async fn perform(
    plan: &RunPlan,
    tranche: &Tranche,
    ledger: &Ledger,
    display: Box<dyn Observer>,
) -> Result<RunRecord, Failure> {
    let observers = RunObservers::default();
    let runner = tranche.runner()?;
    let observer = observers.observe(&plan.pipeline, tranche, display).await?;
    let cancel = CancellationToken::new();
    let listener = tokio::spawn(cancel_on_signal(cancel.clone(), || {}));
    let report = execute(plan, &runner, ledger, &*observer, &SystemClock, cancel).await;
    drop(observer);
    observers.close(tranche, NO_LIMIT).await;
    listener.abort();
    Ok(report?)
}

/// Who has to act first on a run that failed: an author before the data, the data before the storage.
#[must_use]
pub fn failure_class(report: &RunRecord) -> FailureClass {
    let failed = |class: FailureClass| report.steps.iter().any(|step| step.class == Some(class));
    let order = [
        FailureClass::Definition,
        FailureClass::Data,
        FailureClass::Internal,
        FailureClass::Timeout,
        FailureClass::Storage,
    ];
    order.into_iter().find(|class| failed(*class)).unwrap_or(FailureClass::Data)
}
