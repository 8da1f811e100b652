//! `segment preview`: what a definition would publish.

use serde_json::{Value, json};
use tranche_segment::{Preview, Replay, SegmentKind, preview};
use tranche_workspace::{Draft, Tranche};

use crate::app::App;
use crate::args::Format;
use crate::failure::Failure;
use crate::output::{Rows, paragraph, print_json, print_text};

pub(super) async fn run(
    wanted: &str,
    as_of: Option<&str>,
    limit: usize,
    pipeline: Option<&str>,
    app: &App,
) -> Result<(), Failure> {
    if wanted.to_ascii_lowercase().ends_with(".sql") {
        let draft = Draft::read(wanted, pipeline, &app.tranche)?;
        draft.check().await?;
        return show(&draft.name, wanted, as_of, limit, &draft.tranche, app.global.format).await;
    }
    let (_, _, definition) = app.tranche.definitions.segment(wanted)?;
    app.tranche.check_file(definition.file.path()).await?;
    show(&definition.name, definition.file.path(), as_of, limit, &app.tranche, app.global.format).await
}

async fn show(
    name: &str,
    file: &str,
    as_of: Option<&str>,
    limit: usize,
    tranche: &Tranche,
    format: Format,
) -> Result<(), Failure> {
    let (pipeline, definitions, definition) = tranche.definitions.segment(name)?;
    let lake = tranche.lake()?;
    let as_of = tranche.instant_or_last_refresh(as_of, pipeline, &definition.entity, &lake).await?;
    let tables = tranche.tables(&lake).await?;
    let replay =
        Replay { definitions: &definitions.definitions, tables: &tables, engine: &tranche.engine, as_of };
    let found = preview(&replay, definition, &lake, limit).await?;
    let sample = sample(&found, definition.kind)?;
    if format == Format::Json {
        return print_json(
            &json!({
                "segment": name, "entity": definition.entity, "file": file, "as_of": as_of, "universe": found.universe,
                "segments": found.segments, "reads": found.reads, "sample": sample.objects(),
            }),
            format,
        );
    }
    if format == Format::Table {
        let members: u64 = found.segments.iter().map(|segment| segment.size).sum();
        let (universe, entity) = (found.universe, &definition.entity);
        print_text(&paragraph(&format!(
            "{name} as of {as_of}: {members} of {universe} entities `{entity}`; nothing was published"
        )))?;
    }
    figures(&found).print(format)?;
    if format == Format::Table {
        print_text(&paragraph(
            "some members, with what the definition reads of them (--format json shows all of their columns):",
        ))?;
        sample.only(|column| column == SEGMENT || found.reads.contains(column)).print_beside(format)?;
    }
    Ok(())
}

const SEGMENT: &str = tranche_schema::platform::SEGMENT;

fn figures(found: &Preview) -> Rows {
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

/// The members with their columns; those of a set with their segment first.
fn sample(found: &Preview, kind: SegmentKind) -> Result<Rows, Failure> {
    let rows = Rows::from_batches(&found.sample.schema(), std::slice::from_ref(&found.sample))?;
    Ok(match kind {
        SegmentKind::Single => rows,
        SegmentKind::Set => {
            rows.with_first(SEGMENT, found.sample_segments.iter().map(|name| Value::from(name.as_str())))
        }
    })
}
