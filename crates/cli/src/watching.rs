//! Who looks at runs from outside: people by messages, catalogues by lineage. What goes wrong there fails no run.

use tokio::task::JoinHandle;
use tranche_observe::Lineage;
use tranche_pipeline::{Observer, Pipeline, RunError, RunPlan, RunRecord};
use tranche_store::Lake;

use crate::failure::Failure;
use crate::lineage::{LineageWatch, sent};
use crate::progress::Progress;
use crate::telling::{Untold, expect_messages, tell};
use crate::workbench::Workbench;

/// A variable of the environment.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Does a run while everybody watches who wants to, and tells people afterwards what there is to tell.
pub(crate) async fn watched(
    plan: &RunPlan,
    bench: &Workbench,
    progress: &Progress,
    run: impl AsyncFnOnce(&dyn Observer) -> Result<RunRecord, RunError>,
) -> Result<RunRecord, Failure> {
    let lake = bench.lake()?;
    expect_messages(&bench.workspace, &lake).await;
    let untold = Untold::default();
    let mut observers: Vec<&dyn Observer> = vec![progress, &untold];
    let lineage = lineage_of(&plan.pipeline, bench, &lake).await?;
    if let Some((watch, _)) = &lineage {
        observers.push(watch);
    }
    let report = run(&observers).await;
    if let Some((watch, sending)) = lineage {
        drop(watch);
        sent(vec![sending]).await;
    }
    tell(&bench.workspace, &lake, &bench.engine.session(bench.instant_or_latest(None)?), &untold).await;
    Ok(report?)
}

/// Whoever keeps a catalogue, if the project names one, and the task that sends what there is to tell.
pub(crate) async fn lineage_of(
    pipeline: &Pipeline,
    bench: &Workbench,
    lake: &Lake,
) -> Result<Option<(LineageWatch, JoinHandle<()>)>, Failure> {
    let Some(spec) = &bench.workspace.observe.lineage else { return Ok(None) };
    let lineage = match Lineage::new(spec, &bench.folder, variable) {
        Ok(lineage) => lineage,
        Err(error) => {
            tracing::warn!("lineage is not told: {error}");
            return Ok(None);
        }
    };
    let session = bench.workspace.empty_session(&bench.engine)?;
    let place = lake.url().as_str().trim_end_matches('/');
    Ok(Some(LineageWatch::new(lineage, pipeline, place, &bench.workspace, &session).await))
}
