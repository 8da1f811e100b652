//! `segment list`, `show`, `members` and more: the analyst's tools.

mod backfill;
mod explain;
mod history;
mod overlap;
mod preview;
mod test;
mod why;

use std::process::ExitCode;

use serde_json::{Value, json};
use tranche_segment::store::{HistoryRow, history, latest, members};
use tranche_segment::{SegmentDefinition, SegmentKind};

use crate::app::App;
use crate::args::{AsOf, Format, Segment};
use crate::failure::Failure;
use crate::output::{Rows, print_json, print_text};

pub(super) async fn run(segment: &Segment, app: &App) -> Result<ExitCode, Failure> {
    match segment {
        Segment::List(as_of) => list(as_of, app).await?,
        Segment::Show { segment } => show(segment, app).await?,
        Segment::Members { segment, as_of } => print_members(segment, as_of, app).await?,
        Segment::Preview { segment, as_of, limit, pipeline } => {
            preview::run(segment, as_of.as_of.as_deref(), *limit, pipeline.as_deref(), app).await?;
        }
        Segment::Why { segment, key, as_of } => why::run(segment, key, as_of.as_of.as_deref(), app).await?,
        Segment::Overlap { segments, entity, as_of } => {
            overlap::run(segments, entity.as_deref(), as_of, app).await?
        }
        Segment::Explain { segments, as_of, pipeline } => {
            explain::run(segments, as_of.as_deref(), pipeline.as_deref(), app).await?
        }
        Segment::Backfill(wanted) => backfill::run(wanted, app).await?,
        Segment::History { segment } => history::run(segment, app).await?,
        Segment::Test { segments } => return test::run(segments, app).await,
    }
    Ok(ExitCode::SUCCESS)
}

const COLUMNS: [&str; 7] = ["segment", "entity", "size", "entered", "exited", "unmatched", "as_of"];

fn row_of(row: &HistoryRow) -> Vec<Value> {
    let HistoryRow { segment, entity, size, entered, exited, unmatched, as_of, .. } = row;
    vec![
        json!(segment),
        json!(entity),
        json!(size),
        json!(entered),
        json!(exited),
        json!(unmatched),
        json!(as_of),
    ]
}

async fn read_history(as_of: &AsOf, app: &App) -> Result<Vec<HistoryRow>, Failure> {
    let session = app.tranche.engine.session(app.tranche.instant_or_latest(as_of.as_of.as_deref())?);
    Ok(history(&app.tranche.lake()?, &session).await?)
}

async fn list(as_of: &AsOf, app: &App) -> Result<(), Failure> {
    let mut rows = Rows::new(&COLUMNS);
    let refreshed = latest(&read_history(as_of, app).await?);
    let definitions =
        || app.tranche.definitions.pipelines.values().flat_map(|p| p.definitions.segments.values());
    for row in refreshed.iter().filter(|row| definitions().any(|d| belongs(&row.segment, d))) {
        rows.push(row_of(row));
    }
    // What was never refreshed is listed too, without figures.
    for definition in definitions().filter(|d| !refreshed.iter().any(|row| belongs(&row.segment, d))) {
        let none = Value::Null;
        let unknown = || none.clone();
        rows.push(vec![
            json!(definition.name),
            json!(definition.entity),
            unknown(),
            unknown(),
            unknown(),
            unknown(),
            unknown(),
        ]);
    }
    rows.print(app.global.format)
}

fn belongs(segment: &str, definition: &SegmentDefinition) -> bool {
    match definition.kind {
        SegmentKind::Single => segment == definition.name,
        SegmentKind::Set => segment.split_once('/').is_some_and(|(set, _)| set == definition.name),
    }
}

/// Whether a name that someone typed means this segment: it, its set, or `set/*`.
fn is_meant(segment: &str, name: &str, definition: &SegmentDefinition) -> bool {
    segment == name || ((name == definition.name || name.ends_with("/*")) && belongs(segment, definition))
}

/// The segments that a name means, in a history; fails when a label is not among them.
fn meant<'a>(
    rows: &'a [HistoryRow],
    name: &str,
    definition: &SegmentDefinition,
) -> Result<Vec<&'a HistoryRow>, Failure> {
    let found: Vec<&HistoryRow> =
        rows.iter().filter(|row| is_meant(&row.segment, name, definition)).collect();
    let known = rows.iter().filter(|row| belongs(&row.segment, definition)).map(|row| row.segment.as_str());
    if !found.is_empty() {
        return Ok(found);
    }
    match known.clone().next() {
        Some(_) => Err(Failure::unknown(
            "segment",
            name,
            known,
            &format!("`tranche segment show {}` shows its set", definition.name),
        )),
        None => Err(Failure::data(format!("`{name}` was not refreshed yet; run its pipeline"))),
    }
}

async fn show(name: &str, app: &App) -> Result<(), Failure> {
    let (_, _, definition) = app.tranche.definitions.segment(name)?;
    let all = read_history(&AsOf { as_of: None }, app).await?;
    let own: Vec<&HistoryRow> = all.iter().filter(|row| is_meant(&row.segment, name, definition)).collect();
    if app.global.format == Format::Json {
        let history: Vec<Value> = own.iter().map(|row| json!(row)).collect();
        return print_json(
            &json!({
                "segment": name, "entity": definition.entity, "description": definition.description, "owner": definition.owner,
                "tags": definition.tags, "file": definition.file.path(), "needs": definition.needs, "history": history,
            }),
            Format::Json,
        );
    }
    let mut lines =
        vec![format!("{name}: {}", definition.description.as_deref().unwrap_or("no description"))];
    lines.extend(definition.owner.as_ref().map(|owner| format!("owner {owner}")));
    lines.push(format!("{}\n\n{}", definition.file.path(), definition.file.text().trim_end()));
    print_text(&lines.join("\n"))?;
    let mut rows = Rows::new(&COLUMNS);
    for row in own {
        rows.push(row_of(row));
    }
    rows.print(app.global.format)
}

async fn print_members(name: &str, as_of: &AsOf, app: &App) -> Result<(), Failure> {
    let (_, pipeline, definition) = app.tranche.definitions.segment(name)?;
    if definition.kind == SegmentKind::Set && !name.contains('/') {
        return Err(Failure::definition(format!(
            "`{name}` is a set; name one of its segments, such as `{name}/<label>`"
        )));
    }
    let key = pipeline.definitions.key(&definition.entity).unwrap_or_default();
    let session = app.tranche.engine.session(app.tranche.instant_or_latest(as_of.as_of.as_deref())?);
    match members(&app.tranche.lake()?, &session, &definition.entity, key, name).await? {
        Some(found) => Rows::from_batches(&found.schema, &found.batches)?.print(app.global.format),
        None => Rows::new(&[key]).print(app.global.format),
    }
}
