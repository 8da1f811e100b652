//! Running a slot: with the current definitions when its run has not begun, with those of its run otherwise.

use jiff::Timestamp;

use super::catalog::Catalog;
use crate::clock::Clock;
use crate::error::RunError;
use crate::ledger::{Event, Ledger, RunRecord, RunStatus, Started};
use crate::run::{RunPlan, Stop, execute};

/// A run of a slot that is to be begun or resumed.
pub(crate) struct SlotRun {
    pub(crate) slot: Timestamp,
    pub(crate) run_id: String,
    /// The entry of the slot's log that asks for it.
    pub(crate) restatement: u64,
    /// The run to resume; `None` for one that has not begun.
    pub(crate) resumes: Option<RunRecord>,
}

/// Runs a slot to its end, as [`execute`] does.
pub(crate) async fn run_slot(
    ledger: &Ledger,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    pipeline: &str,
    run: SlotRun,
    stop: Stop,
) -> Result<RunRecord, RunError> {
    let Some(record) = run.resumes else {
        let definitions = catalog.pin(ledger).await?;
        let resources = match catalog.prepare_run(ledger, &definitions, pipeline).await {
            Ok(resources) => resources,
            // No process can begin it.
            Err(error @ RunError::Definitions { .. }) => {
                let at = clock.now();
                let started = Started {
                    run_id: run.run_id,
                    pipeline: pipeline.to_owned(),
                    slot: Some(run.slot),
                    as_of: run.slot,
                    full: false,
                    restatement: run.restatement,
                    definitions,
                    steps: Vec::new(),
                    at,
                };
                let mut log = ledger.start(started).await?;
                log.append(Event::Ended { status: RunStatus::Failed, message: Some(error.to_string()), at })
                    .await?;
                return Ok(log.record().clone());
            }
            Err(error) => return Err(error),
        };
        let plan = RunPlan {
            run_id: run.run_id,
            pipeline: resources.pipeline,
            slot: Some(run.slot),
            as_of: run.slot,
            full: false,
            restatement: run.restatement,
            definitions,
            resumes: None,
        };
        return execute(&plan, resources.runner.as_ref(), ledger, resources.observer.as_ref(), clock, stop)
            .await;
    };
    match catalog.prepare_run(ledger, &record.definitions, pipeline).await {
        Ok(resources) => {
            let plan = RunPlan::resume(resources.pipeline, record);
            execute(&plan, resources.runner.as_ref(), ledger, resources.observer.as_ref(), clock, stop).await
        }
        // No process can resume it.
        Err(
            error @ (RunError::MissingDefinitions { .. }
            | RunError::Definitions { .. }
            | RunError::Damaged { .. }),
        ) => {
            ledger.end(record, &error.to_string(), clock.now()).await?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}
