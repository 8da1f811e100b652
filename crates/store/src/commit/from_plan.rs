//! One atomic commit to a table, at most once.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::logical_expr::{Expr, LogicalPlan};
use deltalake_core::operations::write::{SchemaMode, WriteBuilder};
use deltalake_core::protocol::SaveMode;
use parquet::file::properties::WriterProperties;

use super::next_version::NextVersion;
use super::transaction::Transaction;
use crate::encoding::parquet_options;
use crate::maintenance::TABLE_PROPERTIES;
use crate::table::read_through;
use crate::{Lake, Snapshot, StoreError};

/// The treatment of the table's present rows.
#[derive(Debug, Clone, PartialEq)]
pub enum CommitMode {
    /// They stay.
    Append,
    /// All of them are replaced.
    Overwrite,
    /// Those for which the predicate holds are replaced; every new row must satisfy it.
    OverwriteWhere(Expr),
}

/// One atomic commit: either all of it becomes visible or none. Committing it again does nothing.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The table's folder in the lake; the table is made when it is not there.
    pub table: String,
    /// The rows to write.
    pub rows: LogicalPlan,
    /// The treatment of the table's present rows.
    pub mode: CommitMode,
    /// The columns that a new table is partitioned by.
    pub partition_by: Vec<String>,
    /// The version of the table that `rows` was planned from, `None` inside for a table that was not there:
    /// another commit since then is a conflict. Without it, the rows do not depend on what is there.
    pub base: Option<Option<Snapshot>>,
    /// How the files are encoded; as [`parquet_options()`] has it for the rows' columns by default.
    pub parquet: Option<WriterProperties>,
    /// Application transactions: the first is the commit's own identity, by which a second attempt is
    /// recognised; the others are marks to be found later with [`Snapshot::transaction_version`].
    pub transactions: Vec<Transaction>,
}

impl Commit {
    /// A commit to `table` with the identity `transaction`.
    #[must_use]
    pub fn new(table: &str, transaction: &str, mode: CommitMode, rows: LogicalPlan) -> Self {
        let transactions = vec![Transaction::new(transaction, 1)];
        Self {
            table: table.to_owned(),
            rows,
            mode,
            partition_by: Vec::new(),
            base: None,
            parquet: None,
            transactions,
        }
    }

    /// The same commit, planned from this version of the table.
    #[must_use]
    pub fn on(mut self, base: Option<Snapshot>) -> Self {
        self.base = Some(base);
        self
    }

    /// The same commit to a table that is partitioned by `columns` when it is made.
    #[must_use]
    pub fn partitioned_by(mut self, columns: &[&str]) -> Self {
        self.partition_by = columns.iter().map(|&c| c.to_owned()).collect();
        self
    }
}

impl Lake {
    /// Whether the commit with this identity was made.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the table's log cannot be read.
    pub async fn is_committed(&self, table: &str, transaction: &str) -> Result<bool, StoreError> {
        match self.snapshot(table).await? {
            Some(snapshot) => snapshot.has_transaction(transaction).await,
            None => Ok(false),
        }
    }

    /// Commits, unless the same commit was made before, and returns the table as it then is.
    ///
    /// An unclear answer from the storage is resolved by looking for the application transaction, before and
    /// after. A commit that was planned from a version fails when that is no longer the latest; any other is
    /// tried again on the latest.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the rows cannot be written, [`StoreError::Conflict`] when another commit
    /// was in the way.
    #[tracing::instrument(level = "info", skip_all, fields(table = commit.table))]
    pub async fn commit(&self, session: Arc<dyn Session>, commit: Commit) -> Result<Snapshot, StoreError> {
        let attempts = if commit.base.is_some() { 1 } else { ATTEMPTS };
        for _ in 1..attempts {
            match self.attempt(Arc::clone(&session), commit.clone()).await {
                Err(StoreError::Conflict { .. }) => {}
                outcome => return outcome,
            }
        }
        self.attempt(session, commit).await
    }

