//! `quarantine/<source>`: rejected rows and why.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::columns::instant;
use crate::table::{Scope, Table};

/// The quarantine of each source.
pub const QUARANTINE: Table = Table::new("quarantine", Scope::Source(schema));

/// The source that read the row.
pub const SOURCE: &str = "source";
/// The raw file, as listed.
pub const FILE: &str = "file";
/// The row within the file, 1-based, headers not counted; null when the whole file was refused.
pub const ROW: &str = "row";
/// The contract's column at fault, when one is.
pub const COLUMN: &str = "column";
/// Why the row was rejected.
pub const REASON: &str = "reason";
/// Why, without values of the row; null for rows from before there were kinds.
pub const KIND: &str = "kind";
/// The raw row as JSON, shortened when very long.
pub const RAW: &str = "raw";
/// The run that rejected it.
pub const RUN_ID: &str = "run_id";
/// When that run started.
pub const REJECTED_AT: &str = "rejected_at";

/// What was read: a digest of the file's content and of the definitions by which it was. Rows are rejected once for each reading.
/// Null in rows that were rejected before readings were told apart.
pub const READING: &str = "reading";

/// Columns in the order of the constants above.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(SOURCE, DataType::Utf8, false),
        Field::new(FILE, DataType::Utf8, false),
        Field::new(ROW, DataType::Int64, true),
        Field::new(COLUMN, DataType::Utf8, true),
        Field::new(REASON, DataType::Utf8, false),
        Field::new(KIND, DataType::Utf8, true),
        Field::new(RAW, DataType::Utf8, true),
        Field::new(RUN_ID, DataType::Utf8, false),
        Field::new(REJECTED_AT, instant(), false),
        Field::new(READING, DataType::Utf8, true),
    ]))
}
