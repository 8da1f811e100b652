//! What a kind of step is: the [`Action`] that a step of a pipeline names, and all actions there are.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use tranche_pipeline::definition::Targets;
use tranche_pipeline::{Step, StepContext, StepOutcome};
use tranche_project::{Problems, SourceFile};
use tranche_sql::{Engine, Session, Tables};
use tranche_store::{Lake, Storage};

use crate::definitions::{PipelineDefinitions, ProjectDefinitions};
use crate::failure::Failure;
use crate::lineage::{Datasets, LineageScope};

/// A kind of step.
///
/// Everything that differs between kinds of steps is here, so that another kind is one implementation and one line in
/// [`actions`](crate::actions).
#[async_trait]
pub trait Action: Send + Sync {
    /// The key by which a step of `pipeline.yaml` names it, such as `ingest`.
    fn name(&self) -> &'static str;

    /// What the names that a step gives it are names of, such as `source`.
    fn target(&self) -> &'static str;

    /// Whether a pipeline defines a target of this name.
    fn has_target(&self, name: &str, pipeline: &PipelineDefinitions) -> bool;

    /// Reports what is wrong with a step of `file`; no data is read. Unless an action says otherwise: names without a target.
    fn check(&self, step: &Step, pipeline: &PipelineDefinitions, file: &SourceFile, problems: &mut Problems) {
        let Targets::Named(names) = &step.targets else { return };
        for name in names.iter().filter(|name| !self.has_target(&name.value, pipeline)) {
            problems.report(file, name.referenced, format!("there is no {} `{}`", self.target(), name.value));
        }
    }

    /// What a step reads and writes, for catalogues of lineage. Its own earlier results do not count.
    async fn datasets(&self, step: &Step, scope: &LineageScope<'_>) -> Result<Datasets, Failure>;

    /// Does the work of a step. It may be stopped at any await point and run again: its commits are bound to the transaction of
    /// the context, so that they happen once.
    async fn run(&self, step: &Step, context: &ActionContext<'_>) -> Result<StepOutcome, Failure>;
}

/// What the steps of a run share.
pub struct Resources {
    /// Every definition of the project.
    pub definitions: Arc<ProjectDefinitions>,
    /// The engine, whose memory all of its sessions share.
    pub engine: Engine,
    /// The object stores of sources.
    pub storage: Arc<Storage>,
    /// The lake.
    pub lake: Lake,
    /// The project's folder, which paths of local sources are relative to.
    pub folder: PathBuf,
    /// When the run, or this process's part of it, began.
    pub started_at: Timestamp,
}

impl Resources {
    /// The contracts' tables as they are now, and a session over them at an instant.
    ///
    /// # Errors
    /// [`Failure`] when a table cannot be opened.
    pub async fn session(&self, as_of: Timestamp) -> Result<(Session, Tables), Failure> {
        let tables = self.definitions.tables(&self.lake).await?;
        Ok((self.engine.session_over(&tables, as_of).await?, tables))
    }
}

/// What one step works with.
pub struct ActionContext<'a> {
    /// What it shares with the other steps.
    pub resources: &'a Resources,
    /// The definitions of its pipeline.
    pub pipeline: &'a PipelineDefinitions,
    /// Its run, and where it reports its progress.
    pub run: &'a StepContext,
}

/// The definitions that a step is about, each once: those that it names, in its order, or all.
pub fn targets<'a, T>(step: &Step, all: &'a IndexMap<String, T>) -> Vec<&'a T> {
    match &step.targets {
        Targets::All => all.values().collect(),
        Targets::Named(names) => {
            let names: IndexSet<&str> = names.iter().map(|name| name.value.as_str()).collect();
            names.into_iter().filter_map(|name| all.get(name)).collect()
        }
    }
}

/// All actions that a pipeline's steps may name.
#[derive(Clone, Default)]
pub struct Actions(Vec<Arc<dyn Action>>);

impl Actions {
    /// With another action.
    #[must_use]
    pub fn with(mut self, action: impl Action + 'static) -> Self {
        self.0.push(Arc::new(action));
        self
    }

    /// Their names, in the order in which they were registered.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|action| action.name()).collect()
    }

    /// The action of a step.
    ///
    /// # Errors
    /// [`Failure`] when there is none of its name.
    pub fn of(&self, step: &Step) -> Result<&dyn Action, Failure> {
        let found = self.0.iter().find(|action| action.name() == step.action);
        found.map(|action| &**action).ok_or_else(|| {
            let known = self.names().join(", ");
            Failure::definition(format!("there is no action `{}`; there are {known}", step.action))
        })
    }
}
