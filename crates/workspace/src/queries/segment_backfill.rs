//! A past for segments, as if they had been refreshed all along.

use jiff::{Span, Timestamp, Zoned};
use schemars::JsonSchema;
use serde::Serialize;
use tranche_pipeline::{SystemClock, new_run_id};
use tranche_project::duration;
use tranche_segment::refresh::SegmentReport;
use tranche_segment::{Backfill, Backfilled, Definitions, Elsewhere, Pattern, PlannedBackfill};
use tranche_sql::{Engine, Tables};
use tranche_store::Lake;

use crate::failure::{Failure, chain};
use crate::tranche::Tranche;

/// So many instants are rather a slip of the pen.
const MAX_INSTANTS: usize = 10_000;

/// Which segments, at which instants.
#[derive(Debug, Clone, Copy)]
pub struct SegmentBackfillRequest<'a> {
    /// Only these segments and sets; all of the pipeline if there are none.
    pub segments: &'a [String],
    /// The pipeline, when there are several and no segment is named.
    pub pipeline: Option<&'a str>,
    /// The first instant.
    pub from: &'a str,
    /// The last instant, if the steps come upon it.
    pub to: &'a str,
    /// From one instant to the next.
    pub every: &'a str,
    /// Whether history from the first instant on is replaced.
    pub rebuild: bool,
}

/// The span of instants of a backfill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BackfillSpan {
    /// The pipeline.
    pub pipeline: String,
    /// The entity.
    pub entity: String,
    /// The first instant.
    #[schemars(with = "Option<String>")]
    pub from: Option<Timestamp>,
    /// The last instant.
    #[schemars(with = "Option<String>")]
    pub to: Option<Timestamp>,
    /// How many instants there are.
    pub instants: usize,
}

/// What a backfill of an entity would do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SegmentBackfillPlan {
    /// Its instants.
    #[serde(flatten)]
    pub span: BackfillSpan,
    /// Every instant.
    #[schemars(with = "Vec<String>")]
    pub as_of: Vec<Timestamp>,
    /// Whether history from the first instant on is replaced.
    pub rebuild: bool,
    /// Why it would be refused, if it would.
    pub refused: Option<String>,
    /// What it would do to each segment.
    pub segments: Vec<SegmentBackfillRow>,
}

/// What a backfill would do to a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SegmentBackfillRow {
    /// The segment.
    pub segment: String,
    /// Its last refresh.
    #[schemars(with = "Option<String>")]
    pub last_refresh: Option<Timestamp>,
    /// How many of its refreshes would be replaced.
    pub replaced: usize,
}

/// A backfill of an entity that was published.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SegmentBackfillDone {
    /// Its instants.
    #[serde(flatten)]
    pub span: BackfillSpan,
    /// The segments as of the last instant.
    pub segments: Vec<SegmentReport>,
}

/// What a backfill would do to each entity; nothing is published.
///
/// # Errors
/// [`Failure`] when the request is not one, a definition has a problem, or the lake cannot be read.
pub async fn plan(
    tranche: &Tranche,
    request: &SegmentBackfillRequest<'_>,
) -> Result<Vec<SegmentBackfillPlan>, Failure> {
    let prepared = Prepared::new(tranche, request).await?;
    let planned = prepared.backfill().plan().await?;
    let of_entity = |planned: &PlannedBackfill| SegmentBackfillPlan {
        span: prepared.span(&planned.entity),
        as_of: prepared.instants.clone(),
        rebuild: request.rebuild,
        refused: planned.refused.as_ref().map(|error| chain(error)),
        segments: planned
            .segments
            .iter()
            .map(|row| SegmentBackfillRow {
                segment: row.segment.clone(),
                last_refresh: row.last_refresh,
                replaced: row.replaced,
            })
            .collect(),
    };
    Ok(planned.iter().map(of_entity).collect())
}

