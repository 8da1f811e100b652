//! Slots of schedules, and whether they are run.

use schemars::JsonSchema;
use serde::Serialize;
use tranche_pipeline::schedule::{ScheduleEvent, ScheduleLog};
use tranche_pipeline::scheduler::{ExplainedSlot, explain as explain_pipeline};
use tranche_pipeline::{Clock, StorageClock, SystemClock};

use crate::failure::Failure;
use crate::tranche::Tranche;

/// Every slot of all pipelines, or of one, with what became of it.
///
/// # Errors
/// [`Failure`] when an instant is none, there is no such pipeline, or the ledger cannot be read.
pub async fn explain(
    tranche: &Tranche,
    from: &str,
    to: &str,
    pipeline: Option<&str>,
) -> Result<Vec<ExplainedSlot>, Failure> {
    let (from, to) = (tranche.instant(from)?, tranche.instant(to)?);
    if to <= from {
        return Err(Failure::definition("--to must lie after --from"));
    }
    if let Some(wanted) = pipeline {
        tranche.definitions.pipeline(wanted)?;
    }
    let ledger = tranche.ledger()?;
    let now = SystemClock.now();
    let zone = &tranche.definitions.settings.timezone;
    let pipelines = tranche.definitions.pipelines.values().filter_map(|found| found.pipeline.as_ref());
    let mut slots = Vec::new();
    for found in pipelines.filter(|found| pipeline.is_none_or(|wanted| wanted == found.name)) {
        slots.extend(explain_pipeline(&ledger, found, zone, (from, to), now).await?);
    }
    Ok(slots)
}

/// Whether the slots of a pipeline are skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PauseState {
    /// The pipeline.
    pub pipeline: String,
    /// Whether its slots are skipped.
    pub paused: bool,
    /// Whether that is different from before.
    pub changed: bool,
}

/// Pauses a pipeline, or resumes it.
///
/// # Errors
/// [`Failure`] when there is no such pipeline, or the ledger cannot be written.
pub async fn set_paused(tranche: &Tranche, pipeline: &str, paused: bool) -> Result<PauseState, Failure> {
    tranche.definitions.pipeline(pipeline)?;
    let ledger = tranche.ledger()?;
    let mut log = ScheduleLog::default();
    let mut clock = StorageClock::new(&ledger, &SystemClock);
    let at = clock.now().await?;
    let wanted = |log: &ScheduleLog| match (log.is_paused(), paused) {
        (false, true) => Some(ScheduleEvent::Paused { at }),
        (true, false) => Some(ScheduleEvent::Resumed { at }),
        _ => None,
    };
    let changed = ledger.amend_schedule_log(pipeline, &mut log, wanted).await?;
    Ok(PauseState { pipeline: pipeline.to_owned(), paused: log.is_paused(), changed })
}
