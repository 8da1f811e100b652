//! The columns and the type that several of the platform's tables share.

use arrow::datatypes::{DataType, TimeUnit};

/// The day of an event (UTC): the partition column that the platform adds to event tables.
pub const EVENT_DAY: &str = "_day";
/// The instant from which a version of an entity row is valid; in tables with full history.
pub const VALID_FROM: &str = "_valid_from";
/// The instant until which a version of an entity row is valid, null for the latest.
pub const VALID_TO: &str = "_valid_to";
/// Which file brought a row: a table numbers the files that it takes in, one that was written again anew. Null in rows from before it did.
pub const FILE_NUMBER: &str = "_file_number";

/// The column of the wide table of traits and of every platform table that says which segment.
pub const SEGMENT: &str = "segment";
/// The instant that a row's result is true for.
pub const AS_OF: &str = "as_of";

/// The type of every instant in the platform's tables: microseconds, UTC.
#[must_use]
pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}
