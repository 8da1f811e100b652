//! What segments have in common, as published.

pub use tranche_segment::Overlap;
use tranche_segment::overlaps;
use tranche_segment::store::{HistoryRow, latest};

use super::segments::{belongs, meant, read_history};
use crate::failure::Failure;
use crate::tranche::Tranche;

/// Segments and every pair of them.
#[derive(Debug, Clone)]
pub struct Overlaps {
    /// The segments with their sizes, in the order in which they were named.
    pub segments: Vec<(String, Option<u64>)>,
    /// The pairs.
    pub pairs: Vec<Overlap>,
}

/// The overlaps of the segments that are named, or of all that are published of an entity.
///
/// # Errors
/// [`Failure`] when a name is not one of a published segment, the segments are of different entities, or the lake cannot be read.
pub async fn overlap(
    tranche: &Tranche,
    names: &[String],
    entity: Option<&str>,
    as_of: Option<&str>,
) -> Result<Overlaps, Failure> {
    let published = latest(&read_history(tranche, as_of).await?);
    let (entity, segments) = wanted(names, entity, &published, tranche)?;
    let found = tranche.definitions.find(|pipeline| {
        let definitions = &pipeline.definitions;
        let key = definitions.key(&entity)?;
        Some((key, definitions.entity_contract(&entity)?.column(key)?.data_type.clone()))
    });
    let Some((_, _, (key, key_type))) = found else {
        return Err(Failure::definition(format!("there is no entity `{entity}`")));
    };
    let session = tranche.engine.session(tranche.instant_or_latest(as_of)?);
    let pairs = overlaps(&tranche.lake()?, &session, &entity, (key, &key_type), &segments).await?;
    let size = |name: &String| published.iter().find(|row| row.segment == *name).map(|row| row.size);
    let segments = segments.into_iter().map(|name| (name.clone(), size(&name))).collect();
    Ok(Overlaps { segments, pairs })
}

/// The entity and the segments that are meant: those named, or all that are published.
fn wanted(
    names: &[String],
    entity: Option<&str>,
    published: &[HistoryRow],
    tranche: &Tranche,
) -> Result<(String, Vec<String>), Failure> {
    let Some(first) = names.first() else { return everything(entity, published, tranche) };
    let (_, _, definition) = tranche.definitions.segment(first)?;
    let entity = definition.entity.clone();
    let mut segments: Vec<String> = Vec::new();
    for name in names {
        let (_, _, definition) = tranche.definitions.segment(name)?;
        if definition.entity != entity {
            return Err(Failure::definition(format!(
                "`{first}` segments `{entity}`, `{name}` segments `{}`",
                definition.entity
            )));
        }
        for row in meant(published, name, definition)? {
            if !segments.contains(&row.segment) {
                segments.push(row.segment.clone());
            }
        }
    }
    if segments.len() < 2 {
        return Err(Failure::definition(format!(
            "`{first}` is one segment; name another to compare it with"
        )));
    }
    Ok((entity, segments))
}

fn everything(
    entity: Option<&str>,
    published: &[HistoryRow],
    tranche: &Tranche,
) -> Result<(String, Vec<String>), Failure> {
    let mut entities: Vec<&str> = published.iter().map(|row| row.entity.as_str()).collect();
    entities.sort_unstable();
    entities.dedup();
    let entity = match (entity, entities.as_slice()) {
        (Some(entity), known) if known.contains(&entity) => entity,
        (Some(entity), known) => {
            return Err(Failure::unknown(
                "entity with segments",
                entity,
                known.iter().copied(),
                "run its pipeline first",
            ));
        }
        (None, [one]) => one,
        (None, []) => return Err(Failure::data("no segment was refreshed yet; run the pipeline")),
        (None, several) => {
            return Err(Failure::definition(format!("name an entity with --entity: {}", several.join(", "))));
        }
    };
    let is_defined = |segment: &str| tranche.definitions.segments().any(|d| belongs(segment, d));
    let defined = published.iter().filter(|row| row.entity == entity && is_defined(&row.segment));
    Ok((entity.to_owned(), defined.map(|row| row.segment.clone()).collect()))
}
