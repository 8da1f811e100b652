//! Runs, slots that were not run, and one run as a timeline.

use futures::{StreamExt, stream};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
pub use tranche_pipeline::ledger::Event;
use tranche_pipeline::ledger::SlotDecision;
pub use tranche_pipeline::{Ledger, RunRecord, RunStatus};

use super::backfills;
use crate::failure::Failure;
use crate::tranche::Tranche;

/// A run, or a slot that was not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunRow {
    /// The run; null for a slot that was not run.
    pub run_id: Option<String>,
    /// The pipeline.
    pub pipeline: String,
    /// The slot; null for a run that a person started.
    #[schemars(with = "Option<String>")]
    pub slot: Option<Timestamp>,
    /// The logical instant of the results.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// running, done, failed, skipped or missed.
    #[schemars(with = "String")]
    pub status: RunStatus,
    /// When it began, or was decided.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it ended, if it did.
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
}

impl From<RunRecord> for RunRow {
    fn from(record: RunRecord) -> Self {
        let run = record.summary();
        Self {
            run_id: Some(run.run_id),
            pipeline: run.pipeline,
            slot: run.slot,
            as_of: run.as_of,
            status: run.status,
            started_at: run.started_at,
            ended_at: run.ended_at,
        }
    }
}

/// Which runs are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFilter<'a> {
    /// Only those of this pipeline.
    pub pipeline: Option<&'a str>,
    /// Only those with this status.
    pub status: Option<&'a str>,
    /// Only those that began at or after this instant.
    pub since: Option<&'a str>,
    /// The newest, at most.
    pub limit: usize,
}

/// A filter whose texts were understood.
struct Wanted<'a> {
    pipeline: Option<&'a str>,
    status: Option<RunStatus>,
    since: Option<Timestamp>,
}

impl Wanted<'_> {
    fn fits(&self, pipeline: &str, status: RunStatus, began: Timestamp) -> bool {
        self.pipeline.is_none_or(|wanted| wanted == pipeline)
            && self.status.is_none_or(|wanted| wanted == status)
            && self.since.is_none_or(|since| since <= began)
    }
}

