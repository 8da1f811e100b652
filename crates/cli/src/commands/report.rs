//! `report`: a report now, from what the lake holds.

use std::sync::Arc;

use serde_json::json;
use tranche_pipeline::{StepContext, SystemClock, new_run_id};

use crate::app::App;
use crate::args::{Format, Report};
use crate::failure::Failure;
use crate::output::{print_json, print_text};
use crate::progress::Progress;

pub(super) async fn run(report: &Report, app: &App) -> Result<(), Failure> {
    app.tranche.check().await?;
    let found = app.tranche.definitions.find(|pipeline| pipeline.reports.get(&report.report));
    let Some((name, pipeline, _)) = found else {
        return Err(Failure::definition(format!("there is no report `{}`", report.report)));
    };
    let as_of = match &report.as_of.as_of {
        Some(text) => app.tranche.instant(text)?,
        None => last_refresh(app).await?,
    };
    let run_id = new_run_id(&SystemClock);
    let steps = app.tranche.steps(Arc::new(Progress::new()))?;
    let transaction = format!("{name}/report/{run_id}");
    let context =
        StepContext { run_id, pipeline: name.to_owned(), slot: None, as_of, full: false, transaction };
    let (page, _, _) = steps.publish(&report.report, &context, pipeline).await?;
    if app.global.format == Format::Json {
        return print_json(&json!({"report": report.report, "as_of": as_of, "page": page}), Format::Json);
    }
    print_text(&page)
}

/// The instant of the last refresh: what a report without an instant is about.
async fn last_refresh(app: &App) -> Result<jiff::Timestamp, Failure> {
    let session = app.tranche.engine.session(app.tranche.instant_or_latest(None)?);
    let history = tranche_segment::store::history(&app.tranche.lake()?, &session).await?;
    history
        .last()
        .map(|row| row.as_of)
        .ok_or_else(|| Failure::data("no segment was refreshed yet; run the pipeline, or give --as-of"))
}
