//! `memberships/<entity>`: the intervals in which entities are in segments.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::columns::{SEGMENT, instant};
use crate::contract::Contract;
use crate::table::{Compaction, Scope, Table};

/// The tables of memberships. A refresh lays their rows out in files as it reads them, and merges those
/// itself.
pub const MEMBERSHIPS: Table =
    Table { compaction: Compaction::Writer, ..Table::new("memberships", Scope::Entity(schema_of)) };

/// The instant of the refresh that found the entity in the segment.
pub const ENTERED_AT: &str = "entered_at";
/// The instant of the refresh that no longer found it there; null while it is a member.
pub const EXITED_AT: &str = "exited_at";

/// Columns: segment, the entity's key under its own name, `entered_at`, `exited_at`.
#[must_use]
pub fn schema(key: &str, key_type: &DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(SEGMENT, DataType::Utf8, false),
        Field::new(key, key_type.clone(), false),
        Field::new(ENTERED_AT, instant(), false),
        Field::new(EXITED_AT, instant(), true),
    ]))
}

fn schema_of(contract: &Contract) -> SchemaRef {
    let key = contract.key.first().map_or("", String::as_str);
    schema(key, contract.column(key).map_or(&DataType::Utf8, |column| &column.data_type))
}
