//! The project as the daemon sees it: loaded anew when its files change, and as it was when a run began.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tranche_observe::{Metrics, SlotEnd};
use tranche_pipeline::ledger::SlotDecision;
use tranche_pipeline::schedule::SourceFiles;
use tranche_pipeline::scheduler::{Catalog, LoadedPipelines, RunResources};
use tranche_pipeline::{Ledger, Observer, Pipeline, RunError};
use tranche_project::Project;
use tranche_store::list_matching;

use super::watch::Watcher;
use crate::failure::Failure;
use crate::lineage::sent;
use crate::output::note;
use crate::progress::Progress;
use crate::telling::{Untold, expect_messages};
use crate::watching::lineage_of;
use crate::workbench::Workbench;

/// How often the project's files are looked at.
const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// A project that is loaded anew when it changes. What is broken is refused, and the last good definitions go on.
pub(in crate::commands) struct ProjectCatalog {
    current: Mutex<Current>,
    /// What is measured of runs and slots, for whoever scrapes it.
    pub(super) metrics: Metrics,
    /// The runs that people have yet to be told of.
    pub(super) untold: Untold,
    /// The tasks that send the lineage of runs.
    sending: Mutex<Vec<JoinHandle<()>>>,
}

struct Current {
    edition: u64,
    bench: Arc<Workbench>,
    pipelines: Arc<Vec<Pipeline>>,
    /// The hash under which the ledger keeps the definitions, once it does.
    pinned: Option<String>,
    /// The last project that was refused, so that it is refused once.
    refused: Option<Project>,
}

impl ProjectCatalog {
    /// The catalog of a project whose definitions were checked.
    pub(in crate::commands) fn new(bench: Workbench) -> Self {
        let pipelines = Arc::new(pipelines_of(&bench));
        let current = Current { edition: 1, bench: Arc::new(bench), pipelines, pinned: None, refused: None };
        Self {
            current: Mutex::new(current),
            metrics: Metrics::default(),
            untold: Untold::default(),
            sending: Mutex::default(),
        }
    }

    /// Loads the project anew whenever its files change.
    pub(super) async fn reload_forever(&self) {
        let folder = self.bench().global.project.clone();
        let mut seen = Fingerprint::of(&folder);
        loop {
            sleep(RELOAD_EVERY).await;
            let found = Fingerprint::of(&folder);
            if found == seen {
                continue;
            }
            seen = found;
            if let Err(failure) = self.reload().await {
                for problem in &failure.diagnostics {
                    let _ = note(&format!("{problem}\n"));
                }
                let _ = note(&format!(
                    "the changed definitions are refused, those of before go on: {}",
                    failure.message
                ));
            }
        }
    }

    async fn reload(&self) -> Result<(), Failure> {
        let bench = self.bench();
        let project = Project::read(&bench.global.project)?;
        let is_known = |current: &Current| {
            current.bench.workspace.project == project || current.refused.as_ref() == Some(&project)
        };
        if is_known(&self.lock()) {
            return Ok(());
        }
        let loaded = bench.with_definitions(project.clone());
        let accepted = match unchangeable(&bench, &loaded) {
            Some(key) => Err(Failure::definition(format!(
                "`{key}` of tranche.yaml changed: restart the daemon for that"
            ))),
            None => loaded.check().await,
        };
        if let Err(failure) = accepted {
            self.lock().refused = Some(project);
            return Err(failure);
        }
        let pipelines = Arc::new(pipelines_of(&loaded));
        let mut current = self.lock();
        (current.edition, current.pipelines) = (current.edition + 1, pipelines);
        (current.pinned, current.refused) = (None, None);
        current.bench = Arc::new(loaded);
        note("the definitions changed: runs that begin from now on use them")
    }

    /// Waits until the lineage of runs that are over is sent, within a limit.
    pub(super) async fn lineage_sent(&self) {
        let sending = std::mem::take(&mut *self.sending.lock().unwrap_or_else(PoisonError::into_inner));
        sent(sending).await;
    }

    fn keep_sending(&self, task: JoinHandle<()>) {
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        sending.retain(|task| !task.is_finished());
        sending.push(task);
    }

    /// The definitions that were loaded last, when these are they.
    fn bench_of(&self, definitions: &str) -> Option<Arc<Workbench>> {
        let current = self.lock();
        (current.pinned.as_deref() == Some(definitions)).then(|| Arc::clone(&current.bench))
    }

