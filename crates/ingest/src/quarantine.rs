//! Rejected rows and why: what an engineer needs to mend them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use jiff::Timestamp;
use tranche_schema::layout;
use tranche_schema::platform::quarantine as columns;
use tranche_sql::SqlError;

/// A row, or a whole file, that was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The raw file.
    pub file: String,
    /// The row within it, 1-based, headers not counted.
    pub row: Option<u64>,
    /// The column at fault, when one is.
    pub column: Option<String>,
    /// Why.
    pub reason: String,
    /// The raw row as JSON, shortened when very long.
    pub raw: Option<String>,
}

impl std::fmt::Display for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// The folder of a source's quarantine in the lake.
#[must_use]
pub fn table(source: &str) -> String {
    layout::QUARANTINE.of(source)
}

/// The rejects as rows of the quarantine table.
pub(crate) fn to_batch(
    source: &str,
    run_id: &str,
    at: Timestamp,
    rejects: &[Reject],
) -> Result<RecordBatch, SqlError> {
    let text = |value: &dyn Fn(&Reject) -> Option<String>| -> ArrayRef {
        Arc::new(rejects.iter().map(value).collect::<StringArray>())
    };
    let row = rejects.iter().map(|r| r.row.and_then(|row| i64::try_from(row).ok())).collect::<Int64Array>();
    let rejected_at =
        TimestampMicrosecondArray::from_value(at.as_microsecond(), rejects.len()).with_timezone("UTC");
    let arrays: Vec<ArrayRef> = vec![
        text(&|_| Some(source.to_owned())),
        text(&|r| Some(r.file.clone())),
        Arc::new(row),
        text(&|r| r.column.clone()),
        text(&|r| Some(r.reason.clone())),
        text(&|r| r.raw.clone()),
        text(&|_| Some(run_id.to_owned())),
        Arc::new(rejected_at),
    ];
    Ok(RecordBatch::try_new(columns::schema(), arrays)?)
}

/// The longest value that a reason shows, in characters.
const SHOWN_LIMIT: usize = 80;

/// A value as a reason shows it: short, and without characters that a terminal would obey.
pub(crate) fn legible(value: &str) -> String {
    let plain = value.chars().take(SHOWN_LIMIT).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let end = if value.chars().nth(SHOWN_LIMIT).is_some() { "…" } else { "" };
    plain.collect::<String>() + end
}

/// The longest raw row that is kept, in bytes.
const RAW_LIMIT: usize = 4_096;

/// A raw text shortened to what is worth keeping.
pub(crate) fn shorten(text: &str) -> String {
    if text.len() <= RAW_LIMIT {
        return text.to_owned();
    }
    let end = (0..=RAW_LIMIT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len())
}