/// Computes and publishes; `progress` receives, for an entity, how many of how many instants are done.
///
/// # Errors
/// [`Failure`] when the request is not one, a definition has a problem, or the lake cannot be read or written.
pub async fn run(
    tranche: &Tranche,
    request: &SegmentBackfillRequest<'_>,
    progress: &(dyn Fn(&str, usize, usize) + Send + Sync),
) -> Result<Vec<SegmentBackfillDone>, Failure> {
    let prepared = Prepared::new(tranche, request).await?;
    let all = prepared.instants.len();
    let count = |entity: &str, done: usize| progress(entity, done, all);
    let transaction = format!("backfill/{}", new_run_id(&SystemClock));
    let done = prepared.backfill().run(&transaction, &count).await?;
    let of_entity =
        |done: Backfilled| SegmentBackfillDone { span: prepared.span(&done.entity), segments: done.segments };
    Ok(done.into_iter().map(of_entity).collect())
}

/// A request whose names and instants were understood, and the lake that it is for.
struct Prepared<'a> {
    pipeline: &'a str,
    definitions: &'a Definitions,
    engine: &'a Engine,
    names: Vec<String>,
    instants: Vec<Timestamp>,
    rebuild: bool,
    lake: Lake,
    tables: Tables,
    elsewhere: Elsewhere,
}

impl<'a> Prepared<'a> {
    async fn new(tranche: &'a Tranche, request: &SegmentBackfillRequest<'a>) -> Result<Self, Failure> {
        let pipeline = pipeline(request, tranche)?;
        let zone = &tranche.definitions.settings.timezone;
        let from = tranche.instant(request.from)?.to_zoned(zone.clone());
        let to = tranche.instant(request.to)?;
        let instants = steps(&from, to, request.every).map_err(Failure::definition)?;
        // The labels of a set exclude each other, so that one stands for all.
        let name = |typed: &String| Pattern::parse(typed).definition().to_owned();
        let names = request.segments.iter().map(name).collect();
        tranche.check().await?;
        let lake = tranche.lake()?;
        let tables = tranche.tables(&lake).await?;
        let definitions = &tranche.definitions.pipeline(pipeline)?.definitions;
        let (engine, rebuild) = (&tranche.engine, request.rebuild);
        let elsewhere = tranche.definitions.elsewhere(pipeline, engine).await?;
        Ok(Self { pipeline, definitions, engine, names, instants, rebuild, lake, tables, elsewhere })
    }

    fn backfill(&self) -> Backfill<'_> {
        Backfill {
            definitions: self.definitions,
            wanted: (!self.names.is_empty()).then_some(&*self.names),
            instants: &self.instants,
            rebuild: self.rebuild,
            lake: &self.lake,
            tables: &self.tables,
            engine: self.engine,
            pipeline: self.pipeline,
            elsewhere: &self.elsewhere,
        }
    }

    fn span(&self, entity: &str) -> BackfillSpan {
        BackfillSpan {
            pipeline: self.pipeline.to_owned(),
            entity: entity.to_owned(),
            from: self.instants.first().copied(),
            to: self.instants.last().copied(),
            instants: self.instants.len(),
        }
    }
}

/// The pipeline that is meant: the one that is named, that of the segments, or the only one.
fn pipeline<'a>(request: &SegmentBackfillRequest<'a>, tranche: &'a Tranche) -> Result<&'a str, Failure> {
    let mut meant: Option<&str> = request.pipeline;
    if let Some(name) = meant {
        let _ = tranche.definitions.pipeline(name)?;
    }
    for segment in request.segments {
        let (pipeline, ..) = tranche.definitions.segment(segment)?;
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
    let mut all = tranche.definitions.pipelines.keys();
    match (meant, all.next(), all.next()) {
        (Some(pipeline), ..) => Ok(pipeline),
        (None, Some(only), None) => Ok(only),
        _ => Err(Failure::definition("name segments, or a pipeline with --pipeline")),
    }
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
                "these are more than {MAX_INSTANTS} instants; use a longer --every, or backfill a shorter interval"
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
