//! The handle of everything: a project's definitions, the engine that runs them, and the lake they are about.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_pipeline::{Clock, Ledger, Pipeline, SystemClock};
use tranche_project::{MemoryLimit, Problems, Project, instant};
use tranche_sql::{Engine, EngineOptions, Session, StatementLimits, Tables, machine_memory_bytes};
use tranche_store::{Lake, Storage};

use crate::action::{Actions, Resources};
use crate::actions;
use crate::check::{SampleFiles, check};
use crate::definitions::{ProjectDefinitions, read};
use crate::failure::Failure;
use crate::lineage::{Datasets, LineageScope};
use crate::runner::ActionRunner;

/// An instant after every refresh: a question without an instant is asked of the latest.
const LATEST: &str = "9999-01-01T00:00:00Z";

/// How large a statement of these definitions may be.
fn limits_of(definitions: &ProjectDefinitions) -> StatementLimits {
    let limits = &definitions.settings.limits;
    StatementLimits {
        terms: limits.sql_terms,
        depth: limits.sql_depth,
        value_bytes: limits.value_bytes,
        planning: Duration::from_secs(limits.check_seconds),
    }
}

/// Where a project is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The project's folder.
    pub folder: PathBuf,
    /// The lake, instead of the one in tranche.yaml: a folder relative to the working directory, or a URL.
    pub lake: Option<String>,
}

/// A project's definitions with the engine that runs them.
pub struct Tranche {
    /// Where the project is.
    pub place: Place,
    /// Every definition of the project.
    pub definitions: Arc<ProjectDefinitions>,
    /// The engine, whose memory all of its sessions share.
    pub engine: Engine,
    /// The object stores, with credentials.
    pub storage: Arc<Storage>,
    /// The kinds of steps there are.
    pub actions: Actions,
}

impl Tranche {
    /// Reads a project.
    ///
    /// # Errors
    /// [`Failure`] when there is no project, or it cannot be read. What is wrong in its definitions is left to [`Tranche::check`].
    pub fn open(place: &Place) -> Result<Self, Failure> {
        Self::with_project(place, Project::read(&place.folder)?, actions::standard())
    }

    /// A project whose files were read before, with the kinds of steps that it may have.
    ///
    /// # Errors
    /// [`Failure`] when the engine cannot be started.
    pub fn with_project(place: &Place, project: Project, actions: Actions) -> Result<Self, Failure> {
        let definitions = read(project, &actions.names());
        let limit = definitions.settings.memory.unwrap_or(MemoryLimit::Share(0.5));
        let memory_bytes = usize::try_from(limit.bytes(machine_memory_bytes())).unwrap_or(usize::MAX);
        limits_of(&definitions).apply();
        let engine = Engine::new(&EngineOptions { memory_bytes, ..EngineOptions::default() })?;
        let storage = Arc::new(Storage::new(storage_options(&definitions)));
        Ok(Self { place: place.clone(), definitions: Arc::new(definitions), engine, storage, actions })
    }

    /// The same with other definitions, sharing the engine and its memory.
    #[must_use]
    pub fn with_definitions(&self, project: Project) -> Self {
        let definitions = read(project, &self.actions.names());
        let storage = Arc::new(Storage::new(storage_options(&definitions)));
        let (place, engine, actions) = (self.place.clone(), self.engine.clone(), self.actions.clone());
        Self { place, definitions: Arc::new(definitions), engine, storage, actions }
    }

    /// The same project as its files are now.
    ///
    /// # Errors
    /// [`Failure`] when the project cannot be read.
    pub fn reread(&self) -> Result<Self, Failure> {
        Ok(self.with_definitions(Project::read(&self.place.folder)?))
    }

    /// What does the work of a run's steps.
    ///
    /// # Errors
    /// [`Failure`] when the lake's location is not one.
    pub fn runner(&self) -> Result<ActionRunner, Failure> {
        Ok(ActionRunner { resources: Arc::new(self.resources()?), actions: self.actions.clone() })
    }

    /// What steps share.
    pub(crate) fn resources(&self) -> Result<Resources, Failure> {
        Ok(Resources {
            definitions: Arc::clone(&self.definitions),
            engine: self.engine.clone(),
            storage: Arc::clone(&self.storage),
            lake: self.lake()?,
            folder: self.place.folder.clone(),
            started_at: SystemClock.now(),
        })
    }

