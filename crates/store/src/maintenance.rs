//! Maintenance of tables: compaction, vacuum and checkpoints.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use arrow::temporal_conversions::duration_us_to_duration;
use datafusion::catalog::Session;
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::protocol::checkpoints;
use deltalake_core::{FilterLiteral, FilterOp, FilterValue};
use tranche_schema::layout;

use crate::encoding::parquet_options;
use crate::table::read_through;
use crate::{Lake, Snapshot, StoreError};

/// After how many versions a table gets a checkpoint, so that opening it reads a short log.
pub(crate) const CHECKPOINT_EVERY: u64 = 20;

/// Properties of every table. Without them a checkpoint drops the record of removed files after a week, and
/// vacuum would never delete files that stay for longer than that.
pub(crate) const TABLE_PROPERTIES: [(&str, Option<&str>); 1] =
    [("delta.deletedFileRetentionDuration", Some("interval 31 days"))];

/// How long files of earlier versions stay: queries of these versions may still read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// This long, and a day in any case: longer than any query or run that is still at work.
    AtLeastADay(Duration),
    /// Exactly this long; the caller knows that there are no readers.
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

/// A partition with this many small files is compacted.
pub(crate) const SMALL_FILES: usize = 8;

/// The result of a compaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Files that were merged.
    pub merged_files: u64,
    /// Files that took their place.
    pub written_files: u64,
}

/// What maintenance did to a table.
#[derive(Debug, Default)]
pub struct Maintained {
    /// Which small files were merged.
    pub compaction: Compaction,
    /// How many files were deleted that no version needs.
    pub deleted_files: u64,
    /// What failed, by name, such as `compact`: it is left for the next maintenance, and the table is as it
    /// was.
    pub left: Vec<(&'static str, StoreError)>,
}

impl Lake {
    /// Maintains the table in a folder as the lake's layout says of its kind: merges small files into ones of
    /// about `target_bytes`, deletes files of versions that are older than `versions`, and writes a
    /// checkpoint.
    pub async fn maintain(
        &self,
        session: Arc<dyn Session>,
        table: &str,
        target_bytes: NonZeroU64,
        versions: Retention,
    ) -> Maintained {
        let mut done = Maintained::default();
        let Some((kind, _)) = self.layout().find(table) else { return done };
        if kind.compaction == layout::Compaction::Maintenance {
            match self.compact(session, table, target_bytes).await {
                Ok(compaction) => done.compaction = compaction,
                Err(error) => done.left.push(("compact", error)),
            }
        }
        if kind.retention == layout::Retention::Versions {
            match self.vacuum(table, versions).await {
                Ok(files) => done.deleted_files = files,
                Err(error) => done.left.push(("vacuum", error)),
            }
        }
        // A checkpoint may forget which files were removed long ago: they are deleted before.
        if let Err(error) = self.checkpoint(table).await {
            done.left.push(("checkpoint", error));
        }
        done
    }

    /// Writes a checkpoint of the table's latest version, and deletes log entries that are older than the
    /// table's retention. Does nothing when there is no such table.
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
    /// [`StoreError::Table`] when the storage fails; no file was deleted that a version within the retention
    /// needs.
    pub async fn vacuum(&self, table: &str, retention: Retention) -> Result<u64, StoreError> {
        let Some(snapshot) = self.snapshot(table).await? else { return Ok(0) };
        let microseconds = i64::try_from(retention.duration().as_micros()).unwrap_or(i64::MAX);
        let vacuum = snapshot.delta().clone().vacuum();
        // Our own floor stands in place of the table's.
        let (_, metrics) = vacuum
            // Files of loads that were killed before they were committed are in no log.
            .with_mode(VacuumMode::Full)
            .with_retention_period(duration_us_to_duration(microseconds))
            .with_enforce_retention_duration(false)
            .await
            .map_err(|error| StoreError::table(table, error))?;
        Ok(metrics.files_deleted.len() as u64)
    }

