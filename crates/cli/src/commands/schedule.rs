//! `schedule`: the daemon, what it will do and did, and how to hold it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tranche_daemon::{DaemonOptions, Totals};
use tranche_workspace::duration;
use tranche_workspace::queries::slots::{explain, set_paused};

use crate::app::App;
use crate::args::{Format, Schedule, ScheduleAction};
use crate::failure::Failure;
use crate::output::{StandardError, note, print_document, print_records, print_text};

pub(super) async fn run(schedule: &Schedule, app: App) -> Result<ExitCode, Failure> {
    match &schedule.action {
        None => serve(schedule, app).await,
        Some(ScheduleAction::Explain { from, to, pipeline }) => {
            let slots = explain(&app.tranche, from, to, pipeline.as_deref()).await?;
            let columns = ["pipeline", "slot", "local", "dst", "fate", "reason", "run_id"];
            print_records(&columns, &slots, app.global.format)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(ScheduleAction::Pause { pipeline }) => hold(pipeline, true, &app).await,
        Some(ScheduleAction::Resume { pipeline }) => hold(pipeline, false, &app).await,
    }
}

/// Runs due slots until it is asked to end.
async fn serve(schedule: &Schedule, app: App) -> Result<ExitCode, Failure> {
    let options = DaemonOptions {
        max_runs: schedule.max_runs.into(),
        once: schedule.once,
        lease: parse(&schedule.lease, "--lease")?,
        drain_limit: parse(&schedule.drain, "--drain")?,
        metrics: schedule.metrics,
    };
    let Some(totals) = tranche_daemon::serve(app.tranche, options, Arc::new(StandardError)).await? else {
        note("running steps took too long to end: other daemons continue their runs")?;
        return Ok(ExitCode::FAILURE);
    };
    print_totals(totals, app.global.format)?;
    Ok(if totals.ticks_failed + totals.left > 0 {
        ExitCode::from(3)
    } else if schedule.once && totals.failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What `schedule` did until it ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ScheduleSummary {
    /// Runs that are done.
    done: u64,
    /// Runs that failed.
    failed: u64,
}

fn print_totals(totals: Totals, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_document(&ScheduleSummary { done: totals.done, failed: totals.failed });
    }
    print_text(&format!("{} runs done, {} failed", totals.done, totals.failed))
}

fn parse(text: &str, option: &str) -> Result<Duration, Failure> {
    duration::parse(text).map_err(|message| Failure::definition(format!("{option}: {message}")))
}

/// Pauses a pipeline, or resumes it.
async fn hold(pipeline: &str, pause: bool, app: &App) -> Result<ExitCode, Failure> {
    let state = set_paused(&app.tranche, pipeline, pause).await?;
    if app.global.format == Format::Json {
        print_document(&state)?;
        return Ok(ExitCode::SUCCESS);
    }
    print_text(&match (state.changed, pause) {
        (true, true) => format!(
            "`{pipeline}` is paused: its slots are skipped until `tranche schedule resume {pipeline}`"
        ),
        (true, false) => format!("`{pipeline}` continues with its next slot"),
        (false, true) => format!("`{pipeline}` was paused already"),
        (false, false) => format!("`{pipeline}` was not paused"),
    })?;
    Ok(ExitCode::SUCCESS)
}
