//! The project as the scheduler sees it: reloaded when its files change, and as it was when a run began.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::sleep;
use tranche_observe::SlotEnd;
use tranche_pipeline::ledger::SlotDecision;
use tranche_pipeline::schedule::SourceFiles;
use tranche_pipeline::scheduler::{Catalog, LoadedPipelines, RunResources};
use tranche_pipeline::{Ledger, Pipeline, RunError};
use tranche_workspace::{Failure, Tranche};

use crate::console::{Console, ConsoleObserver};
use crate::observers::RunObservers;

/// How often the project's files are looked at.
const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// A project that is reloaded when it changes. Invalid definitions are refused, and the last valid ones stay in force.
pub struct ProjectCatalog {
    current: Mutex<Current>,
    /// The observers of the runs.
    pub(crate) observers: RunObservers,
    console: Arc<dyn Console>,
}

struct Current {
    revision: u64,
    tranche: Arc<Tranche>,
    pipelines: Arc<Vec<Pipeline>>,
    /// The hash under which the ledger stores the definitions, once it does.
    pinned: Option<String>,
    /// The last project that was refused, so that it is refused once.
    refused: Option<Tranche>,
}

impl ProjectCatalog {
    /// The catalog of a project whose definitions were checked.
    #[must_use]
    pub fn new(tranche: Tranche, console: Arc<dyn Console>) -> Self {
        let pipelines = Arc::new(pipelines_of(&tranche));
        let tranche = Arc::new(tranche);
        let current = Current { revision: 1, tranche, pipelines, pinned: None, refused: None };
        Self { current: Mutex::new(current), observers: RunObservers::default(), console }
    }

    /// Reloads the project whenever its files change.
    pub(crate) async fn reload_forever(&self) {
        let folder = self.tranche().place.folder.clone();
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
                    self.console.line(&format!("{problem}\n"));
                }
                self.console.line(&format!(
                    "the changed definitions are invalid; continuing with the last valid version: {}",
                    failure.message
                ));
            }
        }
    }

    async fn reload(&self) -> Result<(), Failure> {
        let tranche = self.tranche();
        let place = Arc::clone(&tranche);
        let loaded = apart(move || place.reread()).await??;
        let is_same = |known: &Tranche| known.definitions.project == loaded.definitions.project;
        let is_known =
            |current: &Current| is_same(&current.tranche) || current.refused.as_ref().is_some_and(is_same);
        if is_known(&self.lock()) {
            return Ok(());
        }
        let (loaded, accepted) = match unchangeable(&tranche, &loaded) {
            Some(key) => {
                let message = format!("`{key}` of tranche.yaml changed: restart the daemon for that");
                (loaded, Err(Failure::definition(message)))
            }
            None => {
                let runtime = tokio::runtime::Handle::current();
                apart(move || {
                    let checked = runtime.block_on(loaded.check());
                    (loaded, checked)
                })
                .await?
            }
        };
        if let Err(failure) = accepted {
            self.lock().refused = Some(loaded);
            return Err(failure);
        }
        let pipelines = Arc::new(pipelines_of(&loaded));
        {
            let mut current = self.lock();
            (current.revision, current.pipelines) = (current.revision + 1, pipelines);
            (current.pinned, current.refused) = (None, None);
            current.tranche = Arc::new(loaded);
        }
        self.console.line("the definitions changed: runs that begin from now on use them");
        Ok(())
    }

    /// The handle with definitions that were pinned, when they are those that were loaded last.
    fn loaded_as(&self, definitions: &str) -> Option<Arc<Tranche>> {
        let current = self.lock();
        (current.pinned.as_deref() == Some(definitions)).then(|| Arc::clone(&current.tranche))
    }

    /// The handle with the definitions that were loaded last.
    pub(crate) fn tranche(&self) -> Arc<Tranche> {
        Arc::clone(&self.lock().tranche)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does work on a thread of its own: however long it takes, and however it ends, the scheduler goes on.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::internal(format!("checking the changed definitions failed: {error}")))
}

/// The setting that another project has otherwise, of those that a process has one of: the ledger is in the lake, and the engine has its
/// memory and its limits.
fn unchangeable(ours: &Tranche, theirs: &Tranche) -> Option<&'static str> {
    let has_flag = ours.place.lake.is_some();
    let (ours, theirs) = (&ours.definitions.settings, &theirs.definitions.settings);
    let differ = [
        ("lake", !has_flag && ours.lake != theirs.lake),
        ("storage", ours.storage != theirs.storage),
        ("memory", ours.memory != theirs.memory),
        ("limits", ours.limits != theirs.limits),
    ];
    differ.into_iter().find_map(|(key, differs)| differs.then_some(key))
}