    /// Merges the small files of those partitions that have eight of them or more into files of about
    /// `target_bytes`. Rows and their partitions stay as they are, and so do partitions with few files: who
    /// has read a file need not read its rows again.
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
        let failed = |error| StoreError::table(table, error);
        let Some(partitions) = crowded(&snapshot, target_bytes)? else { return Ok(Compaction::default()) };
        let filters: Vec<FilterLiteral<'_>> = partitions
            .iter()
            .map(|(column, values)| {
                (column.as_str(), FilterOp::In, FilterValue::Set(values.iter().map(String::as_str).collect()))
            })
            .collect();
        let options = parquet_options(snapshot.schema()?.as_ref());
        read_through(snapshot.delta(), session.as_ref());
        let (_, metrics) = snapshot
            .delta()
            .clone()
            .optimize()
            .with_filters(&filters)
            .with_target_size(target_bytes)
            .with_writer_properties(options)
            .with_session_state(session)
            .await
            .map_err(failed)?;
        Ok(Compaction { merged_files: metrics.num_files_removed, written_files: metrics.num_files_added })
    }
}

/// The values of the partition column, if there is one, for which there are many small files; `None` when
/// there are many for none.
fn crowded(
    snapshot: &Snapshot,
    target_bytes: NonZeroU64,
) -> Result<Option<BTreeMap<String, Vec<String>>>, StoreError> {
    let mut small: BTreeMap<BTreeMap<String, Option<String>>, usize> = BTreeMap::new();
    for file in snapshot.files()?.into_iter().filter(|file| file.size_bytes < target_bytes.get()) {
        *small.entry(file.partition).or_default() += 1;
    }
    let crowded: Vec<_> = small
        .into_iter()
        .filter(|(_, files)| *files >= SMALL_FILES)
        .map(|(partition, _)| partition)
        .collect();
    if crowded.is_empty() {
        return Ok(None);
    }
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (column, value) in crowded.into_iter().flatten() {
        values.entry(column).or_default().extend(value);
    }
    Ok(Some(values))
}

impl Snapshot {
    /// Writes a checkpoint of this version, and deletes log entries that are older than the table's
    /// retention.
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

    use tranche_faults::{FailingStore, Failure};

    use super::*;
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
        let fixture = Fixture::over(&store);
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
    async fn many_small_files_become_one_and_their_rows_stay() {
        let fixture = Fixture::new();
        let many = i64::try_from(SMALL_FILES).unwrap();
        for number in 0..many - 1 {
            append(&fixture, number).await;
        }
        let rows = fixture.plan(fixture::rows(&[("2026-10-02", many)]));
        fixture.commit(Commit::new(TABLE, "other day", CommitMode::Append, rows)).await;
        let target = NonZeroU64::new(1 << 20).unwrap();
        let compact = || fixture.lake.compact(fixture.session(), TABLE, target);
        assert_eq!(compact().await.unwrap(), Compaction::default(), "few files stay as they are");
        append(&fixture, many - 1).await;
        assert_eq!(
            compact().await.unwrap(),
            Compaction { merged_files: SMALL_FILES as u64, written_files: 1 }
        );
        let snapshot = fixture.lake.snapshot(TABLE).await.unwrap().unwrap();
        assert_eq!(fixture.numbers(&snapshot).await, (0..=many).collect::<Vec<_>>());
        assert_eq!(snapshot.files().unwrap().len(), 2);
        assert_eq!(compact().await.unwrap(), Compaction::default());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn files_that_no_version_needs_go_but_not_before_a_day() {
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

    #[tokio::test(flavor = "multi_thread")]
    async fn files_of_a_load_that_was_killed_go_once_nobody_can_be_at_it() {
        let fixture = Fixture::new();
        let snapshot = append(&fixture, 1).await;
        let stray = Path::from("_day=2026-10-01/part-0.parquet");
        snapshot.objects().put(&stray, "never committed".into()).await.unwrap();
        for (retention, deleted) in
            [(Retention::AtLeastADay(Duration::ZERO), 0), (Retention::Exactly(Duration::ZERO), 1)]
        {
            assert_eq!(fixture.lake.vacuum(TABLE, retention).await.unwrap(), deleted, "{retention:?}");
            assert_eq!(snapshot.objects().head(&stray).await.is_ok(), deleted == 0);
        }
        assert_eq!(fixture.numbers(&fixture.lake.snapshot(TABLE).await.unwrap().unwrap()).await, [1]);
    }
}
