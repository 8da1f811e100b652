//! `backfill`: past slots of a pipeline.

use std::process::ExitCode;
use std::sync::Arc;

use tranche_workspace::queries::backfills::{
    Backfill, BackfillMode, BackfillOrder, BackfillRequest, begin, find, list, plan,
};

use crate::app::App;
use crate::args::{BackfillSlots, Format, Order};
use crate::failure::Failure;
use crate::output::{StandardError, note, print_document, print_records, print_text, rows_of};

const COLUMNS: [&str; 10] =
    ["id", "pipeline", "from", "to", "mode", "slots", "done", "failed", "running", "waiting"];

pub(super) async fn run(wanted: &BackfillSlots, app: App) -> Result<ExitCode, Failure> {
    if wanted.list {
        print_records(&COLUMNS, &list(&app.tranche).await?, app.global.format)?;
        return Ok(ExitCode::SUCCESS);
    }
    app.tranche.check().await?;
    let backfill = match &wanted.resume {
        Some(id) => find(&app.tranche, id).await?,
        None => {
            let Some(backfill) = asked_for(wanted, &app).await? else { return Ok(ExitCode::SUCCESS) };
            begin(&app.tranche, &backfill).await?;
            backfill
        }
    };
    perform(&backfill, app).await
}

/// The backfill that was asked for; `None` when there is nothing to run, or nothing is to be.
async fn asked_for(wanted: &BackfillSlots, app: &App) -> Result<Option<Backfill>, Failure> {
    let request = BackfillRequest {
        pipeline: wanted.pipeline.as_deref().unwrap_or_default(),
        from: wanted.from.as_deref().unwrap_or_default(),
        to: wanted.to.as_deref().unwrap_or_default(),
        mode: match (wanted.failed, wanted.all) {
            (true, _) => BackfillMode::Failed,
            (_, true) => BackfillMode::All,
            _ => BackfillMode::Missing,
        },
        order: match wanted.order {
            Order::Oldest => BackfillOrder::Oldest,
            Order::Newest => BackfillOrder::Newest,
        },
        concurrency: wanted.concurrency.into(),
    };
    let planned = plan(&app.tranche, &request).await?;
    if wanted.dry_run || planned.slots.is_empty() {
        let columns = ["pipeline", "slot", "local", "fate", "reason", "run_id"];
        rows_of(&columns, &planned.slots)?.print(app.global.format)?;
        return Ok(None);
    }
    Ok(Some(planned.backfill))
}

async fn perform(backfill: &Backfill, app: App) -> Result<ExitCode, Failure> {
    let format = app.global.format;
    let id = &backfill.id;
    note(&format!(
        "backfill {id}: {} slots; after an interruption: tranche backfill --resume {id}",
        backfill.slots.len()
    ))?;
    let row = tranche_daemon::backfill(backfill, app.tranche, Arc::new(StandardError)).await?;
    if format == Format::Json {
        print_document(&row)?;
    } else {
        let left = row.running + row.waiting;
        print_text(&format!("{} slots: {} done, {} failed, {left} left", row.slots, row.done, row.failed))?;
    }
    Ok(if row.done == row.slots { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
