//! Rejected rows and why: what an engineer needs to correct them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Schema, SchemaRef};
use jiff::Timestamp;
use tranche_schema::platform::quarantine as columns;
use tranche_sql::SqlError;

use crate::read::UnreadableRow;
use crate::reason::Reason;

/// A row that did not enter its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The raw file.
    pub file: String,
    /// The row within it, 1-based, headers not counted.
    pub row: Option<u64>,
    /// The column at fault, when one is.
    pub column: Option<String>,
    /// Why.
    pub reason: Reason,
    /// The raw row as JSON, shortened when very long.
    pub raw: Option<String>,
}

impl std::fmt::Display for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place(), self.reason)
    }
}

impl Reject {
    fn place(&self) -> String {
        let row = self.row.map(|row| format!(", row {row}")).unwrap_or_default();
        let column = self.column.as_ref().map(|column| format!(", column `{column}`")).unwrap_or_default();
        format!("{}{row}{column}", self.file)
    }

    /// Where the row is and why it is rejected, without a value of it.
    pub(crate) fn without_values(&self) -> String {
        format!("{}: {}", self.place(), self.reason.kind())
    }

    /// A row of a file that cannot be read.
    pub(crate) fn unreadable(file: &str, row: UnreadableRow) -> Self {
        let UnreadableRow { row, column, reason, raw } = row;
        Self { file: file.to_owned(), row: Some(row), column, reason, raw }
    }
}

/// The columns of the quarantine but for the reading, which is known when a file was read to its end.
pub(crate) fn rows_schema() -> SchemaRef {
    let schema = columns::schema();
    let own = schema.fields().iter().filter(|field| field.name() != columns::READING);
    Arc::new(Schema::new(own.cloned().collect::<Vec<_>>()))
}

/// The rejects as rows of that.
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
        text(&|r| Some(r.reason.to_string())),
        text(&|r| Some(r.reason.kind().to_owned())),
        text(&|r| r.raw.clone()),
        text(&|_| Some(run_id.to_owned())),
        Arc::new(rejected_at),
    ];
    Ok(RecordBatch::try_new(rows_schema(), arrays)?)
}
