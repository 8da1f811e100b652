//! `runs`: what was run, what was not, and one run as a timeline.

use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use tranche_pipeline::{Event, Fate, Ledger, RunRecord, RunStatus, Timeline};

use crate::app::App;
use crate::args::{Format, Runs};
use crate::commands::run::full_id;
use crate::failure::Failure;
use crate::output::{Rows, print_json, print_text};

const COLUMNS: [&str; 7] = ["run_id", "pipeline", "slot", "as_of", "status", "started_at", "ended_at"];

/// A line of the list: a run, or a slot that was not run.
struct Line {
    began: Timestamp,
    cells: Vec<Value>,
}

pub(super) async fn run(wanted: &Runs, app: &App) -> Result<(), Failure> {
    let ledger = app.tranche.ledger()?;
    let format = app.global.format;
    if let Some(run) = &wanted.run {
        let run_id = full_id(run, &ledger).await?;
        return if wanted.follow {
            follow(&run_id, &ledger, format).await
        } else {
            show(&run_id, &ledger, format).await
        };
    }
    if let Some(backfill) = &wanted.backfill {
        let backfill = super::backfill::find(backfill, &ledger).await?;
        let runs = ledger.backfill_runs(&backfill).await?;
        return print(runs.into_iter().flatten().map(Line::of_run).collect(), format);
    }
    let status = wanted.status.as_deref().map(parse_status).transpose()?;
    let since = wanted.since.as_deref().map(|text| app.tranche.instant(text)).transpose()?;
    let fits = |pipeline: &str, found: RunStatus, began: Timestamp| {
        wanted.pipeline.as_ref().is_none_or(|wanted| wanted == pipeline)
            && status.is_none_or(|wanted| wanted == found)
            && since.is_none_or(|since| since <= began)
    };
    let mut lines = Vec::new();
    if !matches!(status, Some(RunStatus::Skipped | RunStatus::Missed)) {
        let runs = ledger.newest(wanted.limit, |run| fits(&run.pipeline, run.status, run.started_at)).await?;
        lines.extend(runs.into_iter().map(Line::of_run));
    }
    // What is older than as many runs as are wanted is not shown.
    let oldest = lines.iter().map(|line: &Line| line.began).min().filter(|_| lines.len() >= wanted.limit);
    let oldest = oldest.max(since).unwrap_or(Timestamp::MIN);
    if !matches!(status, Some(RunStatus::Running | RunStatus::Done | RunStatus::Failed)) {
        for pipeline in app.tranche.definitions.pipelines.keys() {
            if wanted.pipeline.as_ref().is_none_or(|wanted| wanted == pipeline) {
                lines.extend(not_run(pipeline, (oldest, wanted.limit), &ledger, &fits).await?);
            }
        }
    }
    // Runs of a pipeline that is gone are listed; a name that never was one is a mistake.
    if let Some(name) = &wanted.pipeline
        && lines.is_empty()
        && !ledger.scheduled_pipelines().await?.contains(name)
    {
        app.tranche.definitions.pipeline(name)?;
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.began));
    lines.truncate(wanted.limit);
    print(lines, format)
}

fn parse_status(text: &str) -> Result<RunStatus, Failure> {
    serde_json::from_value(json!(text)).map_err(|_| {
        Failure::definition(format!(
            "--status: `{text}` is none of running, done, failed, skipped and missed"
        ))
    })
}

/// Slots that are looked up at the same time.
const CONCURRENCY: usize = 16;

/// The newest slots of a pipeline that were skipped or missed, from `oldest` on, at most `limit`.
async fn not_run(
    pipeline: &str,
    (oldest, limit): (Timestamp, usize),
    ledger: &Ledger,
    fits: &impl Fn(&str, RunStatus, Timestamp) -> bool,
) -> Result<Vec<Line>, Failure> {
    let slots = ledger.decided_slots(pipeline, oldest, Timestamp::MAX).await?;
    let look_up = |slot: &Timestamp| {
        let slot = *slot;
        async move { ledger.slot(pipeline, slot).await.map(|mut entries| (slot, entries.pop())) }
    };
    let mut looked_up = stream::iter(slots.iter().rev()).map(look_up).buffered(CONCURRENCY);
    let mut lines = Vec::new();
    while lines.len() < limit
        && let Some(found) = looked_up.next().await
    {
        let (slot, Some(last)) = found? else { continue };
        let status = match last.fate {
            Fate::Run { .. } => continue,
            Fate::Skipped { .. } => RunStatus::Skipped,
            Fate::Missed { .. } => RunStatus::Missed,
        };
        if fits(pipeline, status, slot) {
            let cells = vec![
                Value::Null,
                json!(pipeline),
                json!(slot),
                json!(slot),
                json!(status),
                json!(last.at),
                json!(last.at),
            ];
            lines.push(Line { began: slot, cells });
        }
    }
    Ok(lines)
}

impl Line {
    fn of_run(record: RunRecord) -> Self {
        let run = record.summary();
        let cells = vec![
            json!(run.run_id),
            json!(run.pipeline),
            json!(run.slot),
            json!(run.as_of),
            json!(run.status),
            json!(run.started_at),
            json!(run.ended_at),
        ];
        Self { began: run.started_at, cells }
    }
}

fn print(lines: Vec<Line>, format: Format) -> Result<(), Failure> {
    let mut rows = Rows::new(&COLUMNS);
    lines.into_iter().for_each(|line| rows.push(line.cells));
    rows.print(format)
}

async fn show(run_id: &str, ledger: &Ledger, format: Format) -> Result<(), Failure> {
    let timeline = Timeline::from_events(&ledger.events(run_id).await?);
    let timeline = timeline
        .ok_or_else(|| Failure::data(format!("the log of run `{run_id}` does not begin with its start")))?;
    if format == Format::Json {
        return print_json(&timeline, format);
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
            json!(step.message.clone().or_else(|| super::run::told_in(&step.detail))),
        ]);
    }
    rows.print(format)
}

/// How often a run's log is looked at.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Tells every event of a run, those of the past first, until the run ends.
async fn follow(run_id: &str, ledger: &Ledger, format: Format) -> Result<(), Failure> {
    let mut told = 0;
    loop {
        let events = ledger.events_from(run_id, told).await?;
        for event in &events {
            let text = match format {
                Format::Json => {
                    serde_json::to_string(event).map_err(|error| Failure::internal(error.to_string()))?
                }
                Format::Table | Format::Csv | Format::Markdown => line_of(event),
            };
            print_text(&text)?;
        }
        told += events.len() as u64;
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
        Event::Resumed { .. } => "someone goes on with the run".to_owned(),
        Event::Ended { status, message, .. } => match message {
            Some(message) => format!("the run is {status}: {message}"),
            None => format!("the run is {status}"),
        },
    };
    format!("{} {what}", event.at())
}
