//! What commands work with: the project, the engine, the lake.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tranche_pipeline::{Clock, Ledger, SystemClock};
use tranche_project::{MemoryLimit, Problems, Project, instant};
use tranche_sql::{Engine, EngineOptions, Session, Tables, machine_memory_bytes};
use tranche_store::{Lake, Storage};

use crate::args::Global;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::steps::Steps;
use crate::workspace::Workspace;

/// An instant after every refresh: what is asked without a clock is asked of the latest.
const LATEST: &str = "9999-01-01T00:00:00Z";

/// A project's definitions with the engine that runs them.
pub(crate) struct Workbench {
    pub(crate) global: Global,
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) engine: Engine,
    pub(crate) storage: Arc<Storage>,
    pub(crate) folder: PathBuf,
}

impl Workbench {
    /// Reads the project that the flags name.
    pub(crate) fn open(global: &Global) -> Result<Self, Failure> {
        Self::with_project(global, Project::read(&global.project)?)
    }

    /// The same with the definitions of another day.
    pub(crate) fn with_project(global: &Global, project: Project) -> Result<Self, Failure> {
        let workspace = Workspace::read(project);
        let limit = workspace.settings.memory.unwrap_or(MemoryLimit::Share(0.5));
        let memory_bytes = usize::try_from(limit.bytes(machine_memory_bytes())).unwrap_or(usize::MAX);
        let engine = Engine::new(&EngineOptions { memory_bytes, ..EngineOptions::default() })?;
        let storage = Arc::new(Storage::new(storage_options(&workspace)));
        Ok(Self {
            global: global.clone(),
            workspace: Arc::new(workspace),
            engine,
            storage,
            folder: global.project.clone(),
        })
    }

    /// The same with other definitions, sharing the engine and its memory.
    pub(crate) fn with_definitions(&self, project: Project) -> Self {
        let workspace = Workspace::read(project);
        let storage = Arc::new(Storage::new(storage_options(&workspace)));
        let (global, engine, folder) = (self.global.clone(), self.engine.clone(), self.folder.clone());
        Self { global, workspace: Arc::new(workspace), engine, storage, folder }
    }

    /// What does the work of a run's steps.
    pub(crate) fn steps(&self, progress: Progress) -> Result<Steps, Failure> {
        Ok(Steps {
            workspace: Arc::clone(&self.workspace),
            engine: self.engine.clone(),
            storage: Arc::clone(&self.storage),
            lake: self.lake()?,
            folder: self.folder.clone(),
            started_at: SystemClock.now(),
            progress,
        })
    }

    /// Fails with every problem of the definitions, if there is one.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        self.workspace.check(&self.engine).await
    }

    /// Fails with the problems of one file, if it has any: a question about one definition need not wait for the others.
    pub(crate) async fn check_file(&self, path: &str) -> Result<(), Failure> {
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
    pub(crate) fn lake(&self) -> Result<Lake, Failure> {
        let here = PathBuf::from(".");
        let (location, base) = match &self.global.lake {
            Some(location) => (location.as_str(), &here),
            None => (self.workspace.settings.lake.as_str(), &self.folder),
        };
        Ok(Lake::open(&self.storage, location, base)?)
    }

    /// The ledger of runs in a lake.
    pub(crate) fn ledger(lake: &Lake) -> Ledger {
        Ledger::new(lake.objects())
    }

    /// An instant that someone typed, in the project's time zone.
    pub(crate) fn instant(&self, text: &str) -> Result<Timestamp, Failure> {
        instant::parse(text, &self.workspace.settings.timezone).map_err(Failure::definition)
    }

    /// The instant that someone typed, or one after every refresh.
    pub(crate) fn instant_or_latest(&self, text: Option<&str>) -> Result<Timestamp, Failure> {
        self.instant(text.unwrap_or(LATEST))
    }

    /// The instant that someone typed, or that of the last refresh of an entity's segments, or now before there was one.
    pub(crate) async fn instant_or_last_refresh(
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
    pub(crate) async fn tables(&self, lake: &Lake) -> Result<Tables, Failure> {
        Ok(Tables::open(lake, self.workspace.contracts.values()).await?)
    }

    /// A session at an instant, in which every contract is registered with its data.
    pub(crate) async fn session(&self, lake: &Lake, as_of: Timestamp) -> Result<Session, Failure> {
        Ok(self.engine.session_over(&self.tables(lake).await?, as_of).await?)
    }
}

/// Options of object stores: from tranche.yaml, and above them from the environment, where credentials belong.
fn storage_options(workspace: &Workspace) -> BTreeMap<String, String> {
    let mut options = workspace.settings.storage.clone();
    let ours = |key: &str| ["aws_", "google_", "azure_"].iter().any(|prefix| key.starts_with(prefix));
    for (key, value) in std::env::vars() {
        let key = key.to_lowercase();
        if ours(&key) {
            options.insert(key, value);
        }
    }
    // A test server or a gateway inside a network speaks plain HTTP; whoever names it so means it.
    if options
        .get("aws_endpoint")
        .or(options.get("aws_endpoint_url"))
        .is_some_and(|url| url.starts_with("http://"))
    {
        options.entry("aws_allow_http".to_owned()).or_insert_with(|| "true".to_owned());
    }
    options
}
