//! `segment backfill`: a past for segments, as if they had been refreshed all along.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{Span, Timestamp, Zoned};
use serde_json::json;
use tranche_pipeline::{SystemClock, new_run_id};
use tranche_project::duration;
use tranche_segment::{Backfill, Backfilled, PlannedBackfill};

use crate::app::App;
use crate::args;
use crate::args::Format;
use crate::failure::{Failure, chain};
use crate::output::{Rows, print_json, print_text};
use crate::progress::Progress;

/// So many instants are rather a slip of the pen.
const MAX_INSTANTS: usize = 10_000;

pub(super) async fn run(wanted: &args::Backfill, app: &App) -> Result<(), Failure> {
    let pipeline = pipeline(wanted, app)?;
    let instants = instants(wanted, app)?;
    app.tranche.check().await?;
    let names = names(&wanted.segments);
    let lake = app.tranche.lake()?;
    let tables = app.tranche.tables(&lake).await?;
    let backfill = Backfill {
        definitions: &app.tranche.definitions.pipeline(pipeline)?.definitions,
        wanted: (!names.is_empty()).then_some(&*names),
        instants: &instants,
        rebuild: wanted.rebuild,
        lake: &lake,
        tables: &tables,
        engine: &app.tranche.engine,
        pipeline,
    };
    if wanted.dry_run {
        let planned = backfill.plan().await?;
        return planned.iter().try_for_each(|entity| print_plan(entity, &backfill, app.global.format));
    }
    let progress = Progress::new();
    let counts = Mutex::new(HashMap::new());
    let count = |entity: &str, done: usize| {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = || progress.count(&format!("instants of {entity}"), instants.len());
        counts.entry(entity.to_owned()).or_insert_with(begin).done(done);
    };
    let done = backfill.run(&format!("backfill/{}", new_run_id(&SystemClock)), &count).await?;
    done.iter().try_for_each(|entity| print(entity, &backfill, app.global.format))
}

/// The pipeline that is meant: the one that is named, that of the segments, or the only one.
fn pipeline<'a>(wanted: &'a args::Backfill, app: &'a App) -> Result<&'a str, Failure> {
    let mut meant: Option<&str> = wanted.pipeline.as_deref();
    if let Some(name) = meant {
        let _ = app.tranche.definitions.pipeline(name)?;
    }
    for segment in &wanted.segments {
        let (pipeline, ..) = app.tranche.definitions.segment(segment)?;
        match meant {
            Some(other) if other != pipeline => {
                let message = format!(
                    "`{segment}` is of pipeline `{pipeline}`, not of `{other}`; backfill one pipeline at a time"
                );
                return Err(Failure::definition(message));
            }
            _ => meant = Some(pipeline),
        }
    }
    let mut all = app.tranche.definitions.pipelines.keys();
    match (meant, all.next(), all.next()) {
        (Some(pipeline), ..) => Ok(pipeline),
        (None, Some(only), None) => Ok(only),
        _ => Err(Failure::definition("say which pipeline: name segments, or add --pipeline")),
    }
}

/// The segments and sets that names mean. The labels of a set exclude each other, so that one stands for all.
fn names(typed: &[String]) -> Vec<String> {
    typed.iter().map(|name| name.split('/').next().unwrap_or(name).to_owned()).collect()
}

fn instants(wanted: &args::Backfill, app: &App) -> Result<Vec<Timestamp>, Failure> {
    let zone = &app.tranche.definitions.settings.timezone;
    let from = app.tranche.instant(&wanted.from)?.to_zoned(zone.clone());
    steps(&from, app.tranche.instant(&wanted.to)?, &wanted.every).map_err(Failure::definition)
}

/// The instants from `from` to `to`, both included. Days are those of the calendar: where a clock is put forward or back, they have
/// 23 or 25 hours.
fn steps(from: &Zoned, to: Timestamp, every: &str) -> Result<Vec<Timestamp>, String> {
    let _ = duration::parse(every)?;
    let every: Span = every.trim().parse().map_err(|_| format!("`{every}` is not a duration"))?;
    let mut instants = Vec::new();
    for step in 0_i64.. {
        // Each is counted from the first: a time of day that one day lacks is there again the day after.
        let next = every
            .checked_mul(step)
            .and_then(|span| from.checked_add(span))
            .map_err(|error| error.to_string())?;
        if next.timestamp() > to {
            break;
        }
        if instants.len() == MAX_INSTANTS {
            return Err(format!(
                "that are more than {MAX_INSTANTS} instants; take longer steps with --every, or fill in a part"
            ));
        }
        instants.push(next.timestamp());
    }
    if instants.is_empty() {
        Err(format!("--to {to} is before --from {}", from.timestamp()))
    } else {
        Ok(instants)
    }
}

