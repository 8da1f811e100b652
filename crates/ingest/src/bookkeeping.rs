//! What a load records beside the rows: its rejects in quarantine, and its inputs in the table of loads. Each
//! set of inputs is recorded once, whichever attempt or run reads it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use tranche_schema::{layout, platform};
use tranche_sql::SqlError;
use tranche_store::{Commit, CommitMode};

use crate::conform::InputCounts;
use crate::context::Load;
use crate::quarantine::{self, Reject};
use crate::read::Input;
use crate::{IngestError, discover};

/// The records of a load of some inputs.
pub(crate) struct Records<'a> {
    pub(crate) load: &'a Load<'a>,
    pub(crate) inputs: &'a [Input],
    transaction: String,
}

impl<'a> Records<'a> {
    pub(crate) fn new(load: &'a Load<'a>, inputs: &'a [Input]) -> Self {
        let marks: Vec<String> = inputs.iter().map(|input| discover::mark(load.source, input)).collect();
        let identity = blake3::hash(marks.join("\n").as_bytes()).to_hex();
        Self { load, inputs, transaction: format!("files/{}/{identity}", load.source.name) }
    }

    /// Records the rows that were rejected.
    pub(crate) async fn rejects(&self, rejects: &[Reject]) -> Result<(), IngestError> {
        if rejects.is_empty() {
            return Ok(());
        }
        let (source, context) = (&self.load.source.name, self.load.context);
        let batch = quarantine::to_batch(source, context.run_id, context.started_at, rejects)?;
        self.append(&layout::QUARANTINE.of(source), batch).await
    }

    /// Records the inputs, with the counts of each.
    pub(crate) async fn loads(&self, counts: &[InputCounts]) -> Result<(), IngestError> {
        let Load { source, contract, context } = *self.load;
        let n = self.inputs.len();
        let text = |value: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, n)))
        };
        let number = |value: &dyn Fn(&InputCounts) -> u64| -> ArrayRef {
            Arc::new(counts.iter().map(|c| i64::try_from(value(c)).ok()).collect::<Int64Array>())
        };
        let as_of = context.session.as_of().as_microsecond();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from_value(as_of, n).with_timezone("UTC")),
            text(&source.name),
            text(&contract.table),
            Arc::new(StringArray::from_iter_values(self.inputs.iter().map(|input| &input.name))),
            Arc::new(self.inputs.iter().map(|i| i64::try_from(i.bytes).ok()).collect::<Int64Array>()),
            number(&|c| c.rows),
            number(&|c| c.rejected),
            number(&|c| c.duplicates),
            text(context.run_id),
        ];
        let batch = RecordBatch::try_new(platform::loads::schema(), arrays).map_err(SqlError::from)?;
        self.append(layout::LOADS.folder, batch).await
    }

    async fn append(&self, table: &str, batch: RecordBatch) -> Result<(), IngestError> {
        let context = self.load.context;
        let rows = context.session.frame(batch.schema(), vec![batch])?.logical_plan().clone();
        let commit = Commit::new(table, &self.transaction, CommitMode::Append, rows);
        context.lake.commit(context.session.shared_state(), commit).await?;
        Ok(())
    }
}
