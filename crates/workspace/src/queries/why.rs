//! Whether an entity is a member of a segment, and what makes it so.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use tranche_segment::{Condition, Membership, Pattern, Replay, why as explain};

use super::rows::ResultRows;
use crate::failure::Failure;
use crate::tranche::Tranche;

/// Why an entity is or is not a member of a segment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WhyMember {
    /// The segment as it was asked for.
    pub segment: String,
    /// Whose segment it is.
    pub entity: String,
    /// The entity's key.
    pub key: String,
    /// The instant.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// Whether there is such an entity.
    pub is_entity: bool,
    /// Whether it is a member.
    pub is_member: bool,
    /// The segment of the set that it is in.
    pub label: Option<String>,
    /// The segment of the same group that comes first and has it.
    pub taken_by: Option<String>,
    /// The entity's values by column; null when there is no such entity.
    pub values: Option<Map<String, Value>>,
    /// The conditions of the definition; null when it has none that can be shown one by one.
    pub conditions: Option<Vec<Condition>>,
    /// Its memberships as published.
    pub memberships: Vec<Membership>,
}

/// Evaluates a segment's definition for one entity.
///
/// # Errors
/// [`Failure`] when there is no such segment, its file has a problem, or the lake cannot be read.
pub async fn why(
    tranche: &Tranche,
    name: &str,
    key: &str,
    as_of: Option<&str>,
) -> Result<WhyMember, Failure> {
    let (pipeline, definitions, definition) = tranche.definitions.segment(name)?;
    tranche.check_file(definition.file.path()).await?;
    let label = Pattern::parse(name).label();
    let lake = tranche.lake()?;
    let as_of = tranche.instant_or_last_refresh(as_of, pipeline, &definition.entity, &lake).await?;
    let tables = tranche.tables(&lake).await?;
    let replay =
        Replay { definitions: &definitions.definitions, tables: &tables, engine: &tranche.engine, as_of };
    let found = explain(&replay, definition, label, key, &lake).await?;
    let rows = ResultRows::from_batches(&found.values.schema(), std::slice::from_ref(&found.values))?;
    Ok(WhyMember {
        segment: name.to_owned(),
        entity: definition.entity.clone(),
        key: key.to_owned(),
        as_of,
        is_entity: found.is_entity,
        is_member: found.is_member,
        label: found.label,
        taken_by: found.taken_by,
        values: rows.objects().into_iter().next(),
        conditions: found.conditions,
        memberships: found.memberships,
    })
}
