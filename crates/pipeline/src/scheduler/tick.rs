//! One look of the scheduler at all pipelines.

use std::time::Duration;

use jiff::Timestamp;

use super::catalog::{Catalog, LoadedPipelines};
use super::decide::Decision;
use crate::clock::{Clock, new_run_id};
use crate::error::RunError;
use crate::ledger::{Ledger, RunRecord, SlotDecision, SlotEntry};

/// What all pipelines of one tick share.
pub(super) struct Tick<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) catalog: &'a dyn Catalog,
    pub(super) loaded: &'a LoadedPipelines,
    pub(super) now: Timestamp,
    pub(super) grace: Duration,
}

impl Tick<'_> {
    pub(super) fn has(&self, pipeline: &str) -> bool {
        self.loaded.pipelines.iter().any(|found| found.name == pipeline)
    }

    /// Decides about a slot, unless another process has.
    pub(super) async fn claim(
        &self,
        pipeline: &str,
        slot: Timestamp,
        schedule: u64,
        decision: Decision,
    ) -> Result<SlotDecision, RunError> {
        let decision = match decision {
            Decision::Run { late } => SlotDecision::Run { run_id: new_run_id(&At(self.now)), late },
            Decision::Skipped(reason) => SlotDecision::Skipped { reason },
            Decision::Missed(reason) => SlotDecision::Missed { reason },
        };
        let holds = self
            .ledger
            .decide(
                pipeline,
                slot,
                SlotEntry { decision: decision.clone(), at: self.now, schedule, backfill: None },
            )
            .await?;
        if holds == decision {
            self.catalog.slot_decided(pipeline, slot, &decision);
        }
        Ok(holds)
    }

    /// Ends a run of another process; `false` where its owner has continued it since it was read.
    pub(super) async fn end(&self, record: &RunRecord, message: &str) -> Result<bool, RunError> {
        match self.ledger.end(record.clone(), message, self.now).await {
            Ok(()) => Ok(true),
            Err(RunError::Taken { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}