    async fn attempt(&self, session: Arc<dyn Session>, commit: Commit) -> Result<Snapshot, StoreError> {
        let Commit { table, rows, mode, partition_by, base, parquet, transactions } = commit;
        let planned_from = base.map(|base| base.as_ref().map(Snapshot::version));
        let next = NextVersion { table: &table, transactions: &transactions, planned_from };
        let properties = next.properties();
        let parquet = parquet.unwrap_or_else(|| parquet_options(rows.schema().as_arrow()));
        let created = self.delta_table(&table)?;
        read_through(&created, session.as_ref());
        let write = move |current: Option<Snapshot>| async move {
            let (log_store, state) = match &current {
                Some(snapshot) => {
                    (snapshot.delta().log_store(), Some(snapshot.delta().snapshot()?.snapshot().clone()))
                }
                None => (created.log_store(), None),
            };
            let mut write = WriteBuilder::new(log_store, state)
                .with_session_state(session)
                .with_input_plan(rows)
                .with_writer_properties(parquet)
                .with_commit_properties(properties);
            if current.is_some() {
                write = write.with_schema_mode(SchemaMode::Merge);
            } else {
                write = write.with_partition_columns(partition_by).with_configuration(TABLE_PROPERTIES);
            }
            // Of a table that is not there yet, nothing is replaced.
            match if current.is_some() { mode } else { CommitMode::Append } {
                CommitMode::Append => write.with_save_mode(SaveMode::Append),
                CommitMode::Overwrite => write.with_save_mode(SaveMode::Overwrite),
                CommitMode::OverwriteWhere(predicate) => {
                    write.with_save_mode(SaveMode::Overwrite).with_replace_where(predicate)
                }
            }
            .await
        };
        self.make(&next, write).await
    }
}

/// How often a commit that does not depend on the table's rows is tried.
const ATTEMPTS: usize = 20;

#[cfg(test)]
mod tests {
    use tranche_faults::{FailingStore, Failure};

    use super::*;
    use crate::fixture::{Fixture, numbers};

    fn step(fixture: &Fixture, transaction: &str, rows: &[i64]) -> Commit {
        Commit::new("events", transaction, CommitMode::Append, fixture.plan(numbers(rows)))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_an_owner_that_woke_up_and_its_successor_one_commits() {
        for round in 0..20 {
            let fixture = Fixture::new();
            fixture.commit(step(&fixture, "shop/load/before", &[1])).await;
            let attempts = (0..3).map(|_| {
                let (lake, session) = (fixture.lake.clone(), fixture.session());
                let commit = step(&fixture, "shop/load/2026-11-01T01:00:00Z", &[2, 3]);
                tokio::spawn(async move { lake.commit(session, commit).await })
            });
            for attempt in futures::future::join_all(attempts).await {
                attempt.unwrap().unwrap();
            }
            let snapshot = fixture.lake.snapshot("events").await.unwrap().unwrap();
            assert_eq!(fixture.numbers(&snapshot).await, [1, 2, 3], "round {round}");
            assert_eq!(snapshot.version(), 1);
        }
    }

    #[tokio::test]
    async fn a_commit_whose_answer_is_lost_at_any_put_is_made_once_by_its_successor() {
        for failure in [Failure::Before, Failure::After] {
            for puts in 0..4 {
                let store = FailingStore::new(failure);
                let fixture = Fixture::over(&store);
                fixture.commit(step(&fixture, "shop/load/before", &[1])).await;
                store.fail_after(puts);
                // The writer may get an error for a commit that was made, and does not try again.
                let _ =
                    fixture.lake.commit(fixture.session(), step(&fixture, "shop/load/slot", &[2, 3])).await;
                let failed = store.has_failed();
                let snapshot = fixture.commit(step(&fixture, "shop/load/slot", &[2, 3])).await;
                assert_eq!(fixture.numbers(&snapshot).await, [1, 2, 3], "{failure:?} after {puts}");
                assert!(failed || puts > 1, "{failure:?} after {puts} fired nothing");
            }
        }
    }
}
