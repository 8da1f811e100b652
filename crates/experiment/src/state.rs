//! What a measurement keeps of facts, so that the next one reads only what is new.
//!
//! For each fact table: the files that it had, for each population what was added up of each of its units, and the facts of a sample.
//! It lies under `_state/`, is only ever an older truth about immutable files, and may be deleted at any time: then the next
//! measurement reads everything.

mod codec;

use futures::TryStreamExt;
use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::path::Path;
use tranche_metric::{FactsRead, Measurement, MetricError, PriorState};
use tranche_schema::layout::state::{self, Kind, State};
use tranche_sql::keys::Sample;
use tranche_store::{Finding, Lake, StoreError};

use crate::error::ExperimentError;

/// Where a measurement finds what the one before it kept.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'a> {
    /// The lake.
    pub lake: &'a Lake,
    /// The pipeline.
    pub pipeline: &'a str,
    /// The step that measures: always the same experiments, but for those that its author adds.
    pub step: &'a str,
    /// Whether what was kept is left aside.
    pub full: bool,
    /// Of how many units what follows from it is computed again from all facts.
    pub sample: Sample,
}

impl Memory<'_> {
    /// Reads the facts of a table, from what was kept of them where there is something, and keeps them for the next time.
    ///
    /// # Errors
    /// [`MetricError::Mismatch`] within when what was kept does not lead to what all facts say; it is forgotten.
    pub(crate) async fn read(
        &self,
        measurement: &mut Measurement<'_>,
        table: &str,
        as_of: Timestamp,
        failed: impl Fn(MetricError) -> ExperimentError,
    ) -> Result<FactsRead, ExperimentError> {
        let Self { pipeline, step, .. } = *self;
        let folder = State { kind: Kind::Experiments, pipeline, owner: step, table }.folder();
        let (past, is_older) = self.past(&folder, as_of).await;
        let was_kept = matches!(past, PriorState::Saved(_));
        tracing::debug!(table, was_kept, "what was kept");
        let read = match measurement.read(table, past, self.sample).await {
            Err(error @ MetricError::Mismatch(_)) => {
                codec::forget(self.lake, &folder).await;
                Err(error)
            }
            // A file that is no longer there may be one that was removed, and cleaned up since.
            Err(error) if was_kept => {
                tracing::warn!(table, %error, "what was kept cannot be continued; everything is read");
                let reason = format!("what was kept cannot be continued: {error}");
                measurement.read(table, PriorState::Absent(reason), self.sample).await
            }
            read => read,
        };
        let read = read.map_err(failed)?;
        tracing::debug!(table, read = ?read.facts, "facts");
        if let (Some((files, extract)), Some(keepable), true) =
            (read.sources, measurement.new_state(table), is_older)
        {
            codec::write(self.lake, &folder, as_of, (files, extract), &keepable).await?;
            tracing::debug!(table, "kept");
        }
        Ok(read.facts)
    }

    /// What was kept, and whether it is not of a later instant, which would be lost.
    async fn past(&self, folder: &str, as_of: Timestamp) -> (PriorState, bool) {
        if self.full {
            return (PriorState::Absent("that was asked for".to_owned()), true);
        }
        match codec::read(self.lake, folder).await {
            Ok(Some((kept_as_of, _))) if kept_as_of > as_of => {
                (PriorState::Absent(format!("what is kept is of a later instant, {kept_as_of}")), false)
            }
            Ok(Some((_, kept))) => (PriorState::Saved(Box::new(kept)), true),
            Ok(None) => (PriorState::Absent("nothing is kept of an earlier measurement".to_owned()), true),
            Err(error) => {
                tracing::warn!(folder, %error, "what was kept of an earlier measurement cannot be read; everything is read");
                (PriorState::Absent(format!("what was kept cannot be read: {error}")), true)
            }
        }
    }
}

/// What of `_state/experiments/` cannot be read. All of it is rebuilt by a measurement that does not find it.
///
/// # Errors
/// [`ExperimentError::Store`] when it cannot be listed.
pub async fn examine_state(lake: &Lake) -> Result<Vec<Finding>, ExperimentError> {
    let root = Path::from(state::ROOT);
    let listed = lake
        .objects()
        .list(Some(&root))
        .try_collect::<Vec<_>>()
        .await
        .map_err(|e| StoreError::object(&root, e))?;
    let mut findings = Vec::new();
    for object in &listed {
        let Some((state, "manifest.json")) = State::of_object(object.location.as_ref()) else { continue };
        if state.kind != Kind::Experiments {
            continue;
        }
        let folder = state.folder();
        let reason = match codec::read(lake, &folder).await {
            Ok(Some(_)) => continue,
            Ok(None) => "it is of another format, or damaged".to_owned(),
            Err(error) => error.to_string(),
        };
        let problem = format!("what is kept under `{folder}/` cannot be read: {reason}");
        findings.push(Finding::new(
            problem,
            format!("delete `{folder}/`; the next measurement reads everything"),
        ));
    }
    Ok(findings)
}
