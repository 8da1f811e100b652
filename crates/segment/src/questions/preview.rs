//! What a definition would publish, before it does: sizes, a sample of members, and what would change.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, sort_to_indices, take_record_batch};
use arrow::datatypes::Schema;
use roaring::RoaringBitmap;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_sql::{Session, SqlError};
use tranche_store::Lake;

use crate::definition::personal::PersonalData;
use crate::definition::validated::{SegmentDefinition, SegmentKind};
use crate::error::SegmentError;
use crate::evaluate::Members;
use crate::questions::replay::{Replay, Replayed, is_label_of};
use crate::store;

/// A definition's result at an instant, beside what is published.
#[derive(Debug)]
pub struct Preview {
    /// Entities in the universe.
    pub universe: u32,
    /// The segment, or each segment of a set.
    pub segments: Vec<PreviewedSegment>,
    /// The entity's columns and traits that the definition reads, its key among them.
    pub reads: BTreeSet<String>,
    /// Some members with their own columns and those traits that were computed. Columns that a contract marks as personal data are
    /// left out, but for the key.
    pub sample: RecordBatch,
    /// The segment that each row of the sample is in.
    pub sample_segments: Vec<String>,
}

/// A segment as it would be, and as it is published at the same instant.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PreviewedSegment {
    /// The segment.
    pub segment: String,
    /// Its members.
    pub size: u64,
    /// Its members as a share of the universe, in [0, 1].
    pub share: f64,
    /// Ids that the definition returned and the universe lacks.
    pub unmatched: u64,
    /// Rows whose key was null.
    pub null_keys: u64,
    /// Members as published; `None` when it never was.
    pub published: Option<u64>,
    /// Members that are not published as such; `None` when it never was published.
    pub entered: Option<u64>,
    /// Published members that would no longer be; `None` when it never was published.
    pub exited: Option<u64>,
}

/// Evaluates a definition and holds it against what is published; nothing is written. At most `limit` members are sampled, evenly
/// spaced in the order of their keys, so that the sample is the same tomorrow.
///
/// # Errors
/// [`SegmentError`] when the definition cannot be evaluated, or what is published cannot be read.
pub async fn preview(
    replay: &Replay<'_>,
    definition: &SegmentDefinition,
    lake: &Lake,
    limit: usize,
) -> Result<Preview, SegmentError> {
    let mut replayed = replay.evaluate(&definition.entity, std::slice::from_ref(&definition.name)).await?;
    let reads = replayed.columns_read(definition).await?;
    let session = replay.engine.session_over(replay.tables, replay.as_of).await?;
    let published: HashSet<String> =
        store::history(lake, &session).await?.into_iter().map(|row| row.segment).collect();
    let mut names: Vec<String> = match definition.kind {
        SegmentKind::Single => vec![definition.name.clone()],
        SegmentKind::Set => replayed
            .evaluation
            .segments
            .keys()
            .filter(|name| is_label_of(name, definition))
            .cloned()
            .collect(),
    };
    let gone: BTreeSet<&String> =
        published.iter().filter(|name| is_label_of(name, definition) && !names.contains(name)).collect();
    names.extend(gone.into_iter().cloned().collect::<Vec<_>>());
    let mut segments = Vec::new();
    let mut samples = Vec::new();
    let mut sample_segments = Vec::new();
    let limit_each = if names.is_empty() { limit } else { limit.div_ceil(names.len()) };
    for name in names {
        let members = replayed.evaluation.segments.get(&name).cloned().unwrap_or_default();
        let before = match published.contains(&name) {
            true => Some(published_members(&name, &mut replayed, lake, &session).await?),
            false => None,
        };
        let rows = sample(&replayed, &members.entities, limit_each)?;
        sample_segments.extend(std::iter::repeat_n(name.clone(), rows.num_rows()));
        samples.push(rows);
        segments.push(beside(name, &members, before.as_ref(), replayed.evaluation.universe));
    }
    let wide = replayed.evaluation.traits.schema();
    let sample = concat_batches(&wide, &samples).map_err(SqlError::from)?;
    let personal = PersonalData::of(replay.definitions, &definition.entity, &session).await;
    let sample = without_personal_data(&sample, &personal, &replayed.evaluation.key)?;
    Ok(Preview { universe: replayed.evaluation.universe, segments, reads, sample, sample_segments })
}

fn beside(
    segment: String,
    members: &Members,
    before: Option<&RoaringBitmap>,
    universe: u32,
) -> PreviewedSegment {
    PreviewedSegment {
        segment,
        size: members.entities.len(),
        share: members.share(universe),
        unmatched: members.unmatched,
        null_keys: members.null_keys,
        published: before.map(RoaringBitmap::len),
        entered: before.map(|before| (&members.entities - before).len()),
        exited: before.map(|before| (before - &members.entities).len()),
    }
}

/// The numbers of a segment's published members; those that are no entities any more get numbers beyond the universe.
async fn published_members(
    segment: &str,
    replayed: &mut Replayed,
    lake: &Lake,
    session: &Session,
) -> Result<RoaringBitmap, SegmentError> {
    let evaluation = &mut replayed.evaluation;
    let mut numbers = RoaringBitmap::new();
    if let Some(found) = store::members(lake, session, &evaluation.entity, &evaluation.key, segment).await? {
        for batch in &found.batches {
            numbers
                .extend(Arc::make_mut(&mut evaluation.index).insert(batch.column(0))?.into_iter().flatten());
        }
    }
    Ok(numbers)
}

/// Rows of the wide table: every so many members, in the order of their keys.
fn sample(replayed: &Replayed, members: &RoaringBitmap, limit: usize) -> Result<RecordBatch, SegmentError> {
    let evaluation = &replayed.evaluation;
    let wide = &evaluation.traits;
    let keys = wide.column(wide.schema().index_of(&evaluation.key).map_err(SqlError::from)?);
    // Entities are numbered in the order of their rows.
    let rows: UInt32Array = members.iter().map(Some).collect();
    let own = arrow::compute::take(keys, &rows, None).map_err(SqlError::from)?;
    let order = sort_to_indices(&own, None, None).map_err(SqlError::from)?;
    let taken = limit.min(order.len());
    let spaced = (0..taken).map(|n| rows.value(order.value(n * order.len() / taken) as usize));
    Ok(take_record_batch(wide, &UInt32Array::from_iter_values(spaced)).map_err(SqlError::from)?)
}

fn without_personal_data(
    sample: &RecordBatch,
    personal: &PersonalData,
    key: &str,
) -> Result<RecordBatch, SegmentError> {
    let personal = |name: &str| name != key && personal.has(name);
    let schema = sample.schema();
    let shown: Vec<usize> =
        (0..schema.fields().len()).filter(|&column| !personal(schema.field(column).name())).collect();
    let shown = sample.project(&shown).map_err(SqlError::from)?;
    // Metadata of the engine's own would only be in the way.
    let plain = Schema::new(shown.schema().fields().clone());
    Ok(shown.with_schema(std::sync::Arc::new(plain)).map_err(SqlError::from)?)
}