/// The names, sizes and dates of a project's files: as long as they are the same, so is what is in them.
#[derive(PartialEq, Eq)]
struct Fingerprint(BTreeMap<PathBuf, (u64, Option<SystemTime>)>);

impl Fingerprint {
    fn of(project: &Path) -> Self {
        let mut files = BTreeMap::new();
        // The levels of folders below each: a link that leads back is not followed further.
        let places = [("tranche.yaml", 0), ("schemas", 1), ("pipelines", 3)];
        let mut rest = places.map(|(name, levels)| (project.join(name), levels)).to_vec();
        while let Some((path, levels)) = rest.pop() {
            // What cannot be read is missed when the project is loaded.
            let Ok(found) = std::fs::metadata(&path) else { continue };
            if found.is_dir() {
                let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
                rest.extend(entries.filter(|_| levels > 0).map(|entry| (entry.path(), levels - 1)));
            } else {
                files.insert(path, (found.len(), found.modified().ok()));
            }
        }
        Self(files)
    }
}

fn pipelines_of(tranche: &Tranche) -> Vec<Pipeline> {
    tranche.definitions.pipelines.values().filter_map(|definitions| definitions.pipeline.clone()).collect()
}

#[async_trait]
impl Catalog for ProjectCatalog {
    fn current(&self) -> LoadedPipelines {
        let current = self.lock();
        LoadedPipelines { revision: current.revision, pipelines: Arc::clone(&current.pipelines) }
    }

    async fn pin(&self, ledger: &Ledger) -> Result<String, RunError> {
        let (revision, tranche) = {
            let current = self.lock();
            if let Some(hash) = &current.pinned {
                return Ok(hash.clone());
            }
            (current.revision, Arc::clone(&current.tranche))
        };
        let hash = ledger.pin(&tranche.definitions.project).await?;
        let mut current = self.lock();
        if current.revision == revision {
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
        let tranche = match self.loaded_as(definitions) {
            Some(tranche) => tranche,
            None => Arc::new(self.tranche().with_definitions(ledger.definitions(definitions).await?)),
        };
        let wrong = |failure: Failure| RunError::Definitions { message: failure.message };
        let found = tranche.definitions.pipeline(pipeline).map_err(wrong)?.pipeline.clone();
        let message = format!("the definitions of pipeline `{pipeline}` cannot be read");
        let found = found.ok_or(RunError::Definitions { message })?;
        let runner = Box::new(tranche.runner().map_err(wrong)?);
        let console = Box::new(ConsoleObserver::new(pipeline, Arc::clone(&self.console)));
        let observer = self.observers.observe(&found, &tranche, console).await.map_err(wrong)?;
        Ok(RunResources { pipeline: found, runner, observer })
    }

    async fn source_files(&self, pipeline: &str, source: &str) -> Result<Option<SourceFiles>, RunError> {
        self.tranche().source_files(pipeline, source).await
    }

    fn slot_decided(&self, pipeline: &str, slot: Timestamp, decided: &SlotDecision) {
        let (end, decision) = match decided {
            SlotDecision::Run { .. } => return,
            SlotDecision::Skipped { reason } => (SlotEnd::Skipped, format!("skipped: {reason}")),
            SlotDecision::Missed { reason } => (SlotEnd::Missed, format!("missed: {reason}")),
        };
        self.observers.metrics.slot(pipeline, end);
        self.console.line(&format!("{pipeline} {slot} {decision}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_in_circles_are_not_followed_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let segments = folder.path().join("pipelines/shop/segments");
        std::fs::create_dir_all(&segments).unwrap();
        let file = segments.join("buyers.sql");
        std::fs::write(&file, "").unwrap();
        for (target, link) in [(".", "one"), ("..", "two"), ("../..", "three")] {
            std::os::unix::fs::symlink(target, segments.join(link)).unwrap();
        }
        let before = Fingerprint::of(folder.path());
        assert!(before.0.contains_key(&file));
        std::fs::write(&file, "SELECT 1").unwrap();
        assert!(before != Fingerprint::of(folder.path()));
    }
}
