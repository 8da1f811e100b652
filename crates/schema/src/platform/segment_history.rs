//! `segment_history`: one row per refresh and segment.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::columns::{AS_OF, SEGMENT, instant};
use crate::table::{Scope, Table};

/// The table of the history of segments.
pub const SEGMENT_HISTORY: Table = Table::new("segment_history", Scope::Lake(schema));

/// The pipeline whose refresh this was.
pub const PIPELINE: &str = "pipeline";
/// The segmented entity.
pub const ENTITY: &str = "entity";
/// Members after the refresh.
pub const SIZE: &str = "size";
/// Members that the refresh before did not have.
pub const ENTERED: &str = "entered";
/// Members of the refresh before that are no longer.
pub const EXITED: &str = "exited";
/// Ids that the definition returned and the universe lacks.
pub const UNMATCHED: &str = "unmatched";
/// Rows whose key was null: no entity is meant.
pub const NULL_KEYS: &str = "null_keys";
/// Rows for which the definition's predicate was null, so that they are not members; null where it is not
/// known.
pub const NULL_PREDICATES: &str = "null_predicates";
/// The publication of the pipeline and entity that the row belongs to, counted from 1. A row counts once the
/// memberships carry its publication, or one that follows it. Null in rows that were written without it.
pub const PUBLICATION: &str = "publication";
/// The publication that this one was made upon; of two that were made upon the same, one counts. Null where all
/// rows of earlier publications count.
pub const FOLLOWS: &str = "follows";
/// Whether refreshes of the segment as of later instants stay as they are; null, for no, where they were replaced.
pub const KEEPS_LATER: &str = "keeps_later";

/// Columns in the order of the constants above, after `as_of` and `segment`.
#[must_use]
pub fn schema() -> SchemaRef {
    let count = |name| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![
        Field::new(AS_OF, instant(), false),
        Field::new(PIPELINE, DataType::Utf8, false),
        Field::new(ENTITY, DataType::Utf8, false),
        Field::new(SEGMENT, DataType::Utf8, false),
        count(SIZE),
        count(ENTERED),
        count(EXITED),
        count(UNMATCHED),
        count(NULL_KEYS),
        Field::new(NULL_PREDICATES, DataType::Int64, true),
        Field::new(PUBLICATION, DataType::Int64, true),
        Field::new(FOLLOWS, DataType::Int64, true),
        Field::new(KEEPS_LATER, DataType::Boolean, true),
    ]))
}