    /// What every step of a pipeline reads and writes, by the step's id.
    ///
    /// # Errors
    /// [`Failure`] when there is no such pipeline, or the lake's location is not one.
    pub async fn datasets(&self, pipeline: &Pipeline) -> Result<IndexMap<String, Datasets>, Failure> {
        let lake = self.lake()?;
        let session = self.definitions.empty_session(&self.engine)?;
        let scope = LineageScope {
            lake: lake.url().as_str().trim_end_matches('/'),
            definitions: &self.definitions,
            pipeline: self.definitions.pipeline(&pipeline.name)?,
            session: &session,
        };
        let mut datasets = IndexMap::new();
        for step in &pipeline.steps {
            datasets.insert(step.id.clone(), self.actions.of(step)?.datasets(step, &scope).await?);
        }
        Ok(datasets)
    }

    /// Fails with every problem of the definitions, if there is one.
    pub async fn check(&self) -> Result<(), Failure> {
        check(&self.definitions, &self.actions, &self.engine, &SampleFiles::default()).await
    }

    /// The same for who is at work on the definitions: raw files on this machine tell the types of columns that are declared nowhere.
    pub async fn check_with_raw_files(&self) -> Result<(), Failure> {
        let samples = self.sample_files().await;
        check(&self.definitions, &self.actions, &self.engine, &samples).await
    }

    /// Fails with the problems of one file, if it has any: a question about one definition need not wait for the others.
    pub async fn check_file(&self, path: &str) -> Result<(), Failure> {
        let Err(failure) = self.check().await else { return Ok(()) };
        if failure.diagnostics.is_empty() {
            return Err(failure);
        }
        let mut problems = Problems::default();
        failure
            .diagnostics
            .into_iter()
            .filter(|problem| problem.file == path)
            .for_each(|problem| problems.push(problem));
        if problems.is_empty() { Ok(()) } else { Err(Failure::problems(problems)) }
    }

    /// The lake: that of `--lake`, relative to where we are, or that of tranche.yaml, relative to the project.
    pub fn lake(&self) -> Result<Lake, Failure> {
        let here = PathBuf::from(".");
        let (location, base) = match (&self.place.lake, &self.definitions.settings.lake) {
            (Some(location), _) => (location.as_str(), &here),
            (None, Some(location)) => (location.as_str(), &self.place.folder),
            (None, None) => {
                let problems = self.definitions.problems.clone();
                return Err(Failure::problems(problems.without(|problem| problem.file != "tranche.yaml")));
            }
        };
        Ok(Lake::open(&self.storage, location, base)?)
    }

    /// The ledger of runs in the lake.
    pub fn ledger(&self) -> Result<Ledger, Failure> {
        Ok(Ledger::new(self.lake()?.objects()))
    }

    /// An instant as typed, in the project's time zone.
    pub fn instant(&self, text: &str) -> Result<Timestamp, Failure> {
        instant::parse(text, &self.definitions.settings.timezone).map_err(Failure::definition)
    }

    /// The instant as typed, or one after every refresh.
    pub fn instant_or_latest(&self, text: Option<&str>) -> Result<Timestamp, Failure> {
        self.instant(text.unwrap_or(LATEST))
    }

    /// The instant as typed, or that of the last refresh of an entity's segments, or now before there was one.
    pub async fn instant_or_last_refresh(
        &self,
        text: Option<&str>,
        pipeline: &str,
        entity: &str,
        lake: &Lake,
    ) -> Result<Timestamp, Failure> {
        if let Some(text) = text {
            return self.instant(text);
        }
        let session = self.engine.session(Timestamp::UNIX_EPOCH);
        let last = tranche_segment::store::last_refresh(lake, &session, pipeline, entity).await?;
        Ok(last.unwrap_or_else(|| SystemClock.now()))
    }

    /// The contracts' tables as they are now.
    pub async fn tables(&self, lake: &Lake) -> Result<Tables, Failure> {
        self.definitions.tables(lake).await
    }

    /// A session at an instant, in which every contract is registered with its data.
    pub async fn session(&self, lake: &Lake, as_of: Timestamp) -> Result<Session, Failure> {
        Ok(self.engine.session_over(&self.tables(lake).await?, as_of).await?)
    }
}

/// Options of object stores: from tranche.yaml, and above them from the environment, where credentials belong.
fn storage_options(definitions: &ProjectDefinitions) -> BTreeMap<String, String> {
    let mut options = definitions.settings.storage.clone();
    let ours = |key: &str| ["aws_", "google_", "azure_"].iter().any(|prefix| key.starts_with(prefix));
    for (key, value) in std::env::vars() {
        let key = key.to_lowercase();
        if ours(&key) {
            options.insert(key, value);
        }
    }
    // A test server or a gateway inside a network speaks plain HTTP; an endpoint that is written so is meant so.
    if options
        .get("aws_endpoint")
        .or(options.get("aws_endpoint_url"))
        .is_some_and(|url| url.starts_with("http://"))
    {
        options.entry("aws_allow_http".to_owned()).or_insert_with(|| "true".to_owned());
    }
    options
}
