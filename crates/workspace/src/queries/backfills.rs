//! Backfills: past slots of a pipeline that are run on request.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_pipeline::backfill::BackfillProgress;
pub use tranche_pipeline::backfill::{Backfill, BackfillMode, BackfillOrder};
use tranche_pipeline::scheduler::ExplainedSlot;
use tranche_pipeline::{StorageClock, SystemClock, new_run_id};

use crate::failure::Failure;
use crate::tranche::Tranche;

/// A backfill with its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BackfillRow {
    /// Its id.
    pub id: String,
    /// The pipeline.
    pub pipeline: String,
    /// The first instant.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// The instant after the last.
    #[schemars(with = "String")]
    pub to: Timestamp,
    /// missing, failed or all.
    #[schemars(with = "String")]
    pub mode: BackfillMode,
    /// Its slots.
    pub slots: usize,
    /// Slots whose run is done.
    pub done: usize,
    /// Slots whose run failed.
    pub failed: usize,
    /// Slots that are being run.
    pub running: usize,
    /// Slots whose run is yet to begin.
    pub waiting: usize,
}

impl BackfillRow {
    /// A backfill with how far it has come.
    #[must_use]
    pub fn new(backfill: &Backfill, progress: BackfillProgress) -> Self {
        Self {
            id: backfill.id.clone(),
            pipeline: backfill.pipeline.clone(),
            from: backfill.from,
            to: backfill.to,
            mode: backfill.mode,
            slots: progress.slots,
            done: progress.done,
            failed: progress.failed,
            running: progress.running,
            waiting: progress.waiting,
        }
    }
}

/// The subject of a backfill.
#[derive(Debug, Clone, Copy)]
pub struct BackfillRequest<'a> {
    /// The pipeline.
    pub pipeline: &'a str,
    /// The first instant.
    pub from: &'a str,
    /// The instant after the last.
    pub to: &'a str,
    /// Which of the slots.
    pub mode: BackfillMode,
    /// In which order.
    pub order: BackfillOrder,
    /// How many at the same time, at least 1.
    pub concurrency: usize,
}

/// A backfill that was not begun, and its slots.
#[derive(Debug, Clone)]
pub struct PlannedBackfill {
    /// The backfill.
    pub backfill: Backfill,
    /// Its slots with what became of each so far.
    pub slots: Vec<ExplainedSlot>,
}

/// Every backfill with its progress.
///
/// # Errors
/// [`Failure`] when the ledger cannot be read.
pub async fn list(tranche: &Tranche) -> Result<Vec<BackfillRow>, Failure> {
    let ledger = tranche.ledger()?;
    let mut rows = Vec::new();
    for backfill in ledger.backfills().await? {
        let progress = ledger.backfill_progress(&backfill).await?;
        rows.push(BackfillRow::new(&backfill, progress));
    }
    Ok(rows)
}

/// The slots that a backfill would run.
///
/// # Errors
/// [`Failure`] when there is no such pipeline, an instant is none, or the ledger cannot be read.
pub async fn plan(tranche: &Tranche, request: &BackfillRequest<'_>) -> Result<PlannedBackfill, Failure> {
    let name = request.pipeline;
    let pipeline = tranche.definitions.pipeline(name)?.pipeline.as_ref();
    let pipeline = pipeline.ok_or_else(|| Failure::definition(format!("pipeline `{name}` has no steps")))?;
    let (from, to) = (tranche.instant(request.from)?, tranche.instant(request.to)?);
    if to <= from {
        return Err(Failure::definition("--to must lie after --from"));
    }
    let ledger = tranche.ledger()?;
    let zone = &tranche.definitions.settings.timezone;
    let now = StorageClock::new(&ledger, &SystemClock).now().await?;
    let BackfillRequest { mode, order, concurrency, .. } = *request;
    let slots = Backfill::slots(&ledger, pipeline, zone, (from, to), (mode, order), now).await?;
    let instants = slots.iter().map(|slot| slot.slot).collect();
    let (id, pipeline) = (new_run_id(&SystemClock), name.to_owned());
    let backfill = Backfill { id, pipeline, from, to, mode, order, concurrency, slots: instants, at: now };
    Ok(PlannedBackfill { backfill, slots })
}

/// Begins a backfill: from now on it is listed, and can be continued.
///
/// # Errors
/// [`Failure`] when the ledger cannot be written.
pub async fn begin(tranche: &Tranche, backfill: &Backfill) -> Result<(), Failure> {
    Ok(tranche.ledger()?.begin_backfill(backfill).await?)
}

/// The one backfill whose id begins like this.
///
/// # Errors
/// [`Failure`] when there is none, or several, or the ledger cannot be read.
pub async fn find(tranche: &Tranche, id: &str) -> Result<Backfill, Failure> {
    let mut found: Vec<Backfill> =
        tranche.ledger()?.backfills().await?.into_iter().filter(|found| found.id.starts_with(id)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => {
            Err(Failure::definition(format!("no backfill `{id}`; `tranche backfill --list` shows all")))
        }
        (Some(_), false) => {
            Err(Failure::definition(format!("several backfills begin with `{id}`; write more of the id")))
        }
    }
}
