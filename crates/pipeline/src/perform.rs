//! Running a slot: with today's definitions when nobody has begun, with those of its run otherwise.

use jiff::Timestamp;

use crate::{
    Catalog, Clock, Event, Ledger, RunError, RunPlan, RunRecord, RunReport, RunStatus, Started, Stop, execute,
};

/// A run of a slot that is to be begun, or gone on with.
pub(crate) struct SlotRun {
    pub(crate) slot: Timestamp,
    pub(crate) run_id: String,
    /// The entry of the slot's log that asks for it.
    pub(crate) restatement: u64,
    /// The run to go on with; `None` for one that nobody has begun.
    pub(crate) resumes: Option<RunRecord>,
}

/// Runs a slot to its end, as [`execute`] does.
pub(crate) async fn perform(
    ledger: &Ledger,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    pipeline: &str,
    run: SlotRun,
    stop: Stop,
) -> Result<RunReport, RunError> {
    let Some(record) = run.resumes else {
        let definitions = catalog.pin(ledger).await?;
        let equipment = match catalog.equip(ledger, &definitions, pipeline).await {
            Ok(equipment) => equipment,
            // Nobody can begin it.
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
                return Ok(RunReport::from(log.record()));
            }
            Err(error) => return Err(error),
        };
        let plan = RunPlan {
            run_id: run.run_id,
            pipeline: equipment.pipeline,
            slot: Some(run.slot),
            as_of: run.slot,
            full: false,
            restatement: run.restatement,
            definitions,
            resumes: None,
        };
        return execute(&plan, equipment.runner.as_ref(), ledger, equipment.observer.as_ref(), clock, stop)
            .await;
    };
    match catalog.equip(ledger, &record.definitions, pipeline).await {
        Ok(equipment) => {
            let plan = RunPlan::resume(equipment.pipeline, record);
            execute(&plan, equipment.runner.as_ref(), ledger, equipment.observer.as_ref(), clock, stop).await
        }
        // Nobody can go on with it.
        Err(
            error @ (RunError::Unpinned { .. } | RunError::Definitions { .. } | RunError::Damaged { .. }),
        ) => {
            ledger.end(record, &error.to_string(), clock.now()).await?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}
