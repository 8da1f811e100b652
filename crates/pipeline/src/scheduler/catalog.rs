//! A project, as far as the scheduler needs it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::definition::Pipeline;
use crate::error::RunError;
use crate::ledger::{Ledger, SlotDecision};
use crate::run::{Observer, StepRunner};
use crate::schedule::{Calendar, SourceFiles, Trigger};

/// A project's pipelines, as they are now and as they were when a run began.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The pipelines as last loaded.
    fn current(&self) -> LoadedPipelines;

    /// Saves the definitions as last loaded in the ledger, and returns their hash.
    async fn pin(&self, ledger: &Ledger) -> Result<String, RunError>;

    /// What a run of a pipeline works with, by the definitions of this hash.
    async fn prepare_run(
        &self,
        ledger: &Ledger,
        definitions: &str,
        pipeline: &str,
    ) -> Result<RunResources, RunError>;

    /// The current files of a source of a pipeline; `None` when there are none.
    async fn source_files(&self, pipeline: &str, source: &str) -> Result<Option<SourceFiles>, RunError> {
        let _ = (pipeline, source);
        Ok(None)
    }

    /// This process has decided about a slot.
    fn slot_decided(&self, pipeline: &str, slot: Timestamp, decision: &SlotDecision) {
        let _ = (pipeline, slot, decision);
    }
}

/// A project's pipelines as last loaded.
#[derive(Debug, Clone)]
pub struct LoadedPipelines {
    /// A number that differs after each change of the definitions.
    pub revision: u64,
    /// All of them, with and without schedules.
    pub pipelines: Arc<Vec<Pipeline>>,
}

/// What a run works with.
pub struct RunResources {
    /// The pipeline, as it was in the definitions of the run.
    pub pipeline: Pipeline,
    /// Works on its steps.
    pub runner: Box<dyn StepRunner>,
    /// Receives its events.
    pub observer: Box<dyn Observer>,
}

impl LoadedPipelines {
    /// The calendars of all schedules that have one.
    pub(super) fn calendars(&self) -> Vec<&Calendar> {
        let schedules = self.pipelines.iter().flat_map(|pipeline| &pipeline.schedules);
        schedules
            .filter_map(|schedule| match &schedule.trigger {
                Trigger::Calendar(calendar) => Some(calendar.as_ref()),
                Trigger::After(_) | Trigger::NewFiles(_) => None,
            })
            .collect()
    }
}
