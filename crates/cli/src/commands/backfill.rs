//! `backfill`: past slots of a pipeline.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use tranche_pipeline::{
    Backfill, BackfillMode, BackfillOrder, BackfillProgress, Ledger, StorageClock, SystemClock, new_run_id,
};

use super::run::LEASE;
use crate::app::App;
use crate::args::{BackfillSlots, Format, Order};
use crate::failure::Failure;
use crate::output::{Rows, StandardError, note, print_json, print_text};

pub(super) async fn run(wanted: &BackfillSlots, app: App) -> Result<ExitCode, Failure> {
    let ledger = app.tranche.ledger()?.with_lease(LEASE);
    if wanted.list {
        list(&ledger, app.global.format).await?;
        return Ok(ExitCode::SUCCESS);
    }
    app.tranche.check().await?;
    let backfill = match &wanted.resume {
        Some(id) => find(id, &ledger).await?,
        None => {
            let Some(backfill) = plan(wanted, &ledger, &app).await? else { return Ok(ExitCode::SUCCESS) };
            ledger.begin_backfill(&backfill).await?;
            backfill
        }
    };
    perform(&backfill, &ledger, app).await
}

/// The backfill that was asked for; `None` when there is nothing to run, or nothing is to be.
async fn plan(wanted: &BackfillSlots, ledger: &Ledger, app: &App) -> Result<Option<Backfill>, Failure> {
    let name = wanted.pipeline.as_deref().unwrap_or_default();
    let pipeline = app.tranche.definitions.pipeline(name)?.pipeline.as_ref();
    let pipeline = pipeline.ok_or_else(|| Failure::definition(format!("pipeline `{name}` has no steps")))?;
    let (from, to) = (
        app.tranche.instant(wanted.from.as_deref().unwrap_or_default())?,
        app.tranche.instant(wanted.to.as_deref().unwrap_or_default())?,
    );
    if to <= from {
        return Err(Failure::definition("--to must lie after --from"));
    }
    let mode = match (wanted.failed, wanted.all) {
        (true, _) => BackfillMode::Failed,
        (_, true) => BackfillMode::All,
        _ => BackfillMode::Missing,
    };
    let order = match wanted.order {
        Order::Oldest => BackfillOrder::Oldest,
        Order::Newest => BackfillOrder::Newest,
    };
    let zone = &app.tranche.definitions.settings.timezone;
    let now = StorageClock::new(ledger, &SystemClock).now().await?;
    let slots = Backfill::slots(ledger, pipeline, zone, (from, to), (mode, order), now).await?;
    if wanted.dry_run || slots.is_empty() {
        let mut rows = Rows::new(&["pipeline", "slot", "local", "fate", "reason", "run_id"]);
        for slot in slots {
            let (instant, fate) = (json!(slot.slot), json!(slot.fate));
            rows.push(vec![
                json!(slot.pipeline),
                instant,
                json!(slot.local),
                fate,
                json!(slot.reason),
                json!(slot.run_id),
            ]);
        }
        rows.print(app.global.format)?;
        return Ok(None);
    }
    let (id, slots) = (new_run_id(&SystemClock), slots.into_iter().map(|slot| slot.slot).collect());
    let concurrency = wanted.concurrency.into();
    Ok(Some(Backfill { id, pipeline: name.to_owned(), from, to, mode, order, concurrency, slots, at: now }))
}

async fn perform(backfill: &Backfill, ledger: &Ledger, app: App) -> Result<ExitCode, Failure> {
    let format = app.global.format;
    let id = &backfill.id;
    note(&format!(
        "backfill {id}: {} slots; after an interruption: tranche backfill --resume {id}",
        backfill.slots.len()
    ))?;
    let progress = tranche_daemon::backfill(backfill, ledger, app.tranche, Arc::new(StandardError)).await?;
    if format == Format::Json {
        print_json(&with_id(backfill, progress), format)?;
    } else {
        let BackfillProgress { slots, done, failed, running, waiting } = progress;
        print_text(&format!("{slots} slots: {done} done, {failed} failed, {} left", running + waiting))?;
    }
    Ok(if progress.done == progress.slots { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn with_id(backfill: &Backfill, progress: BackfillProgress) -> serde_json::Value {
    json!({
        "id": backfill.id,
        "pipeline": backfill.pipeline,
        "from": backfill.from,
        "to": backfill.to,
        "mode": backfill.mode,
        "slots": progress.slots,
        "done": progress.done,
        "failed": progress.failed,
        "running": progress.running,
        "waiting": progress.waiting,
    })
}

async fn list(ledger: &Ledger, format: Format) -> Result<(), Failure> {
    let columns = ["id", "pipeline", "from", "to", "mode", "slots", "done", "failed", "running", "waiting"];
    let mut rows = Rows::new(&columns);
    for backfill in ledger.backfills().await? {
        let told = with_id(&backfill, ledger.backfill_progress(&backfill).await?);
        rows.push(columns.iter().map(|column| told[column].clone()).collect());
    }
    rows.print(format)
}

/// The one backfill whose id begins like this.
pub(super) async fn find(id: &str, ledger: &Ledger) -> Result<Backfill, Failure> {
    let mut found: Vec<Backfill> =
        ledger.backfills().await?.into_iter().filter(|found| found.id.starts_with(id)).collect();
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
