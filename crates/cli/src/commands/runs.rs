//! `runs`: runs, slots that were not run, and one run as a timeline.

use std::time::Duration;

use serde_json::{Value, json};
use tranche_workspace::Tranche;
use tranche_workspace::queries::runs::{Event, RunFilter, RunRecord, events, list, of_backfill, timeline};

use crate::app::App;
use crate::args::{Format, Runs};
use crate::commands::run::result_of;
use crate::failure::Failure;
use crate::output::{Rows, print_json, print_records, print_text};

const COLUMNS: [&str; 7] = ["run_id", "pipeline", "slot", "as_of", "status", "started_at", "ended_at"];

pub(super) async fn run(wanted: &Runs, app: &App) -> Result<(), Failure> {
    let (tranche, format) = (&app.tranche, app.global.format);
    if let Some(run) = &wanted.run {
        if wanted.follow {
            return follow(run, tranche, format).await;
        }
        return show(&timeline(tranche, run).await?, format);
    }
    let rows = match &wanted.backfill {
        Some(backfill) => of_backfill(tranche, backfill).await?,
        None => {
            let filter = RunFilter {
                pipeline: wanted.pipeline.as_deref(),
                status: wanted.status.as_deref(),
                since: wanted.since.as_deref(),
                limit: wanted.limit,
            };
            list(tranche, &filter).await?
        }
    };
    print_records(&COLUMNS, &rows, format)
}

fn show(timeline: &RunRecord, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json(timeline, format);
    }
    let columns = [
        "step",
        "status",
        "started_at",
        "ended_at",
        "seconds",
        "attempts",
        "rows_read",
        "rows_written",
        "message",
    ];
    let mut rows = Rows::new(&columns);
    for step in &timeline.steps {
        for failure in step.failures.iter().filter(|failure| failure.attempt < step.attempts) {
            let (at, seconds) = (json!(failure.at), json!(failure.seconds));
            let none = Value::Null;
            let attempt = json!(failure.attempt);
            rows.push(vec![
                json!(step.id),
                json!("retried"),
                none.clone(),
                at,
                seconds,
                attempt,
                none.clone(),
                none,
                json!(failure.message),
            ]);
        }
        rows.push(vec![
            json!(step.id),
            json!(step.status),
            json!(step.started_at),
            json!(step.ended_at),
            json!(step.seconds),
            json!(step.attempts),
            json!(step.rows_read),
            json!(step.rows_written),
            json!(step.message.clone().or_else(|| result_of(&step.detail))),
        ]);
    }
    rows.print(format)
}

/// How often a run's log is looked at.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Prints every event of a run, those of the past first, until the run ends.
async fn follow(run: &str, tranche: &Tranche, format: Format) -> Result<(), Failure> {
    let mut seen = 0;
    loop {
        let events = events(tranche, run, seen).await?;
        for event in &events {
            let text = match format {
                Format::Json => {
                    serde_json::to_string(event).map_err(|error| Failure::internal(error.to_string()))?
                }
                Format::Table | Format::Csv | Format::Markdown => line_of(event),
            };
            print_text(&text)?;
        }
        seen += events.len() as u64;
        if matches!(events.last(), Some(Event::Ended { .. })) {
            return Ok(());
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

fn line_of(event: &Event) -> String {
    let what = match event {
        Event::Started(started) => {
            format!("run {} of {} as of {} begins", started.run_id, started.pipeline, started.as_of)
        }
        Event::StepStarted { step, attempt, .. } => format!("{step} begins, attempt {attempt}"),
        Event::StepDone { step, seconds, rows_read, rows_written, .. } => {
            format!("{step} is done in {seconds:.1} s: {rows_read} rows read, {rows_written} written")
        }
        Event::StepFailed { step, message, will_retry, .. } => {
            format!("{step} failed: {message}{}", if *will_retry { "; it is tried again" } else { "" })
        }
        Event::StepSkipped { step, reason, .. } => format!("{step} is left out: {reason}"),
        Event::Resumed { .. } => "the run is resumed".to_owned(),
        Event::Lost { .. } => "an event that cannot be read (`tranche doctor` names it)".to_owned(),
        Event::Ended { status, message, .. } => match message {
            Some(message) => format!("the run is {status}: {message}"),
            None => format!("the run is {status}"),
        },
    };
    format!("{} {what}", event.at())
}
