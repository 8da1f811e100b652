//! `loads`: one row per raw file that was read into a table.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::columns::{AS_OF, instant};
use crate::table::{Scope, Table};

/// The table of loads.
pub const LOADS: Table = Table::new("loads", Scope::Lake(schema));

/// The source that read the file.
pub const SOURCE: &str = "source";
/// The table that it went into.
pub const TABLE: &str = "table";
/// The raw file, as listed.
pub const FILE: &str = "file";
/// Its size in bytes.
pub const BYTES: &str = "bytes";
/// Rows in the file.
pub const ROWS: &str = "rows";
/// Rows that went to quarantine.
pub const REJECTED: &str = "rejected";
/// Rows that a later row with the same key replaced within the same load.
pub const DUPLICATES: &str = "duplicates";
/// The run that read it.
pub const RUN_ID: &str = "run_id";

/// What was read, by which its rejects are found in the quarantine: a digest of the file's content and of the definitions by which it
/// was. Null in rows from before readings were told apart.
pub const READING: &str = "reading";

/// Columns in the order of the constants above, after `as_of`.
#[must_use]
pub fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let count = |name| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![
        Field::new(AS_OF, instant(), false),
        text(SOURCE),
        text(TABLE),
        text(FILE),
        count(BYTES),
        count(ROWS),
        count(REJECTED),
        count(DUPLICATES),
        text(RUN_ID),
        Field::new(READING, DataType::Utf8, true),
    ]))
}
