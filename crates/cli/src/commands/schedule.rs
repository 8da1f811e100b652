//! `schedule`: the daemon, what it will do and did, and how to hold it.

mod catalog;
mod explain;
mod outside;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use tranche_pipeline::schedule::{ScheduleEvent, ScheduleLog};
use tranche_pipeline::scheduler::{CronWaker, SchedulerOptions, Totals};
use tranche_pipeline::{Ledger, Scheduler, Stop, SystemClock};
use tranche_project::duration;

use crate::args::{Format, Schedule, ScheduleAction};
use crate::commands::run::interrupted;
use crate::failure::Failure;
use crate::output::{note, print_json, print_text};
use crate::workbench::Workbench;
pub(super) use catalog::ProjectCatalog;
pub(super) use outside::take_leave;

pub(super) async fn run(schedule: &Schedule, bench: Workbench) -> Result<ExitCode, Failure> {
    match &schedule.action {
        None => serve(schedule, bench).await,
        Some(ScheduleAction::Explain { from, to, pipeline }) => {
            explain::run(from, to, pipeline.as_deref(), &bench).await?;
            Ok(ExitCode::SUCCESS)
        }
        Some(ScheduleAction::Pause { pipeline }) => hold(pipeline, true, &bench).await,
        Some(ScheduleAction::Resume { pipeline }) => hold(pipeline, false, &bench).await,
    }
}

/// Runs what is due until it is told to end.
async fn serve(schedule: &Schedule, bench: Workbench) -> Result<ExitCode, Failure> {
    let lease = parse(&schedule.lease, "--lease")?;
    let drain_limit = parse(&schedule.drain, "--drain")?;
    bench.check().await?;
    let format = bench.global.format;
    let ledger = Workbench::ledger(&bench.lake()?).with_lease(lease);
    let catalog = ProjectCatalog::new(bench);
    let options = SchedulerOptions {
        max_runs: schedule.max_runs.into(),
        once: schedule.once,
        ..SchedulerOptions::default()
    };
    let stop = Stop::default();
    let listener = tokio::spawn(listen(stop.drain.clone()));
    let waker = CronWaker::start().await;
    let totals = {
        let scheduler = Scheduler::new(&ledger, &catalog, &SystemClock, options);
        let scheduler = match &waker {
            Some(waker) => scheduler.woken_by(waker),
            None => scheduler,
        };
        tokio::select! {
            biased;
            totals = scheduler.run(stop.clone()) => Some(totals),
            () = catalog.reload_forever() => None,
            () = outside::look_forever(&catalog, schedule.metrics.is_some()) => None,
            failure = outside::serve(schedule.metrics, &catalog) => return Err(failure),
            () = after_drain(&stop.drain, drain_limit) => None,
        }
    };
    // Whoever asks to end from here on does not want to wait for receivers either.
    stop.drain.cancel();
    take_leave(&catalog).await;
    listener.abort();
    let Some(totals) = totals else {
        note("the steps at work took too long to end: other processes continue their runs")?;
        return Ok(ExitCode::FAILURE);
    };
    print_totals(totals, format)?;
    Ok(if totals.ticks_failed + totals.left > 0 {
        ExitCode::from(3)
    } else if schedule.once && totals.failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The first request to end is polite: steps at work come to their end. The second is not.
pub(super) async fn listen(drain: CancellationToken) {
    while interrupted().await {
        if drain.is_cancelled() {
            std::process::exit(130);
        }
        drain.cancel();
        // A terminal that went away is no reason to stay.
        let _ = note("ending: the steps at work come to their end; once more to end at once");
    }
}

async fn after_drain(drain: &CancellationToken, limit: Duration) {
    drain.cancelled().await;
    tokio::time::sleep(limit).await;
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
async fn hold(pipeline: &str, pause: bool, bench: &Workbench) -> Result<ExitCode, Failure> {
    bench.workspace.pipeline(pipeline)?;
    let ledger: Ledger = Workbench::ledger(&bench.lake()?);
    let mut history = ScheduleLog::default();
    let mut clock = tranche_pipeline::StorageClock::new(&ledger, &SystemClock);
    let at = clock.now().await?;
    let wanted = |history: &ScheduleLog| match (history.is_paused(), pause) {
        (false, true) => Some(ScheduleEvent::Paused { at }),
        (true, false) => Some(ScheduleEvent::Resumed { at }),
        _ => None,
    };
    let changed = ledger.amend_schedule_log(pipeline, &mut history, wanted).await?;
    if bench.global.format == Format::Json {
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
