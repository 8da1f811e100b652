//! What the scheduler needs to know of a project.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Fate, Ledger, Observer, Pipeline, RunError, SourceFiles, StepRunner};

/// A project's pipelines, as they are now and as they were when a run began.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The pipelines as they were last loaded.
    fn current(&self) -> Loaded;

    /// Keeps the definitions that were last loaded in the ledger, and says under which hash.
    async fn pin(&self, ledger: &Ledger) -> Result<String, RunError>;

    /// What is needed to run a pipeline with the definitions of this hash.
    async fn equip(&self, ledger: &Ledger, definitions: &str, pipeline: &str) -> Result<Equipment, RunError>;

    /// The files of a source of a pipeline as they are now; `None` when there are none.
    async fn source_files(&self, pipeline: &str, source: &str) -> Result<Option<SourceFiles>, RunError> {
        let _ = (pipeline, source);
        Ok(None)
    }

    /// A slot was decided, by this process.
    fn slot_decided(&self, pipeline: &str, slot: Timestamp, fate: &Fate) {
        let _ = (pipeline, slot, fate);
    }
}

/// A project's pipelines.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Another number for each time that definitions changed.
    pub edition: u64,
    /// All of them, with and without schedules.
    pub pipelines: Arc<Vec<Pipeline>>,
}

/// What is needed to run a pipeline.
pub struct Equipment {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Does the work of its steps.
    pub runner: Box<dyn StepRunner>,
    /// Watches.
    pub observer: Box<dyn Observer>,
}
