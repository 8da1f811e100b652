//! The one way to the next version of a table: it is made once or not at all, and never half.

use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::{DeltaTable, DeltaTableError, kernel};

use super::transaction::Transaction;
use crate::maintenance::CHECKPOINT_EVERY;
use crate::{Lake, Snapshot, StoreError};

/// A version that a writer wants to make.
pub(crate) struct NextVersion<'a> {
    /// The table's folder.
    pub(crate) table: &'a str,
    /// Application transactions: the first is the commit's identity, by which a second attempt is recognised.
    pub(crate) transactions: &'a [Transaction],
    /// The version that it was planned from, `None` inside for a table that was not there; without it, on
    /// whatever is there.
    pub(crate) planned_from: Option<Option<u64>>,
}

impl NextVersion<'_> {
    /// What the commit carries. It is tried once: only its planner can say what a commit in between means for
    /// it.
    pub(crate) fn properties(&self) -> CommitProperties {
        let stamps = self.transactions.iter().map(|t| kernel::Transaction::new(&t.id, t.version)).collect();
        // Checkpoints and the end of old log entries are maintenance, and must not fail a commit that was
        // made.
        CommitProperties::default()
            .with_application_transactions(stamps)
            .with_max_retries(0)
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false))
    }

    async fn is_made(&self, snapshot: &Snapshot) -> Result<bool, StoreError> {
        match self.transactions.first() {
            Some(identity) => Ok(snapshot.transaction_version(&identity.id).await? == Some(identity.version)),
            None => Ok(false),
        }
    }
}

impl Lake {
    /// Makes the version with `write`, which is shown the table as it is, unless it was made before.
    ///
    /// An unclear answer from the storage is resolved by looking for the application transaction, before and
    /// after.
    pub(crate) async fn make<W, F>(&self, next: &NextVersion<'_>, write: W) -> Result<Snapshot, StoreError>
    where
        W: FnOnce(Option<Snapshot>) -> F + Send,
        F: Future<Output = Result<DeltaTable, DeltaTableError>> + Send,
    {
        let table = next.table;
        let current = self.snapshot(table).await?;
        if let Some(current) = &current
            && next.is_made(current).await?
        {
            return Ok(current.clone());
        }
        let version = |snapshot: &Option<Snapshot>| snapshot.as_ref().map(Snapshot::version);
        let before = version(&current);
        if next.planned_from.is_some_and(|planned| planned != before) {
            return Err(StoreError::Conflict { table: table.to_owned() });
        }
        let error = match write(current).await {
            Ok(delta) => {
                let made = Snapshot::new(table, delta);
                if made.version() > 0 && made.version().is_multiple_of(CHECKPOINT_EVERY) {
                    // The commit is made; without the checkpoint the next readers read a longer log.
                    let _ = made.checkpoint().await;
                }
                return Ok(made);
            }
            Err(error) => error,
        };
        let found = self.snapshot(table).await?;
        if let Some(found) = &found
            && next.is_made(found).await?
        {
            return Ok(found.clone());
        }
        if version(&found) == before {
            return Err(StoreError::table(table, error));
        }
        Err(StoreError::Conflict { table: table.to_owned() })
    }
}
