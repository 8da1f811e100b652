//! `run`, `runs` and `resume`: the ledger of runs.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tranche_daemon::{RunDisplay, cancel_on_signal, run_now};
use tranche_pipeline::{
    Clock, FailureClass, LeaseWatch, Ledger, Liveness, RunPlan, RunRecord, RunReport, RunStatus, SystemClock,
    new_run_id,
};
use tranche_workspace::Tranche;

use crate::app::App;
use crate::args::{Format, Run};
use crate::failure::{Failure, exit_code};
use crate::output::{Rows, note, print_json};
use crate::progress::Progress;

pub(super) async fn run(run: &Run, app: &App) -> Result<ExitCode, Failure> {
    app.tranche.definitions.pipeline(&run.pipeline)?;
    app.tranche.check().await?;
    let pipeline = app.tranche.definitions.pipeline(&run.pipeline)?.pipeline.clone();
    let pipeline =
        pipeline.ok_or_else(|| Failure::definition(format!("pipeline `{}` has no steps", run.pipeline)))?;
    let now = SystemClock.now();
    let as_of = match &run.as_of {
        Some(text) => app.tranche.instant(text)?,
        None => pipeline.latest_slot(now).unwrap_or(now),
    };
    let ledger = app.tranche.ledger()?.with_lease(LEASE);
    let plan = RunPlan {
        run_id: new_run_id(&SystemClock),
        pipeline,
        slot: None,
        as_of,
        full: run.full,
        restatement: 0,
        definitions: ledger.pin(&app.tranche.definitions.project).await?,
        resumes: None,
    };
    perform(&plan, &app.tranche, &ledger, app.global.format).await
}

pub(super) async fn resume(run: &str, force: bool, app: &App) -> Result<ExitCode, Failure> {
    let ledger = app.tranche.ledger()?.with_lease(LEASE);
    let mut record = ledger.read(&full_id(run, &ledger).await?).await?;
    if record.status == RunStatus::Running && !force {
        wait_for_silence(&mut record, &ledger).await?;
    }
    // A run continues with the definitions that it started with, whatever they are today.
    let pinned = Tranche::with_project(&app.tranche.place, ledger.definitions(&record.definitions).await?)?;
    let pipeline = pinned.definitions.pipeline(&record.pipeline)?.pipeline.clone();
    let pipeline = pipeline
        .ok_or_else(|| Failure::definition(format!("pipeline `{}` has no steps", record.pipeline)))?;
    perform(&RunPlan::resume(pipeline, record), &pinned, &ledger, app.global.format).await
}

/// After how long a silence a run that a person started counts as dead: resuming it waits for that long.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// Watches a run until it is certain that no process works on it.
async fn wait_for_silence(record: &mut RunRecord, ledger: &Ledger) -> Result<(), Failure> {
    let mut watch = LeaseWatch::begin();
    let mut is_noted = false;
    loop {
        let is_alive = match watch.look(ledger, &record.run_id).await? {
            Liveness::Dead => return Ok(()),
            Liveness::Alive => true,
            Liveness::Unknown => ledger.refresh(record).await?,
        };
        if is_alive {
            let advice =
                format!("run `{}` is active; to take it over all the same, add --force", record.run_id);
            return Err(Failure::definition(advice));
        }
        if !std::mem::replace(&mut is_noted, true) {
            note("the run may still be active; waiting for a heartbeat (--force takes it over at once)")?;
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

/// How often the lease of a run that may be alive is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Executes a plan; the first Ctrl-C stops it cleanly, the second at once.
async fn perform(
    plan: &RunPlan,
    tranche: &Tranche,
    ledger: &Ledger,
    format: Format,
) -> Result<ExitCode, Failure> {
    let progress = Progress::new();
    let display = RunDisplay { observer: Box::new(progress.clone()), progress: Arc::new(progress) };
    let cancel = CancellationToken::new();
    let listener = tokio::spawn(cancel_on_signal(cancel.clone(), || {}));
    let report = run_now(plan, tranche, ledger, display, cancel).await;
    listener.abort();
    let report = report?;
    print_report(&report, format)?;
    Ok(match report.status {
        RunStatus::Failed => exit_code(worst(&report)),
        _ => ExitCode::SUCCESS,
    })
}

/// Who has to act first: an author before the data, the data before the storage.
fn worst(report: &RunReport) -> FailureClass {
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

fn print_report(report: &RunReport, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json(report, format);
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
