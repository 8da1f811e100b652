//! `segment preview`: what a definition would publish.

use serde_json::json;
use tranche_workspace::queries::preview::{PreviewRequest, PreviewedDefinition, preview};

use crate::app::App;
use crate::args::Format;
use crate::failure::Failure;
use crate::output::{Rows, paragraph, print_document, print_text, rows_of_result};

pub(super) async fn run(
    segment: &str,
    as_of: Option<&str>,
    limit: usize,
    pipeline: Option<&str>,
    app: &App,
) -> Result<(), Failure> {
    let found = preview(&app.tranche, &PreviewRequest { segment, as_of, limit, pipeline }).await?;
    let format = app.global.format;
    if format == Format::Json {
        return print_document(&found);
    }
    if format == Format::Table {
        let members: u64 = found.segments.iter().map(|segment| segment.size).sum();
        let PreviewedDefinition { segment, as_of, universe, entity, .. } = &found;
        print_text(&paragraph(&format!(
            "{segment} as of {as_of}: {members} of {universe} entities `{entity}`; nothing was published"
        )))?;
    }
    figures(&found).print(format)?;
    if format == Format::Table {
        print_text(&paragraph(
            "some members, with what the definition reads of them (--format json shows all of their columns):",
        ))?;
        let is_read = |column: &str| column == SEGMENT || found.reads.contains(column);
        rows_of_result(found.sample.clone()).only(is_read).print_beside(format)?;
    }
    Ok(())
}

/// The column of a set's sample that says which segment a member is in.
const SEGMENT: &str = "segment";

fn figures(found: &PreviewedDefinition) -> Rows {
    let mut rows =
        Rows::new(&["segment", "size", "share", "unmatched", "null_keys", "published", "entered", "exited"]);
    for segment in &found.segments {
        rows.push(vec![
            json!(segment.segment),
            json!(segment.size),
            json!((segment.share * 1e6).round() / 1e6),
            json!(segment.unmatched),
            json!(segment.null_keys),
            json!(segment.published),
            json!(segment.entered),
            json!(segment.exited),
        ]);
    }
    rows
}
