//! `segment backfill`: a past for segments, as if they had been refreshed all along.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tranche_workspace::queries::segment_backfill::{
    BackfillSpan, SegmentBackfillDone, SegmentBackfillPlan, SegmentBackfillRequest, plan, run as backfill,
};

use crate::app::App;
use crate::args;
use crate::args::Format;
use crate::failure::Failure;
use crate::output::{print_document, print_text, rows_of};
use crate::progress::Progress;

pub(super) async fn run(wanted: &args::Backfill, app: &App) -> Result<(), Failure> {
    let format = app.global.format;
    let request = SegmentBackfillRequest {
        segments: &wanted.segments,
        pipeline: wanted.pipeline.as_deref(),
        from: &wanted.from,
        to: &wanted.to,
        every: &wanted.every,
        rebuild: wanted.rebuild,
    };
    if wanted.dry_run {
        let planned = plan(&app.tranche, &request).await?;
        return planned.iter().try_for_each(|entity| print_plan(entity, format));
    }
    let progress = Progress::new();
    let counts = Mutex::new(HashMap::new());
    let count = |entity: &str, done: usize, all: usize| {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = || progress.count(&format!("instants of {entity}"), all);
        counts.entry(entity.to_owned()).or_insert_with(begin).done(done);
    };
    let done = backfill(&app.tranche, &request, &count).await?;
    done.iter().try_for_each(|entity| print(entity, format))
}

fn print(done: &SegmentBackfillDone, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print_document(done);
    }
    if format == Format::Table {
        print_text(&headline(&done.span))?;
    }
    rows_of(&["segment", "entity", "size", "entered", "exited", "unmatched"], &done.segments)?.print(format)
}

fn print_plan(planned: &SegmentBackfillPlan, format: Format) -> Result<(), Failure> {
    let rows = rows_of(&["segment", "last_refresh", "replaced"], &planned.segments)?;
    match format {
        Format::Json => return print_document(planned),
        Format::Csv | Format::Markdown => return rows.print(format),
        Format::Table => {}
    }
    let listed: Vec<String> = planned.as_of.iter().map(Timestamp::to_string).collect();
    print_text(&format!("{}; nothing was published\n{}", headline(&planned.span), listed.join("\n")))?;
    rows.print(format)?;
    let verdict = match &planned.refused {
        Some(reason) => format!("it would be refused: {reason}"),
        None if planned.segments.iter().any(|segment| segment.replaced > 0) => {
            "history and memberships of segments with replaced refreshes would be rebuilt".to_owned()
        }
        None => "nothing that is published would be replaced".to_owned(),
    };
    print_text(&verdict)
}

fn headline(span: &BackfillSpan) -> String {
    let shown = |instant: Option<Timestamp>| instant.map(|at| at.to_string()).unwrap_or_default();
    let BackfillSpan { pipeline, entity, instants: count, .. } = span;
    let (from, to) = (shown(span.from), shown(span.to));
    let plural = if *count == 1 { "" } else { "s" };
    format!("{pipeline}, {entity}: {count} instant{plural} from {from} to {to}")
}