fn print(done: &Backfilled, backfill: &Backfill<'_>, format: Format) -> Result<(), Failure> {
    let (Backfilled { entity, segments }, instants) = (done, backfill.instants);
    let (from, to) = (instants.first(), instants.last());
    if format == Format::Json {
        let document = json!({
            "pipeline": backfill.pipeline, "entity": entity, "from": from, "to": to, "instants": instants.len(),
            "segments": segments,
        });
        return print_json(&document, format);
    }
    if format == Format::Table {
        print_text(&headline(entity, backfill))?;
    }
    let mut rows = Rows::new(&["segment", "entity", "size", "entered", "exited", "unmatched"]);
    for segment in segments {
        rows.push(vec![
            json!(segment.segment),
            json!(segment.entity),
            json!(segment.size),
            json!(segment.entered),
            json!(segment.exited),
            json!(segment.unmatched),
        ]);
    }
    rows.print(format)
}

fn print_plan(planned: &PlannedBackfill, backfill: &Backfill<'_>, format: Format) -> Result<(), Failure> {
    let (PlannedBackfill { entity, segments, refused }, instants) = (planned, backfill.instants);
    let mut rows = Rows::new(&["segment", "last_refresh", "replaced"]);
    for segment in segments {
        rows.push(vec![json!(segment.segment), json!(segment.last_refresh), json!(segment.replaced)]);
    }
    let refused = refused.as_ref().map(|error| chain(error));
    if format == Format::Json {
        let document = json!({
            "pipeline": backfill.pipeline, "entity": entity, "from": instants.first(), "to": instants.last(),
            "instants": instants.len(), "as_of": instants, "rebuild": backfill.rebuild, "refused": refused,
            "segments": rows.objects(),
        });
        return print_json(&document, format);
    }
    if format != Format::Table {
        return rows.print(format);
    }
    let listed: Vec<String> = instants.iter().map(Timestamp::to_string).collect();
    print_text(&format!("{}; nothing was published\n{}", headline(entity, backfill), listed.join("\n")))?;
    rows.print(format)?;
    let verdict = match refused {
        Some(reason) => format!("it would be refused: {reason}"),
        None if segments.iter().any(|segment| segment.replaced > 0) => {
            "history and memberships of segments with replaced refreshes would be rebuilt".to_owned()
        }
        None => "nothing that is published would be replaced".to_owned(),
    };
    print_text(&verdict)
}

fn headline(entity: &str, backfill: &Backfill<'_>) -> String {
    let shown = |instant: Option<&Timestamp>| instant.map(Timestamp::to_string).unwrap_or_default();
    let (pipeline, instants) = (backfill.pipeline, backfill.instants);
    let (count, from, to) = (instants.len(), shown(instants.first()), shown(instants.last()));
    let plural = if count == 1 { "" } else { "s" };
    format!("{pipeline}, {entity}: {count} instant{plural} from {from} to {to}")
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use tranche_project::instant;

    use super::*;

    #[test]
    fn days_are_those_of_the_calendar_and_hours_are_hours() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (from, to, every, expected) in [
            // The clock is put forward in the night to the 29th: that day has no 02:30, and the next has.
            (
                "2026-03-28T02:30",
                "2026-03-30T02:30",
                "1d",
                Ok(vec!["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]),
            ),
            (
                "2026-03-28T02:30",
                "2026-03-30T00:00",
                "24h",
                Ok(vec!["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z"]),
            ),
            ("2026-11-01", "2026-11-14", "1 week", Ok(vec!["2026-10-31T23:00:00Z", "2026-11-07T23:00:00Z"])),
            ("2026-11-01", "2026-11-01", "1d", Ok(vec!["2026-10-31T23:00:00Z"])),
            (
                "2026-11-02",
                "2026-11-01",
                "1d",
                Err("--to 2026-10-31T23:00:00Z is before --from 2026-11-01T23:00:00Z"),
            ),
            ("2026-11-01", "2026-11-02", "1s", Err("more than 10000 instants")),
            ("2026-11-01", "2026-11-02", "1 month", Err("has no fixed length")),
            ("2026-11-01", "2026-11-02", "0d", Err("not a positive duration")),
        ] {
            let from = instant::parse(from, &berlin).unwrap().to_zoned(berlin.clone());
            let found = steps(&from, instant::parse(to, &berlin).unwrap(), every);
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(
                        found.iter().map(Timestamp::to_string).collect::<Vec<_>>(),
                        expected,
                        "{from} {every}"
                    );
                }
                (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
                (found, expected) => panic!("{from} {every}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
