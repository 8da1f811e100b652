//! `report`: a report now, from what the lake holds.

use serde_json::json;
use tranche_pipeline::{StepContext, SystemClock, new_run_id};

use crate::args::{Format, Report};
use crate::failure::Failure;
use crate::output::{print_json, print_text};
use crate::progress::Progress;
use crate::workbench::Workbench;

pub(super) async fn run(report: &Report, bench: &Workbench) -> Result<(), Failure> {
    bench.check().await?;
    let found = bench.workspace.find(|pipeline| pipeline.reports.get(&report.report));
    let Some((name, pipeline, _)) = found else {
        return Err(Failure::definition(format!("there is no report `{}`", report.report)));
    };
    let as_of = match &report.as_of.as_of {
        Some(text) => bench.instant(text)?,
        None => last_refresh(bench).await?,
    };
    let run_id = new_run_id(&SystemClock);
    let steps = bench.steps(Progress::new())?;
    let transaction = format!("{name}/report/{run_id}");
    let (pipeline_name, progress) = (name.to_owned(), tranche_pipeline::Progress::default());
    let context = StepContext {
        run_id,
        pipeline: pipeline_name,
        slot: None,
        as_of,
        full: false,
        transaction,
        progress,
    };
    let (page, _, _) = steps.publish(&report.report, &context, pipeline).await?;
    if bench.global.format == Format::Json {
        return print_json(&json!({"report": report.report, "as_of": as_of, "page": page}), Format::Json);
    }
    print_text(&page)
}

/// The instant of the last refresh: what a report without an instant is about.
async fn last_refresh(bench: &Workbench) -> Result<jiff::Timestamp, Failure> {
    let session = bench.engine.session(bench.instant_or_latest(None)?);
    let history = tranche_segment::store::history(&bench.lake()?, &session).await?;
    history
        .last()
        .map(|row| row.as_of)
        .ok_or_else(|| Failure::data("no segment was refreshed yet; run the pipeline, or give --as-of"))
}
