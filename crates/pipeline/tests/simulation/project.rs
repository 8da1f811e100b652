//! The projects of a simulation: pipelines by chance, and a catalog over them that reads the edition
//! it is given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use object_store::ObjectStore;
use tranche_pipeline::scheduler::{Catalog, LoadedPipelines, RunResources};
use tranche_pipeline::{Ledger, Pipeline, RunError};
use tranche_project::{Problems, Project, Settings};

use crate::random::Random;
use crate::store::Broken;
use crate::tables::{Effort, TableRunner};
use crate::world::World;

/// Zones with a change of the clock, and an evening before one.
pub(crate) const ZONES: [(&str, &str); 6] = [
    ("Europe/Berlin", "2026-03-28T20:00:00Z"),
    ("Europe/Berlin", "2026-10-24T20:00:00Z"),
    ("America/New_York", "2026-03-08T02:00:00Z"),
    ("America/New_York", "2026-11-01T02:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T10:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T10:00:00Z"),
];

/// A project by chance: `shop` on a clock, and sometimes `crm` on another, and `mail` after one or both.
pub(crate) fn project(random: &mut Random, zone: &str) -> Project {
    let mut files = BTreeMap::from([("tranche.yaml".to_owned(), "version: 1\n".to_owned())]);
    let crm = random.one_in(2);
    let mail = random.one_in(3);
    let mut pipeline = |name: &str, trigger: &str, random: &mut Random| {
        let catchup = *random.choose(&["none", "last", "all", "{all: {max: 3}}", "{all: {window: 1h}}"]);
        let overlap = *random.choose(&["skip", "queue", "cancel"]);
        let jitter = if random.one_in(4) { ", jitter: 3m" } else { "" };
        let concurrency = if random.one_in(4) { 2 } else { 1 };
        let text = format!(
            "version: 1
pipeline: {name}
concurrency: {concurrency}
schedule: {{{trigger}, catchup: {catchup}, overlap: {overlap}{jitter}}}
steps:
  - {{id: load, do: all, retries: {{max: 2, backoff: 5s}}}}
  - {{id: segments, do: all, needs: [load], retries: {{max: 2, backoff: 5s}}, timeout: 10m}}
  - {{id: tests, do: all, needs: [load]}}
"
        );
        files.insert(format!("pipelines/{name}/pipeline.yaml"), text);
    };
    let cron = |random: &mut Random| {
        let cron = *random.choose(&[
            "*/15 * * * *",
            "*/20 * * * *",
            "5,35 * * * *",
            "0 * * * *",
            "30 1,2,3,4,5,6 * * *",
        ]);
        format!("cron: '{cron}', timezone: {zone}")
    };
    let trigger = cron(random);
    pipeline("shop", &trigger, random);
    if crm {
        let trigger = cron(random);
        pipeline("crm", &trigger, random);
    }
    if mail {
        let trigger = if crm && random.one_in(2) { "after: [shop, crm]" } else { "after: [shop]" };
        pipeline("mail", trigger, random);
    }
    Project::from_files(files)
}

/// What a process has loaded.
pub(crate) struct SimulatedCatalog {
    pub(crate) world: Arc<World>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) effort: Effort,
    pub(crate) broken: Broken,
    loaded: Mutex<(u64, Project, Arc<Vec<Pipeline>>)>,
}

impl SimulatedCatalog {
    pub(crate) fn new(
        world: &Arc<World>,
        objects: &Arc<dyn ObjectStore>,
        effort: Effort,
        broken: Broken,
        project: &Project,
    ) -> Self {
        let loaded = Mutex::new((1, project.clone(), Arc::new(pipelines(project))));
        Self { world: Arc::clone(world), objects: Arc::clone(objects), effort, broken, loaded }
    }

    pub(crate) fn load(&self, project: &Project) {
        let mut loaded = self.loaded.lock().unwrap();
        *loaded = (loaded.0 + 1, project.clone(), Arc::new(pipelines(project)));
    }
}

pub(crate) fn pipelines(project: &Project) -> Vec<Pipeline> {
    let mut problems = Problems::default();
    let read = |name| Pipeline::read(project.manifest(name)?, &["do"], &Settings::default(), &mut problems);
    let pipelines: Vec<Pipeline> = project.pipelines().filter_map(read).collect();
    assert!(problems.is_empty(), "{problems:?}");
    pipelines
}

#[async_trait]
impl Catalog for SimulatedCatalog {
    fn current(&self) -> LoadedPipelines {
        let loaded = self.loaded.lock().unwrap();
        LoadedPipelines { revision: loaded.0, pipelines: Arc::clone(&loaded.2) }
    }

    async fn pin(&self, ledger: &Ledger) -> Result<String, RunError> {
        let project = self.loaded.lock().unwrap().1.clone();
        ledger.pin(&project).await
    }

    async fn prepare_run(
        &self,
        ledger: &Ledger,
        definitions: &str,
        pipeline: &str,
    ) -> Result<RunResources, RunError> {
        let project = ledger.definitions(definitions).await?;
        let pipeline = pipelines(&project).into_iter().find(|found| found.name == pipeline);
        let pipeline =
            pipeline.ok_or_else(|| RunError::Definitions { message: "no such pipeline".into() })?;
        let runner = TableRunner {
            world: Arc::clone(&self.world),
            objects: Arc::clone(&self.objects),
            effort: self.effort,
            broken: self.broken,
            seen: Mutex::default(),
        };
        Ok(RunResources { pipeline, runner: Box::new(runner), observer: Box::new(()) })
    }
}
