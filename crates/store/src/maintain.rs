//! What keeps a table quick to open and no larger than it must be.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use arrow::temporal_conversions::duration_us_to_duration;
use datafusion::catalog::Session;
use deltalake_core::protocol::checkpoints;

use crate::{Lake, Snapshot, StoreError, parquet_options};

/// After how many versions a table gets a checkpoint, so that opening it reads a short log.
pub(crate) const CHECKPOINT_EVERY: u64 = 20;

/// How long files stay after no version needs them any more: queries of earlier versions may still read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// This long, and a day in any case: longer than any query or run that is still at work.
    AtLeastADay(Duration),
    /// Exactly this long; the caller knows that nobody is reading.
    Exactly(Duration),
}

impl Retention {
    fn duration(self) -> Duration {
        match self {
            Self::AtLeastADay(duration) => duration.max(Duration::from_secs(86_400)),
            Self::Exactly(duration) => duration,
        }
    }
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Files that were merged.
    pub merged_files: u64,
    /// Files that took their place.
    pub written_files: u64,
}

impl Lake {
    /// Writes a checkpoint of the table's latest version, and ends log entries that are older than the table keeps them. Nothing when
    /// there is no such table.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the storage fails; the table is as it was.
    pub async fn checkpoint(&self, table: &str) -> Result<(), StoreError> {
        match self.snapshot(table).await? {
            Some(snapshot) => snapshot.checkpoint().await,
            None => Ok(()),
        }
    }

    /// Deletes files that no version needs since `retention`, and returns how many.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the storage fails; no file was deleted that a version within the retention needs.
    pub async fn vacuum(&self, table: &str, retention: Retention) -> Result<u64, StoreError> {
        let Some(snapshot) = self.snapshot(table).await? else { return Ok(0) };
        let microseconds = i64::try_from(retention.duration().as_micros()).unwrap_or(i64::MAX);
        let vacuum = snapshot.delta().clone().vacuum();
        // Our own floor stands in place of the table's.
        let (_, metrics) = vacuum
            .with_retention_period(duration_us_to_duration(microseconds))
            .with_enforce_retention_duration(false)
            .await
            .map_err(|error| StoreError::table(table, error))?;
        Ok(metrics.files_deleted.len() as u64)
    }

    /// Merges the small files of each partition into files of about `target_bytes`. Rows and their partitions stay as they are.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the storage fails or other commits stay in the way; the table is as it was.
    pub async fn compact(
        &self,
        session: Arc<dyn Session>,
        table: &str,
        target_bytes: NonZeroU64,
    ) -> Result<Compaction, StoreError> {
        let Some(snapshot) = self.snapshot(table).await? else { return Ok(Compaction::default()) };
        let options = parquet_options(snapshot.schema()?.as_ref());
        let (_, metrics) = snapshot
            .delta()
            .clone()
            .optimize()
            .with_target_size(target_bytes)
            .with_writer_properties(options)
            .with_session_state(session)
            .await
            .map_err(|error| StoreError::table(table, error))?;
        Ok(Compaction { merged_files: metrics.num_files_removed, written_files: metrics.num_files_added })
    }
}

impl Snapshot {
    /// Writes a checkpoint of this version, and ends log entries that are older than the table keeps them.
    pub(crate) async fn checkpoint(&self) -> Result<(), StoreError> {
        let failed = |error| StoreError::table(self.table(), error);
        checkpoints::create_checkpoint(self.delta(), None).await.map_err(failed)?;
        checkpoints::cleanup_metadata(self.delta(), None).await.map_err(failed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::path::Path;

    use super::*;
    use crate::failing::{FailingStore, Failure};
    use crate::fixture::{self, Fixture};
    use crate::{Commit, CommitMode};

    const TABLE: &str = "tables/orders";

    async fn append(fixture: &Fixture, number: i64) -> Snapshot {
        let rows = fixture.plan(fixture::rows(&[("2026-10-01", number)]));
        let commit = Commit::new(TABLE, &format!("load/{number}"), CommitMode::Append, rows);
        fixture.commit(commit.partitioned_by(&["_day"])).await
    }

    fn checkpoint_path(version: u64) -> Path {
        Path::from(format!("_delta_log/{version:020}.checkpoint.parquet"))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_so_many_versions_there_is_a_checkpoint_and_nothing_else_changes() {
        let fixture = Fixture::new();
        for number in 0..=i64::try_from(CHECKPOINT_EVERY).unwrap() + 1 {
            let snapshot = append(&fixture, number).await;
            let found = snapshot.objects().head(&checkpoint_path(snapshot.version())).await.is_ok();
            assert_eq!(found, snapshot.version() == CHECKPOINT_EVERY, "{}", snapshot.version());
        }
        let reopened = fixture.lake.snapshot(TABLE).await.unwrap().unwrap();
        assert_eq!(reopened.rows(), CHECKPOINT_EVERY + 2);
        assert!(reopened.has_transaction("load/3").await.unwrap(), "a checkpoint keeps the transactions");
        fixture.lake.checkpoint(TABLE).await.unwrap();
        assert!(reopened.objects().head(&checkpoint_path(reopened.version())).await.is_ok());
        fixture.lake.checkpoint("tables/none").await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failed_checkpoint_fails_no_commit() {
        let store = FailingStore::new(Failure::Before);
        let fixture = Fixture::over(&store.storage());
        let last = i64::try_from(CHECKPOINT_EVERY).unwrap();
        for number in 0..last {
            append(&fixture, number).await;
        }
        // The file and the log entry are put, then the checkpoint.
        store.fail_after(2);
        let snapshot = append(&fixture, last).await;
        assert!(store.has_failed());
        assert!(snapshot.objects().head(&checkpoint_path(snapshot.version())).await.is_err());
        assert_eq!(fixture.lake.snapshot(TABLE).await.unwrap().unwrap().rows(), CHECKPOINT_EVERY + 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn small_files_become_one_and_their_rows_stay() {
        let fixture = Fixture::new();
        for number in 0..4 {
            append(&fixture, number).await;
        }
        let target = NonZeroU64::new(1 << 20).unwrap();
        let done = fixture.lake.compact(fixture.session(), TABLE, target).await.unwrap();
        assert_eq!(done, Compaction { merged_files: 4, written_files: 1 });
        let snapshot = fixture.lake.snapshot(TABLE).await.unwrap().unwrap();
        assert_eq!(fixture.numbers(&snapshot).await, [0, 1, 2, 3]);
        assert_eq!(snapshot.files().unwrap().len(), 1);
        assert_eq!(fixture.lake.compact(fixture.session(), TABLE, target).await.unwrap(), Compaction::default());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn files_that_nobody_needs_go_but_not_before_a_day() {
        let fixture = Fixture::new();
        let old = append(&fixture, 1).await;
        let rows = fixture.plan(fixture::rows(&[("2026-10-01", 2)]));
        fixture.commit(Commit::new(TABLE, "again", CommitMode::Overwrite, rows)).await;
        let file = Path::parse(&old.files().unwrap()[0].path).unwrap();
        for (retention, deleted) in [
            (Retention::AtLeastADay(Duration::ZERO), 0),
            (Retention::Exactly(Duration::from_secs(3600)), 0),
            (Retention::Exactly(Duration::ZERO), 1),
        ] {
            assert_eq!(fixture.lake.vacuum(TABLE, retention).await.unwrap(), deleted, "{retention:?}");
            assert_eq!(old.objects().head(&file).await.is_ok(), deleted == 0);
        }
        let now = fixture.lake.snapshot(TABLE).await.unwrap().unwrap();
        assert_eq!(fixture.numbers(&now).await, [2]);
    }
}