/// The newest runs, and slots that were not run, newest first.
///
/// # Errors
/// [`Failure`] when the filter is not one, or the ledger cannot be read.
pub async fn list(tranche: &Tranche, filter: &RunFilter<'_>) -> Result<Vec<RunRow>, Failure> {
    let ledger = tranche.ledger()?;
    let wanted = Wanted {
        pipeline: filter.pipeline,
        status: filter.status.map(parse_status).transpose()?,
        since: filter.since.map(|text| tranche.instant(text)).transpose()?,
    };
    // A row with the instant by which it is sorted.
    let mut rows: Vec<(Timestamp, RunRow)> = Vec::new();
    if !matches!(wanted.status, Some(RunStatus::Skipped | RunStatus::Missed)) {
        let fits = |run: &RunRecord| wanted.fits(&run.pipeline, run.status, run.started_at);
        let runs = ledger.newest(filter.limit, fits).await?;
        rows.extend(runs.into_iter().map(|run| (run.started_at, run.into())));
    }
    // What is older than as many runs as are wanted is not shown.
    let oldest = rows.iter().map(|(began, _)| *began).min().filter(|_| rows.len() >= filter.limit);
    let oldest = oldest.max(wanted.since).unwrap_or(Timestamp::MIN);
    if !matches!(wanted.status, Some(RunStatus::Running | RunStatus::Done | RunStatus::Failed)) {
        for pipeline in tranche.definitions.pipelines.keys() {
            if wanted.pipeline.is_none_or(|wanted| wanted == pipeline) {
                rows.extend(not_run(pipeline, (oldest, filter.limit), &ledger, &wanted).await?);
            }
        }
    }
    // Runs of a pipeline that is gone are listed; a name that never was one is a mistake.
    if let Some(name) = wanted.pipeline
        && rows.is_empty()
        && !ledger.scheduled_pipelines().await?.iter().any(|known| known == name)
    {
        tranche.definitions.pipeline(name)?;
    }
    rows.sort_by_key(|(began, _)| std::cmp::Reverse(*began));
    rows.truncate(filter.limit);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// The runs of a backfill, in the order of its slots.
///
/// # Errors
/// [`Failure`] when there is no such backfill, or the ledger cannot be read.
pub async fn of_backfill(tranche: &Tranche, id: &str) -> Result<Vec<RunRow>, Failure> {
    let backfill = backfills::find(tranche, id).await?;
    let runs = tranche.ledger()?.backfill_runs(&backfill).await?;
    Ok(runs.into_iter().flatten().map(RunRow::from).collect())
}

/// A run with its steps and attempts.
///
/// # Errors
/// [`Failure`] when no run's id begins like this, or its log cannot be read.
pub async fn timeline(tranche: &Tranche, run: &str) -> Result<RunRecord, Failure> {
    let ledger = tranche.ledger()?;
    let run_id = full_id(run, &ledger).await?;
    RunRecord::from_events(&ledger.events(&run_id).await?)
        .ok_or_else(|| Failure::data(format!("the log of run `{run_id}` does not begin with its start")))
}

/// The events of a run in their order, those after the first `seen`.
///
/// # Errors
/// [`Failure`] when no run's id begins like this, or its log cannot be read.
pub async fn events(tranche: &Tranche, run: &str, seen: u64) -> Result<Vec<Event>, Failure> {
    let ledger = tranche.ledger()?;
    Ok(ledger.events_from(&full_id(run, &ledger).await?, seen).await?)
}

/// The id of the one run that begins like this.
///
/// # Errors
/// [`Failure`] when there is none, or several, or the ledger cannot be read.
pub async fn full_id(run: &str, ledger: &Ledger) -> Result<String, Failure> {
    let found: Vec<String> = ledger.run_ids().await?.into_iter().filter(|id| id.starts_with(run)).collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::definition(format!("no run `{run}`; `tranche runs` lists them"))),
        several => Err(Failure::definition(format!("`{run}` may be any of {}", several.join(", ")))),
    }
}

fn parse_status(text: &str) -> Result<RunStatus, Failure> {
    serde_json::from_value(json!(text)).map_err(|_| {
        Failure::definition(format!(
            "--status: `{text}` is none of running, done, failed, skipped and missed"
        ))
    })
}

/// Slots that are looked up at the same time.
const CONCURRENCY: usize = 16;

/// The newest slots of a pipeline that were skipped or missed, from `oldest` on, at most `limit`.
async fn not_run(
    pipeline: &str,
    (oldest, limit): (Timestamp, usize),
    ledger: &Ledger,
    wanted: &Wanted<'_>,
) -> Result<Vec<(Timestamp, RunRow)>, Failure> {
    let slots = ledger.decided_slots(pipeline, oldest, Timestamp::MAX).await?;
    let look_up = |slot: &Timestamp| {
        let slot = *slot;
        async move { ledger.slot(pipeline, slot).await.map(|mut entries| (slot, entries.pop())) }
    };
    let mut looked_up = stream::iter(slots.iter().rev()).map(look_up).buffered(CONCURRENCY);
    let mut rows = Vec::new();
    while rows.len() < limit
        && let Some(found) = looked_up.next().await
    {
        let (slot, Some(last)) = found? else { continue };
        let status = match last.decision {
            SlotDecision::Run { .. } => continue,
            SlotDecision::Skipped { .. } => RunStatus::Skipped,
            SlotDecision::Missed { .. } => RunStatus::Missed,
        };
        if wanted.fits(pipeline, status, slot) {
            let row = RunRow {
                run_id: None,
                pipeline: pipeline.to_owned(),
                slot: Some(slot),
                as_of: slot,
                status,
                started_at: last.at,
                ended_at: Some(last.at),
            };
            rows.push((slot, row));
        }
    }
    Ok(rows)
}
