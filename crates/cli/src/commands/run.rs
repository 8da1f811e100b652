//! `run` and `resume`: one run, now.

use std::process::ExitCode;

use serde_json::{Value, json};
use tranche_daemon::{RunRecord, RunRequest, RunStatus, failure_class, run_now};

use crate::app::App;
use crate::args::{Format, Run};
use crate::failure::{Failure, exit_code};
use crate::output::{Rows, note, print_json};
use crate::progress::Progress;

pub(super) async fn run(run: &Run, app: &App) -> Result<ExitCode, Failure> {
    let request = RunRequest { pipeline: &run.pipeline, as_of: run.as_of.as_deref(), full: run.full };
    ended(&run_now(&app.tranche, &request, Box::new(Progress::new())).await?, app.global.format)
}

pub(super) async fn resume(run: &str, force: bool, app: &App) -> Result<ExitCode, Failure> {
    let waiting = |text: &str| {
        // A terminal that went away is no reason to stop.
        let _ = note(text);
    };
    let report =
        tranche_daemon::resume(&app.tranche, run, force, &waiting, Box::new(Progress::new())).await?;
    ended(&report, app.global.format)
}

fn ended(report: &RunRecord, format: Format) -> Result<ExitCode, Failure> {
    print_report(report, format)?;
    Ok(match report.status {
        RunStatus::Failed => exit_code(failure_class(report)),
        _ => ExitCode::SUCCESS,
    })
}

fn print_report(report: &RunRecord, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json(&report.report(), format);
    }
    let mut rows = Rows::new(&["step", "status", "seconds", "rows_read", "rows_written", "message"]);
    for step in &report.steps {
        let seconds = step.seconds.map(|s| (s * 10.0).round() / 10.0);
        let message = step.message.clone().or_else(|| result_of(&step.detail));
        rows.push(vec![
            json!(step.id),
            json!(step.status),
            json!(seconds),
            json!(step.rows_read),
            json!(step.rows_written),
            json!(message),
        ]);
    }
    rows.print(format)
}

/// What a reader looks for in the detail of a step: where the page of a report is, or why memberships stayed as they were.
pub(super) fn result_of(detail: &Value) -> Option<String> {
    if let Some(kept) = detail.get("kept") {
        return kept.as_str().map(str::to_owned);
    }
    let pages = detail.get("reports")?.as_array()?.iter().filter_map(|report| report.get("page")?.as_str());
    Some(pages.collect::<Vec<_>>().join(" "))
}
