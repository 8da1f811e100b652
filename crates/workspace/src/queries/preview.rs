//! What a segment's definition would publish.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tranche_segment::{Preview, PreviewedSegment, Replay, SegmentKind, preview as evaluate};

use super::rows::ResultRows;
use crate::draft::Draft;
use crate::failure::Failure;
use crate::tranche::Tranche;

/// The subject of a preview.
#[derive(Debug, Clone, Default)]
pub struct PreviewRequest<'a> {
    /// A segment or set, or a file that ends in `.sql` and need not be part of the project.
    pub segment: &'a str,
    /// The instant; that of the last refresh if there is none.
    pub as_of: Option<&'a str>,
    /// How many members to show, at most.
    pub limit: usize,
    /// The pipeline that a file is meant for, when neither its name nor its entity determines it.
    pub pipeline: Option<&'a str>,
}

/// What a definition would publish at an instant.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PreviewedDefinition {
    /// The segment or set.
    pub segment: String,
    /// Whose segment it is.
    pub entity: String,
    /// The file that defines it.
    pub file: String,
    /// The instant.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// How many entities there are.
    pub universe: u32,
    /// What each segment would be.
    pub segments: Vec<PreviewedSegment>,
    /// The columns that the definition reads.
    pub reads: BTreeSet<String>,
    /// Some members with their columns.
    pub sample: ResultRows,
}

/// Evaluates a definition without publishing anything.
///
/// # Errors
/// [`Failure`] when there is no such segment, its file has a problem, or the lake cannot be read.
pub async fn preview(
    tranche: &Tranche,
    request: &PreviewRequest<'_>,
) -> Result<PreviewedDefinition, Failure> {
    if request.segment.to_ascii_lowercase().ends_with(".sql") {
        let draft = Draft::read(request.segment, request.pipeline, tranche)?;
        draft.check().await?;
        return previewed(&draft.tranche, &draft.name, request.segment, request).await;
    }
    let (_, _, definition) = tranche.definitions.segment(request.segment)?;
    tranche.check_file(definition.file.path()).await?;
    previewed(tranche, &definition.name, definition.file.path(), request).await
}

async fn previewed(
    tranche: &Tranche,
    name: &str,
    file: &str,
    request: &PreviewRequest<'_>,
) -> Result<PreviewedDefinition, Failure> {
    let (pipeline, definitions, definition) = tranche.definitions.segment(name)?;
    let lake = tranche.lake()?;
    let as_of = tranche.instant_or_last_refresh(request.as_of, pipeline, &definition.entity, &lake).await?;
    let tables = tranche.tables(&lake).await?;
    let replay =
        Replay { definitions: &definitions.definitions, tables: &tables, engine: &tranche.engine, as_of };
    let found = evaluate(&replay, definition, &lake, request.limit).await?;
    Ok(PreviewedDefinition {
        segment: name.to_owned(),
        entity: definition.entity.clone(),
        file: file.to_owned(),
        as_of,
        universe: found.universe,
        sample: sample(&found, definition.kind)?,
        segments: found.segments,
        reads: found.reads,
    })
}

/// The members with their columns; those of a set with their segment first.
fn sample(found: &Preview, kind: SegmentKind) -> Result<ResultRows, Failure> {
    let rows = ResultRows::from_batches(&found.sample.schema(), std::slice::from_ref(&found.sample))?;
    Ok(match kind {
        SegmentKind::Single => rows,
        SegmentKind::Set => {
            let segments = found.sample_segments.iter().map(|name| Value::from(name.as_str()));
            rows.with_first(tranche_schema::platform::SEGMENT, segments)
        }
    })
}
