//! `run`, `runs` and `resume`: the ledger of runs.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tranche_pipeline::ledger::{LeaseWatch, Liveness};
use tranche_pipeline::{
    Clock, FailureClass, Ledger, RunPlan, RunRecord, RunStatus, SystemClock, execute, new_run_id,
};

use crate::args::{Format, Run};
use crate::failure::{Failure, exit_code};
use crate::output::{Rows, note, print_json};
use crate::progress::Progress;
use crate::watching::watched;
use crate::workbench::Workbench;

pub(super) async fn run(run: &Run, bench: &Workbench) -> Result<ExitCode, Failure> {
    bench.workspace.pipeline(&run.pipeline)?;
    bench.check().await?;
    let pipeline = bench.workspace.pipeline(&run.pipeline)?.pipeline.clone();
    let pipeline =
        pipeline.ok_or_else(|| Failure::definition(format!("pipeline `{}` has no steps", run.pipeline)))?;
    let now = SystemClock.now();
    let as_of = match &run.as_of {
        Some(text) => bench.instant(text)?,
        None => pipeline.latest_slot(now).unwrap_or(now),
    };
    let ledger = Workbench::ledger(&bench.lake()?).with_lease(LEASE);
    let plan = RunPlan {
        run_id: new_run_id(&SystemClock),
        pipeline,
        slot: None,
        as_of,
        full: run.full,
        restatement: 0,
        definitions: ledger.pin(&bench.workspace.project).await?,
        resumes: None,
    };
    perform(&plan, bench, &ledger).await
}

pub(super) async fn resume(run: &str, force: bool, bench: &Workbench) -> Result<ExitCode, Failure> {
    let ledger = Workbench::ledger(&bench.lake()?).with_lease(LEASE);
    let mut record = ledger.read(&full_id(run, &ledger).await?).await?;
    if record.status == RunStatus::Running && !force {
        wait_for_silence(&mut record, &ledger).await?;
    }
    // A run goes on with the definitions that it started with, whatever they are today.
    let pinned = Workbench::with_project(&bench.global, ledger.definitions(&record.definitions).await?)?;
    let pipeline = pinned.workspace.pipeline(&record.pipeline)?.pipeline.clone();
    let pipeline = pipeline
        .ok_or_else(|| Failure::definition(format!("pipeline `{}` has no steps", record.pipeline)))?;
    perform(&RunPlan::resume(pipeline, record), &pinned, &ledger).await
}

/// After how long a silence a run that someone asked for counts as dead: whoever goes on with it waits for that long.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// Watches a run until it is certain that nobody is at work on it.
async fn wait_for_silence(record: &mut RunRecord, ledger: &Ledger) -> Result<(), Failure> {
    let mut watch = LeaseWatch::begin();
    let mut is_told = false;
    loop {
        let is_alive = match watch.look(ledger, &record.run_id).await? {
            Liveness::Dead => return Ok(()),
            Liveness::Alive => true,
            Liveness::Unknown => ledger.refresh(record).await?,
        };
        if is_alive {
            let advice =
                format!("run `{}` is at work; to take it over all the same, add --force", record.run_id);
            return Err(Failure::definition(advice));
        }
        if !std::mem::replace(&mut is_told, true) {
            note(
                "someone may be at work on this run: waiting for a sign of life (--force takes it over at once)",
            )?;
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

/// How often the lease of a run that may be alive is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Executes a plan; the first Ctrl-C stops it cleanly, the second at once.
async fn perform(plan: &RunPlan, bench: &Workbench, ledger: &Ledger) -> Result<ExitCode, Failure> {
    let progress = Progress::new();
    let steps = bench.steps(progress.clone())?;
    let cancel = CancellationToken::new();
    let on_signal = cancel.clone();
    let listener = tokio::spawn(async move {
        while interrupted().await {
            if on_signal.is_cancelled() {
                std::process::exit(130);
            }
            on_signal.cancel();
        }
    });
    let report = watched(plan, bench, &progress, async |observer| {
        execute(plan, &steps, ledger, observer, &SystemClock, cancel).await
    })
    .await;
    listener.abort();
    let report = report?;
    print_report(&report, bench.global.format)?;
    Ok(match report.status {
        RunStatus::Failed => exit_code(worst(&report)),
        _ => ExitCode::SUCCESS,
    })
}

/// Waits for Ctrl-C, or for a polite request to end.
pub(super) async fn interrupted() -> bool {
    #[cfg(unix)]
    {
        let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(_) => return tokio::signal::ctrl_c().await.is_ok(),
        };
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed.is_ok(),
            _ = terminate.recv() => true,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.is_ok()
}

/// Who has to act first: an author before the data, the data before the storage.
fn worst(report: &RunRecord) -> FailureClass {
    let failed = |class: FailureClass| report.steps.iter().any(|step| step.class == Some(class));
    let order = [
        FailureClass::Definition,
        FailureClass::Data,
        FailureClass::Internal,
        FailureClass::Timeout,
        FailureClass::Storage,
    ];
    order.into_iter().find(|class| failed(*class)).unwrap_or(FailureClass::Data)
}

fn print_report(report: &RunRecord, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json(&report.report(), format);
    }
    let mut rows = Rows::new(&["step", "status", "seconds", "rows_read", "rows_written", "message"]);
    for step in &report.steps {
        let seconds = step.seconds.map(|s| (s * 10.0).round() / 10.0);
        let message = step.message.clone().or_else(|| told_in(&step.detail));
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

/// What a reader looks for in what a step tells: where the page of a report is, or why memberships stayed as they were.
pub(super) fn told_in(detail: &Value) -> Option<String> {
    if let Some(kept) = detail.get("kept") {
        return kept.as_str().map(str::to_owned);
    }
    let pages = detail.get("reports")?.as_array()?.iter().filter_map(|report| report.get("page")?.as_str());
    Some(pages.collect::<Vec<_>>().join(" "))
}

/// The id of the one run that begins like this.
pub(super) async fn full_id(run: &str, ledger: &Ledger) -> Result<String, Failure> {
    let found: Vec<String> = ledger.run_ids().await?.into_iter().filter(|id| id.starts_with(run)).collect();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::definition(format!("no run `{run}`; `tranche runs` lists them"))),
        several => Err(Failure::definition(format!("`{run}` may be any of {}", several.join(", ")))),
    }
}
