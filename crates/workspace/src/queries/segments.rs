//! Published segments: which there are, how they grew and shrank, who is in them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
pub use tranche_segment::EVERYONE;
pub use tranche_segment::store::HistoryRow;
use tranche_segment::store::{history, latest, members as read_members};
use tranche_segment::{Pattern, SegmentDefinition, SegmentKind, SegmentName};

use super::rows::ResultRows;
use crate::failure::Failure;
use crate::tranche::Tranche;

/// A segment as it was published last. One that was never refreshed has no figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SegmentRow {
    /// The segment, `vip` or `lifecycle/new`; a set that was never refreshed stands for its segments.
    pub segment: String,
    /// Whose segment it is.
    pub entity: String,
    /// Its members.
    pub size: Option<u64>,
    /// Members that entered since the refresh before.
    pub entered: Option<u64>,
    /// Members that left since the refresh before.
    pub exited: Option<u64>,
    /// Keys that its query returned and the entity's table lacks.
    pub unmatched: Option<u64>,
    /// The instant of the refresh.
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Timestamp>,
}

impl From<&HistoryRow> for SegmentRow {
    fn from(row: &HistoryRow) -> Self {
        Self {
            segment: row.segment.clone(),
            entity: row.entity.clone(),
            size: Some(row.size),
            entered: Some(row.entered),
            exited: Some(row.exited),
            unmatched: Some(row.unmatched),
            as_of: Some(row.as_of),
        }
    }
}

/// A segment or set: its definition, and its refreshes, oldest first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SegmentDescription {
    /// The segment as it was asked for.
    pub segment: String,
    /// Whose segment it is.
    pub entity: String,
    /// Its purpose.
    pub description: Option<String>,
    /// The person or team that is responsible for it.
    pub owner: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The file that defines it, relative to the project.
    pub file: String,
    /// The segments that its query refers to.
    pub needs: Vec<String>,
    /// Its refreshes.
    pub history: Vec<HistoryRow>,
    /// The text of the file.
    #[serde(skip)]
    pub text: String,
}

/// Every segment with its last refresh up to an instant, or the latest.
///
/// # Errors
/// [`Failure`] when the instant is none, or the lake cannot be read.
pub async fn list(tranche: &Tranche, as_of: Option<&str>) -> Result<Vec<SegmentRow>, Failure> {
    let refreshed = latest(&read_history(tranche, as_of).await?);
    let definitions = || tranche.definitions.segments();
    let is_defined = |row: &&HistoryRow| definitions().any(|definition| belongs(&row.segment, definition));
    let mut rows: Vec<SegmentRow> = refreshed.iter().filter(is_defined).map(SegmentRow::from).collect();
    let never = definitions().filter(|d| !refreshed.iter().any(|row| belongs(&row.segment, d)));
    rows.extend(never.map(|definition| SegmentRow {
        segment: definition.name.clone(),
        entity: definition.entity.clone(),
        size: None,
        entered: None,
        exited: None,
        unmatched: None,
        as_of: None,
    }));
    Ok(rows)
}

/// A segment, or a set with all of its segments.
///
/// # Errors
/// [`Failure`] when there is no such segment, or the lake cannot be read.
pub async fn show(tranche: &Tranche, name: &str) -> Result<SegmentDescription, Failure> {
    let (_, _, definition) = tranche.definitions.segment(name)?;
    let mut history = read_history(tranche, None).await?;
    history.retain(|row| is_meant(&row.segment, name, definition));
    Ok(SegmentDescription {
        segment: name.to_owned(),
        entity: definition.entity.clone(),
        description: definition.description.clone(),
        owner: definition.owner.clone(),
        tags: definition.tags.clone(),
        file: definition.file.path().to_owned(),
        needs: definition.needs.clone(),
        history,
        text: definition.file.text().to_owned(),
    })
}

/// The refreshes of a segment or of the segments of a set, oldest first.
///
/// # Errors
/// [`Failure`] when there is no such segment, it was never refreshed, or the lake cannot be read.
pub async fn refreshes(tranche: &Tranche, name: &str) -> Result<Vec<HistoryRow>, Failure> {
    let (_, _, definition) = tranche.definitions.segment(name)?;
    let all = read_history(tranche, None).await?;
    Ok(meant(&all, name, definition)?.into_iter().cloned().collect())
}

/// The keys of a segment's members at an instant, or the latest.
///
/// # Errors
/// [`Failure`] when there is no such segment, it is a set, a refreshed set never had such a label, or the lake
/// cannot be read.
pub async fn members(tranche: &Tranche, name: &str, as_of: Option<&str>) -> Result<ResultRows, Failure> {
    let (_, pipeline, definition) = tranche.definitions.segment(name)?;
    if definition.kind == SegmentKind::Set {
        check_label(tranche, name, definition).await?;
    }
    let key = pipeline.definitions.key(&definition.entity).unwrap_or_default();
    let session = tranche.engine.session(tranche.instant_or_latest(as_of)?);
    match read_members(&tranche.lake()?, &session, &definition.entity, key, name).await? {
        Some(found) => ResultRows::from_batches(&found.schema, &found.batches),
        None => Ok(ResultRows::empty(&[key])),
    }
}

/// Fails for a name without a label, and for a label that no refresh of the set has found.
async fn check_label(tranche: &Tranche, name: &str, set: &SegmentDefinition) -> Result<(), Failure> {
    let Some(label) = SegmentName::parse(name).label else {
        return Err(Failure::definition(format!(
            "`{name}` is a set; name one of its segments, such as `{name}/<label>`"
        )));
    };
    let history = read_history(tranche, None).await?;
    let published = history.iter().map(|row| row.segment.as_str()).filter(|segment| belongs(segment, set));
    let known: BTreeSet<&str> = published.filter_map(|segment| SegmentName::parse(segment).label).collect();
    // Before the first refresh, no label is known.
    if known.is_empty() || known.contains(label) {
        return Ok(());
    }
    let labels = known.into_iter().collect::<Vec<_>>().join(", ");
    Err(Failure::definition(format!(
        "there is no segment `{name}`; the labels of `{}` are {labels}",
        set.name
    )))
}

/// What was published up to an instant, or the latest.
pub(super) async fn read_history(tranche: &Tranche, as_of: Option<&str>) -> Result<Vec<HistoryRow>, Failure> {
    let session = tranche.engine.session(tranche.instant_or_latest(as_of)?);
    Ok(history(&tranche.lake()?, &session).await?)
}

/// Whether a published segment is of a definition.
pub(super) fn belongs(segment: &str, definition: &SegmentDefinition) -> bool {
    match definition.kind {
        SegmentKind::Single => segment == definition.name,
        SegmentKind::Set => SegmentName::parse(segment).is_label_of(&definition.name),
    }
}

/// Whether a name as typed means this segment: it, its set, or `set/*`.
fn is_meant(segment: &str, name: &str, definition: &SegmentDefinition) -> bool {
    segment == name
        || ((name == definition.name || Pattern::parse(name).is_set()) && belongs(segment, definition))
}

/// The refreshes of the segments that a name means; fails when a label is not among them.
pub(super) fn meant<'a>(
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
