//! The application transactions of a version, all at once: each look-up of one reads the log anew.

use std::collections::HashMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use delta_kernel::Snapshot as Log;
use delta_kernel::actions::LOG_TXN_SCHEMA;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use deltalake_core::DeltaTableError;

use super::snapshot::Snapshot;
use crate::StoreError;

/// The column of an entry of the log that is a transaction.
const TRANSACTION: &str = "txn";

/// The version of each application transaction, by id.
#[derive(Debug, Clone, Default)]
pub struct Transactions(HashMap<String, i64>);

impl Transactions {
    /// The version of a transaction in the latest commit that carries it.
    #[must_use]
    pub fn version(&self, id: &str) -> Option<i64> {
        self.0.get(id).copied()
    }

    /// The versions of all transactions whose ids begin so, in no order.
    pub fn versions<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = i64> + 'a {
        self.0.iter().filter(move |(id, _)| id.starts_with(prefix)).map(|(_, version)| *version)
    }
}

impl Snapshot {
    /// The application transactions of all commits up to this version.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the log cannot be read.
    pub async fn transactions(&self) -> Result<Transactions, StoreError> {
        let log_store = self.delta().log_store();
        let (engine, root, version) = (log_store.engine(None), log_store.root_url().clone(), self.version());
        let reading = tokio::task::spawn_blocking(move || {
            let log = Log::builder_for(root.as_str()).at_version(version).build(engine.as_ref())?;
            let mut found = HashMap::new();
            // From the latest commit back, so that the first that is seen counts.
            for entries in log.log_segment().read_actions(engine.as_ref(), LOG_TXN_SCHEMA.clone())? {
                let entries = ArrowEngineData::try_from_engine_data(entries?.actions)?;
                note(entries.record_batch(), &mut found);
            }
            Ok::<_, DeltaTableError>(found)
        });
        let failed = |error| StoreError::table(self.table(), error);
        let found = reading.await.map_err(|error| failed(DeltaTableError::generic(error.to_string())))?;
        found.map(Transactions).map_err(failed)
    }
}

fn note(entries: &arrow::array::RecordBatch, found: &mut HashMap<String, i64>) {
    let Some(transactions) = entries.column_by_name(TRANSACTION).and_then(|column| column.as_struct_opt())
    else {
        return;
    };
    let (Some(ids), Some(versions)) = (
        transactions.column_by_name("appId").and_then(|ids| ids.as_string_opt::<i32>()),
        transactions.column_by_name("version").and_then(|versions| versions.as_primitive_opt::<Int64Type>()),
    ) else {
        return;
    };
    for row in (0..entries.num_rows()).filter(|&row| transactions.is_valid(row) && ids.is_valid(row)) {
        found.entry(ids.value(row).to_owned()).or_insert_with(|| versions.value(row));
    }
}

#[cfg(test)]
mod tests {
    use crate::commit::Transaction;
    use crate::fixture::{Fixture, numbers};
    use crate::maintenance::CHECKPOINT_EVERY;
    use crate::{Commit, CommitMode};

    #[tokio::test]
    async fn of_each_transaction_the_latest_version_is_found_beyond_checkpoints_too() {
        let fixture = Fixture::new();
        let mut last = None;
        let commits = CHECKPOINT_EVERY + 3;
        for number in 0..commits {
            let rows = fixture.plan(numbers(&[1]));
            let mut commit = Commit::new("t", &format!("load/{number}"), CommitMode::Append, rows);
            commit.transactions.push(Transaction::new("mark", i64::try_from(number).unwrap()));
            last = Some(fixture.commit(commit).await);
        }
        let snapshot = last.unwrap();
        let found = snapshot.transactions().await.unwrap();
        for number in 0..commits {
            assert_eq!(found.version(&format!("load/{number}")), Some(1));
        }
        assert_eq!(found.version("mark"), i64::try_from(commits).ok().map(|n| n - 1));
        assert_eq!(found.version("other"), None);
        let earlier = fixture.lake.snapshot_at("t", 1).await.unwrap();
        assert_eq!(earlier.transactions().await.unwrap().version("mark"), Some(1));
    }
}