    /// The definitions that were loaded last.
    pub(super) fn bench(&self) -> Arc<Workbench> {
        Arc::clone(&self.lock().bench)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The setting that another project has otherwise, of those that a process has one of: the ledger is in the lake, and the engine has its
/// memory.
fn unchangeable(ours: &Workbench, theirs: &Workbench) -> Option<&'static str> {
    let (has_flag, ours, theirs) =
        (ours.global.lake.is_some(), &ours.workspace.settings, &theirs.workspace.settings);
    let differ = [
        ("lake", !has_flag && ours.lake != theirs.lake),
        ("storage", ours.storage != theirs.storage),
        ("memory", ours.memory != theirs.memory),
    ];
    differ.into_iter().find_map(|(key, differs)| differs.then_some(key))
}

/// The names, sizes and dates of a project's files: as long as they are the same, so is what is in them.
#[derive(PartialEq, Eq)]
struct Fingerprint(BTreeMap<PathBuf, (u64, Option<SystemTime>)>);

impl Fingerprint {
    fn of(project: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut rest = ["tranche.yaml", "schemas", "pipelines"].map(|name| project.join(name)).to_vec();
        while let Some(path) = rest.pop() {
            // What cannot be read is missed when the project is loaded.
            let Ok(found) = std::fs::metadata(&path) else { continue };
            if found.is_dir() {
                rest.extend(
                    std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()),
                );
            } else {
                files.insert(path, (found.len(), found.modified().ok()));
            }
        }
        Self(files)
    }
}

fn pipelines_of(bench: &Workbench) -> Vec<Pipeline> {
    bench.workspace.pipelines.values().filter_map(|definitions| definitions.pipeline.clone()).collect()
}

#[async_trait]
impl Catalog for ProjectCatalog {
    fn current(&self) -> LoadedPipelines {
        let current = self.lock();
        LoadedPipelines { revision: current.edition, pipelines: Arc::clone(&current.pipelines) }
    }

    async fn pin(&self, ledger: &Ledger) -> Result<String, RunError> {
        let (edition, bench) = {
            let current = self.lock();
            if let Some(hash) = &current.pinned {
                return Ok(hash.clone());
            }
            (current.edition, Arc::clone(&current.bench))
        };
        let hash = ledger.pin(&bench.workspace.project).await?;
        let mut current = self.lock();
        if current.edition == edition {
            current.pinned = Some(hash.clone());
        }
        Ok(hash)
    }

    async fn prepare_run(
        &self,
        ledger: &Ledger,
        definitions: &str,
        pipeline: &str,
    ) -> Result<RunResources, RunError> {
        let bench = match self.bench_of(definitions) {
            Some(bench) => bench,
            None => Arc::new(self.bench().with_definitions(ledger.definitions(definitions).await?)),
        };
        let wrong = |failure: Failure| RunError::Definitions { message: failure.message };
        let found = bench.workspace.pipeline(pipeline).map_err(wrong)?.pipeline.clone();
        let message = format!("the definitions of pipeline `{pipeline}` cannot be read");
        let found = found.ok_or(RunError::Definitions { message })?;
        let runner = Box::new(bench.steps(Progress::quiet()).map_err(wrong)?);
        let mut observers: Vec<Box<dyn Observer>> = vec![
            Box::new(Watcher::new(pipeline)),
            Box::new(self.metrics.watch(pipeline)),
            Box::new(self.untold.clone()),
        ];
        let lake = bench.lake().map_err(wrong)?;
        expect_messages(&self.bench().workspace, &lake).await;
        if let Some((lineage, sending)) = lineage_of(&found, &bench, &lake).await.map_err(wrong)? {
            observers.push(Box::new(lineage));
            self.keep_sending(sending);
        }
        Ok(RunResources { pipeline: found, runner, observer: Box::new(observers) })
    }

    async fn source_files(&self, pipeline: &str, source: &str) -> Result<Option<SourceFiles>, RunError> {
        let bench = self.bench();
        let definitions = bench.workspace.pipelines.get(pipeline);
        let message = || format!("pipeline `{pipeline}` has no source `{source}`");
        let found = definitions.and_then(|definitions| definitions.sources.get(source));
        let (source, _) = found.ok_or_else(|| RunError::Definitions { message: message() })?;
        let location = bench.storage.resolve(&source.path, &bench.folder)?;
        let files = list_matching(&location).await?;
        let Some(newest) = files.iter().map(|file| file.meta.last_modified.timestamp_millis()).max() else {
            return Ok(None);
        };
        let Ok(newest) = Timestamp::from_millisecond(newest) else { return Ok(None) };
        let mut digest = blake3::Hasher::new();
        for file in &files {
            digest.update(format!("{}\n{}\n", file.meta.location, file.edition).as_bytes());
        }
        Ok(Some(SourceFiles { newest, digest: digest.finalize().to_hex().to_string() }))
    }

    fn slot_decided(&self, pipeline: &str, slot: Timestamp, fate: &SlotDecision) {
        let (end, told) = match fate {
            SlotDecision::Run { .. } => return,
            SlotDecision::Skipped { reason } => (SlotEnd::Skipped, format!("skipped: {reason}")),
            SlotDecision::Missed { reason } => (SlotEnd::Missed, format!("missed: {reason}")),
        };
        self.metrics.slot(pipeline, end);
        // A terminal that went away is no reason to stop.
        let _ = note(&format!("{pipeline} {slot} {told}"));
    }
}
