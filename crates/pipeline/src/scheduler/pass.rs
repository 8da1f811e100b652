//! What is the same for all pipelines that are looked at together.

use std::time::Duration;

use jiff::Timestamp;

use super::decide::Decision;
use crate::{Catalog, Clock, Fate, Ledger, Loaded, RunError, RunRecord, SlotEntry, new_run_id};

/// What is the same for all pipelines of one pass.
pub(super) struct Pass<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) catalog: &'a dyn Catalog,
    pub(super) loaded: &'a Loaded,
    pub(super) now: Timestamp,
    pub(super) grace: Duration,
}

impl Pass<'_> {
    pub(super) fn has(&self, pipeline: &str) -> bool {
        self.loaded.pipelines.iter().any(|found| found.name == pipeline)
    }

    /// Decides about a slot, unless someone has.
    pub(super) async fn claim(
        &self,
        pipeline: &str,
        slot: Timestamp,
        schedule: u64,
        decision: Decision,
    ) -> Result<Fate, RunError> {
        let fate = match decision {
            Decision::Run { late } => Fate::Run { run_id: new_run_id(&At(self.now)), late },
            Decision::Skipped(reason) => Fate::Skipped { reason },
            Decision::Missed(reason) => Fate::Missed { reason },
        };
        let holds = self
            .ledger
            .decide(pipeline, slot, SlotEntry { fate: fate.clone(), at: self.now, schedule, backfill: None })
            .await?;
        if holds == fate {
            self.catalog.slot_decided(pipeline, slot, &fate);
        }
        Ok(holds)
    }

    /// Ends a run that others began; `false` where its owner went on with it since it was read.
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
