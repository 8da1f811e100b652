//! `segment explain`: what a refresh would read, and which definitions share it.

use serde_json::json;
use tranche_workspace::queries::explain::{ExplainedRefresh, Explanation, explain};

use crate::app::App;
use crate::args::Format;
use crate::failure::Failure;
use crate::output::{Rows, paragraph, print_document, print_text};

pub(super) async fn run(
    names: &[String],
    as_of: Option<&str>,
    pipeline: Option<&str>,
    app: &App,
) -> Result<(), Failure> {
    let found = explain(&app.tranche, names, as_of, pipeline).await?;
    match app.global.format {
        Format::Json => print_document(&found),
        format @ (Format::Csv | Format::Markdown) => aggregates(&found).print(format),
        Format::Table => {
            for ExplainedRefresh { pipeline, explanation } in &found {
                print_text(&paragraph(&headline(pipeline, explanation)))?;
                scans(explanation).print_beside(Format::Table)?;
                definitions(explanation).print(Format::Table)?;
            }
            Ok(())
        }
    }
}

fn headline(pipeline: &str, explanation: &Explanation) -> String {
    let summary = explanation.summary;
    format!(
        "{pipeline}, {} as of {}: {} definitions, {} of them fused, in {} table scans with {} aggregates; {} rows, {:.1} MB to read",
        explanation.entity,
        explanation.as_of,
        summary.definitions,
        summary.fused,
        summary.scans,
        summary.aggregates,
        summary.rows,
        megabytes(summary.bytes),
    )
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn scans(explanation: &Explanation) -> Rows {
    let mut rows =
        Rows::new(&["scan", "definitions", "aggregates", "incremental", "files", "rows", "megabytes"]);
    for scan in &explanation.scans {
        rows.push(vec![
            json!(scan.table),
            json!(scan.definitions),
            json!(scan.aggregates),
            json!(scan.incremental),
            json!(scan.files),
            json!(scan.rows),
            json!(format!("{:.1}", megabytes(scan.bytes))),
        ]);
    }
    rows
}

fn definitions(explanation: &Explanation) -> Rows {
    let mut rows = Rows::new(&["definition", "kind", "evaluated", "scans", "aggregates", "refresh"]);
    for definition in &explanation.definitions {
        let evaluated = match &definition.reason {
            None => "fused".to_owned(),
            Some(reason) => format!("as it is: {reason}"),
        };
        let mut full: Vec<&str> =
            definition.aggregates.iter().filter_map(|aggregate| aggregate.reason.as_deref()).collect();
        full.sort_unstable();
        full.dedup();
        let refresh = match (definition.fused, definition.aggregates.is_empty(), full.is_empty()) {
            (false, _, _) => "full".to_owned(),
            (true, true, _) => "from the entities' own columns".to_owned(),
            (true, false, true) => "incremental".to_owned(),
            (true, false, false) => format!("full, because {}", full.join("; ")),
        };
        rows.push(vec![
            json!(definition.name),
            json!(definition.kind),
            json!(evaluated),
            json!(definition.scans.join(", ")),
            json!(definition.aggregates.len()),
            json!(refresh),
        ]);
    }
    rows
}

fn aggregates(found: &[ExplainedRefresh]) -> Rows {
    let mut rows =
        Rows::new(&["pipeline", "definition", "table", "aggregate", "from", "to", "mode", "reason"]);
    for ExplainedRefresh { pipeline, explanation } in found {
        for definition in &explanation.definitions {
            for aggregate in &definition.aggregates {
                rows.push(vec![
                    json!(pipeline),
                    json!(definition.name),
                    json!(aggregate.table),
                    json!(aggregate.aggregate),
                    json!(aggregate.from),
                    json!(aggregate.to),
                    json!(aggregate.mode),
                    json!(aggregate.reason),
                ]);
            }
        }
    }
    rows
}
