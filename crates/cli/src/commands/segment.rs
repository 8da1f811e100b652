//! `segment list`, `show`, `members` and more: the analyst's tools.

mod backfill;
mod explain;
mod history;
mod overlap;
mod preview;
mod test;
mod why;

use std::process::ExitCode;

use tranche_workspace::queries::segments::{SegmentDescription, SegmentRow, list, members, show};

use crate::app::App;
use crate::args::{Format, Segment};
use crate::failure::Failure;
use crate::output::{print_document, print_records, print_text, rows_of, rows_of_result};

pub(super) async fn run(segment: &Segment, app: &App) -> Result<ExitCode, Failure> {
    let (tranche, format) = (&app.tranche, app.global.format);
    match segment {
        Segment::List(as_of) => {
            print_records(&COLUMNS, &list(tranche, as_of.as_of.as_deref()).await?, format)?;
        }
        Segment::Show { segment } => describe(&show(tranche, segment).await?, format)?,
        Segment::Members { segment, as_of } => {
            rows_of_result(members(tranche, segment, as_of.as_of.as_deref()).await?).print(format)?;
        }
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

fn describe(found: &SegmentDescription, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_document(found);
    }
    let description = found.description.as_deref().unwrap_or("no description");
    let mut lines = vec![format!("{}: {description}", found.segment)];
    lines.extend(found.owner.as_ref().map(|owner| format!("owner {owner}")));
    lines.push(format!("{}\n\n{}", found.file, found.text.trim_end()));
    print_text(&lines.join("\n"))?;
    let rows: Vec<SegmentRow> = found.history.iter().map(SegmentRow::from).collect();
    rows_of(&COLUMNS, &rows)?.print(format)
}
