//! `schedule`: the daemon, what it will do and did, and how to hold it.

mod explain;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tranche_daemon::DaemonOptions;
use tranche_pipeline::{History, Ledger, ScheduleEvent, SchedulerOptions, SystemClock, Totals};
use tranche_project::duration;

use crate::app::App;
use crate::args::{Format, Schedule, ScheduleAction};
use crate::failure::Failure;
use crate::output::{StandardError, note, print_json, print_text};

pub(super) async fn run(schedule: &Schedule, app: App) -> Result<ExitCode, Failure> {
    match &schedule.action {
        None => serve(schedule, app).await,
        Some(ScheduleAction::Explain { from, to, pipeline }) => {
            explain::run(from, to, pipeline.as_deref(), &app).await?;
            Ok(ExitCode::SUCCESS)
        }
        Some(ScheduleAction::Pause { pipeline }) => hold(pipeline, true, &app).await,
        Some(ScheduleAction::Resume { pipeline }) => hold(pipeline, false, &app).await,
    }
}

/// Runs what is due until it is asked to end.
async fn serve(schedule: &Schedule, app: App) -> Result<ExitCode, Failure> {
    let options = DaemonOptions {
        scheduler: SchedulerOptions {
            max_runs: schedule.max_runs.into(),
            once: schedule.once,
            ..SchedulerOptions::default()
        },
        lease: parse(&schedule.lease, "--lease")?,
        drain_limit: parse(&schedule.drain, "--drain")?,
        metrics: schedule.metrics,
    };
    let Some(totals) = tranche_daemon::serve(app.tranche, options, Arc::new(StandardError)).await? else {
        note("running steps took too long to end: other daemons continue their runs")?;
        return Ok(ExitCode::FAILURE);
    };
    print_totals(totals, app.global.format)?;
    Ok(if totals.passes_failed + totals.left > 0 {
        ExitCode::from(3)
    } else if schedule.once && totals.failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print_totals(totals: Totals, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json(&json!({"done": totals.done, "failed": totals.failed}), format);
    }
    print_text(&format!("{} runs done, {} failed", totals.done, totals.failed))
}

fn parse(text: &str, option: &str) -> Result<Duration, Failure> {
    duration::parse(text).map_err(|message| Failure::definition(format!("{option}: {message}")))
}

/// Pauses a pipeline, or lets it go on.
async fn hold(pipeline: &str, pause: bool, app: &App) -> Result<ExitCode, Failure> {
    app.tranche.definitions.pipeline(pipeline)?;
    let ledger: Ledger = app.tranche.ledger()?;
    let mut history = History::default();
    let mut clock = tranche_pipeline::StorageClock::new(&ledger, &SystemClock);
    let at = clock.now().await?;
    let wanted = |history: &History| match (history.is_paused(), pause) {
        (false, true) => Some(ScheduleEvent::Paused { at }),
        (true, false) => Some(ScheduleEvent::Resumed { at }),
        _ => None,
    };
    let changed = ledger.amend_history(pipeline, &mut history, wanted).await?;
    if app.global.format == Format::Json {
        let held = json!({"pipeline": pipeline, "paused": history.is_paused(), "changed": changed});
        print_json(&held, Format::Json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let told = match (changed, pause) {
        (true, true) => format!(
            "`{pipeline}` is paused: its slots are skipped until `tranche schedule resume {pipeline}`"
        ),
        (true, false) => format!("`{pipeline}` goes on with its next slot"),
        (false, true) => format!("`{pipeline}` was paused already"),
        (false, false) => format!("`{pipeline}` was not paused"),
    };
    print_text(&told)?;
    Ok(ExitCode::SUCCESS)
}
