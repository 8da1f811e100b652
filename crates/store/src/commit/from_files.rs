//! A commit of files that a writer laid out itself.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::CommitBuilder;
use deltalake_core::kernel::{Action, Add, MetadataExt, StructField, StructType};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::state::DeltaTableState;
use deltalake_core::{DeltaResult, DeltaTableError};
use object_store::ObjectStoreExt;

use super::next_version::NextVersion;
use super::transaction::Transaction;
use crate::encoding::NewFile;
use crate::maintenance::TABLE_PROPERTIES;
use crate::{DataFile, Lake, Snapshot, StoreError};

/// One atomic commit of files: some of those that are there go, others come. With neither, it only carries
/// its transactions.
#[derive(Debug, Clone)]
pub struct FileCommit {
    /// The table's folder in the lake; the table is made when it is not there.
    pub table: String,
    /// The columns of the files and those that they are partitioned by. Columns that the table lacks are
    /// added to it. A column may have another type than before when no file of before remains.
    pub schema: SchemaRef,
    /// The columns that a new table is partitioned by.
    pub partition_by: Vec<String>,
    /// The version that the commit was planned from; another commit since then is a conflict.
    pub base: Option<Snapshot>,
    /// Files of that version that are no part of the next.
    pub remove: Vec<DataFile>,
    /// Files that become part of the table.
    pub add: Vec<NewFile>,
    /// Application transactions: the first is the commit's own identity, by which a second attempt is
    /// recognised; the others are to be found later with [`Snapshot::transaction_version`].
    pub transactions: Vec<Transaction>,
}

impl Lake {
    /// Commits, unless the same commit was made before, and returns the table as it then is. Files that were
    /// written for a commit that is not made are deleted where that is certain.
    ///
    /// # Errors
    /// [`StoreError::File`] for a file that is not in the base, [`StoreError::Conflict`] when another commit
    /// was in the way, and [`StoreError::Table`] when the log cannot be written, or a column has another type
    /// than in files that remain.
    pub async fn replace_files(&self, commit: FileCommit) -> Result<Snapshot, StoreError> {
        let next = NextVersion {
            table: &commit.table,
            transactions: &commit.transactions,
            planned_from: Some(commit.base.as_ref().map(Snapshot::version)),
        };
        let actions = actions(&commit)?;
        let properties = next.properties();
        let created = self.delta_table(&commit.table)?;
        let (schema, partition_by) = (SchemaRef::clone(&commit.schema), commit.partition_by.clone());
        let removed = commit.remove.len();
        let outcome = self
            .make(&next, move |current| async move {
                let Some(current) = current else {
                    return CreateBuilder::new()
                        .with_log_store(created.log_store())
                        .with_columns(columns(&schema)?)
                        .with_partition_columns(partition_by)
                        .with_configuration(TABLE_PROPERTIES)
                        .with_save_mode(SaveMode::ErrorIfExists)
                        .with_actions(actions)
                        .with_commit_properties(properties)
                        .await;
                };
                let delta = current.delta();
                let state = delta.snapshot()?;
                let mut actions = actions;
                let remain = state.log_data().num_files() > removed;
                actions.extend(changed_columns(state, &schema, remain)?);
                let operation =
                    DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
                let made = CommitBuilder::from(properties)
                    .with_actions(actions)
                    .build(Some(state), delta.log_store(), operation)
                    .await?;
                let mut delta = delta.clone();
                delta.state = Some(made.snapshot());
                Ok(delta)
            })
            .await;
        match &outcome {
            Ok(made) => self.forget(&commit, Some(made)).await,
            // Whatever the answer was: the files may be in the table all the same.
            Err(StoreError::Conflict { .. }) => {
                if let Ok(found) = self.snapshot(&commit.table).await {
                    self.forget(&commit, found.as_ref()).await;
                }
            }
            // The commit may still be on its way.
            Err(_) => {}
        }
        outcome
    }

    /// Deletes files of a commit that was not made, or was made before with other files. A file that cannot
    /// be deleted is unused, and does no harm.
    async fn forget(&self, commit: &FileCommit, table: Option<&Snapshot>) {
        let Ok(kept) = table.map_or(Ok(Vec::new()), Snapshot::files) else { return };
        let kept: BTreeSet<&str> = kept.iter().map(|file| file.path.as_str()).collect();
        let Ok(folder) = self.folder(&commit.table) else { return };
        for new in commit.add.iter().filter(|new| !kept.contains(new.file.path.as_str())) {
            let _ = folder.delete(&new.file.object_path()).await;
        }
    }
}

fn actions(commit: &FileCommit) -> Result<Vec<Action>, StoreError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let mut actions = Vec::new();
    let mut wanted: BTreeSet<&str> = commit.remove.iter().map(|file| file.path.as_str()).collect();
    if let Some(base) = &commit.base {
        let state = base.delta().snapshot().map_err(|error| StoreError::table(&commit.table, error))?;
        for view in state.log_data().iter().filter(|view| wanted.remove(view.path().as_ref())) {
            actions.push(Action::Remove(view.remove_action(true)));
        }
    }
    if let Some(missing) = wanted.first() {
        return Err(StoreError::File { table: commit.table.clone(), path: (*missing).to_owned() });
    }
    actions.extend(commit.add.iter().map(|new| {
        Action::Add(Add {
            path: new.file.path.clone(),
            partition_values: new.file.partition.clone().into_iter().collect(),
            size: i64::try_from(new.file.size_bytes).unwrap_or(i64::MAX),
            modification_time: now,
            data_change: true,
            stats: new.statistics.clone(),
            ..Add::default()
        })
    }));
    Ok(actions)
}

/// Columns as the log knows them: that a column may not be null is checked by its writer, and not in the log.
fn columns(schema: &SchemaRef) -> DeltaResult<Vec<StructField>> {
    let fields = schema.fields().iter().map(|field| {
        let nullable = field.as_ref().clone().with_nullable(true);
        nullable.as_ref().try_into_kernel()
    });
    fields.collect::<Result<_, arrow::error::ArrowError>>().map_err(DeltaTableError::from)
}

/// The change of metadata that adds the columns which the table lacks, and changes the type of those that have another.
fn changed_columns(
    state: &DeltaTableState,
    schema: &SchemaRef,
    files_remain: bool,
) -> DeltaResult<Option<Action>> {
    let known = state.schema();
    let own = columns(schema)?;
    let is_other = |field: &&StructField| {
        known.field(field.name()).is_none_or(|before| before.data_type() != field.data_type())
    };
    let changed: Vec<&StructField> = own.iter().filter(is_other).collect();
    if changed.is_empty() {
        return Ok(None);
    }
    if let Some(other) = changed.iter().find(|field| files_remain && known.field(field.name()).is_some()) {
        let message = format!("column `{}` has another type in files that remain", other.name());
        return Err(DeltaTableError::generic(message));
    }
    let current =
        |field: &StructField| own.iter().find(|new| new.name() == field.name()).unwrap_or(field).clone();
    let added = own.iter().filter(|field| known.field(field.name()).is_none()).cloned();
    let merged = StructType::try_new(known.fields().map(current).chain(added))?;
    Ok(Some(Action::Metadata(state.metadata().clone().with_schema(&merged)?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use futures::TryStreamExt;

    use tranche_faults::{FailingStore, Failure};

    use super::*;
    use crate::encoding::{ParquetFile, parquet_options};
    use crate::fixture::{Fixture, numbers};
    use crate::{Commit, CommitMode};

    const TABLE: &str = "tables/orders";

    async fn new_file(fixture: &Fixture, rows: &RecordBatch) -> NewFile {
        let schema = rows.schema();
        let file = ParquetFile::encode(&schema, [rows], parquet_options(&schema)).unwrap();
        let objects = fixture.lake.folder(TABLE).unwrap();
        file.put(objects.as_ref(), "part-", BTreeMap::new()).await.unwrap()
    }

    async fn planned(
        fixture: &Fixture,
        base: Option<&Snapshot>,
        remove: &[DataFile],
        add: &[i64],
        id: &str,
    ) -> FileCommit {
        let rows = numbers(add);
        FileCommit {
            table: TABLE.to_owned(),
            schema: rows.schema(),
            partition_by: Vec::new(),
            base: base.cloned(),
            remove: remove.to_vec(),
            add: if add.is_empty() { Vec::new() } else { vec![new_file(fixture, &rows).await] },
            transactions: vec![Transaction::new(id, 1), Transaction::new("mark", 7)],
        }
    }

    async fn objects(fixture: &Fixture) -> usize {
        let objects = fixture.lake.objects();
        let listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
        listed.iter().filter(|object| object.location.as_ref().ends_with(".parquet")).count()
    }

    #[tokio::test]
    async fn files_come_and_go_in_one_version() {
        let fixture = Fixture::new();
        let lake = &fixture.lake;
        let first = lake.replace_files(planned(&fixture, None, &[], &[1, 2], "a").await).await.unwrap();
        let gone = first.files().unwrap();
        let second =
            lake.replace_files(planned(&fixture, Some(&first), &gone, &[3], "b").await).await.unwrap();
        let third = lake.replace_files(planned(&fixture, Some(&second), &[], &[], "c").await).await.unwrap();
        assert_eq!((first.version(), second.version(), third.version()), (0, 1, 2));
        assert_eq!((fixture.numbers(&first).await, fixture.numbers(&third).await), (vec![1, 2], vec![3]));
        assert_eq!(third.transaction_version("mark").await.unwrap(), Some(7));
        assert_eq!(third.transaction_version("other").await.unwrap(), None);
        assert_eq!(third.rows(), 1);

        // Rows from a plan follow files that a writer laid out.
        let plan = fixture.plan(numbers(&[4]));
        let fourth = fixture.commit(Commit::new(TABLE, "d", CommitMode::Append, plan)).await;
        assert_eq!(fixture.numbers(&fourth).await, [3, 4]);

        let missing = lake.replace_files(planned(&fixture, Some(&fourth), &gone, &[], "e").await).await;
        assert!(matches!(missing, Err(StoreError::File { path, .. }) if path == gone[0].path));
    }

    #[tokio::test]
    async fn a_column_that_is_new_is_null_in_the_rows_before() {
        let fixture = Fixture::new();
        let first = fixture.lake.replace_files(planned(&fixture, None, &[], &[1], "a").await).await.unwrap();
        let mut next = planned(&fixture, Some(&first), &[], &[], "b").await;
        let more = Field::new("more", DataType::Int64, false);
        next.schema = Arc::new(Schema::new(vec![Field::new("number", DataType::Int64, true), more]));
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![2])), Arc::new(Int64Array::from(vec![20]))];
        next.add =
            vec![new_file(&fixture, &RecordBatch::try_new(Arc::clone(&next.schema), columns).unwrap()).await];
        let second = fixture.lake.replace_files(next).await.unwrap();
        let names: Vec<String> =
            second.schema().unwrap().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["number", "more"]);
        assert!(second.schema().unwrap().field(1).is_nullable());
        assert_eq!(fixture.numbers(&second).await, [1, 2]);
    }

    #[tokio::test]
    async fn a_column_changes_its_type_where_no_file_of_before_remains() {
        let fixture = Fixture::new();
        let first = fixture.lake.replace_files(planned(&fixture, None, &[], &[1], "a").await).await.unwrap();
        let texts = |texts: Vec<&str>| {
            let schema = Arc::new(Schema::new(vec![Field::new("number", DataType::Utf8, true)]));
            RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(texts)) as ArrayRef]).unwrap()
        };
        let rows = texts(vec!["big"]);
        let mut next = planned(&fixture, Some(&first), &[], &[], "b").await;
        next.schema = rows.schema();
        next.add = vec![new_file(&fixture, &rows).await];
        let refused = fixture.lake.replace_files(next.clone()).await.unwrap_err();
        assert!(format!("{refused:?}").contains("column `number` has another type"), "{refused:?}");

        next.remove = first.files().unwrap();
        next.add = vec![new_file(&fixture, &rows).await];
        let second = fixture.lake.replace_files(next).await.unwrap();
        assert_eq!(second.schema().unwrap().field(0).data_type(), &DataType::Utf8);
        assert_eq!(second.rows(), 1);
        // As another process opens it, with the statistics of files of both types in its log.
        let opened = fixture.lake.snapshot(TABLE).await.unwrap().unwrap();
        assert_eq!(opened.schema().unwrap().field(0).data_type(), &DataType::Utf8);
        assert_eq!(opened.files().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_commit_is_made_once_and_never_over_another() {
        let fixture = Fixture::new();
        let lake = &fixture.lake;
        let first = lake.replace_files(planned(&fixture, None, &[], &[1], "a").await).await.unwrap();
        let again = lake.replace_files(planned(&fixture, None, &[], &[1], "a").await).await.unwrap();
        assert_eq!(again.version(), first.version());
        let late = lake.replace_files(planned(&fixture, None, &[], &[2], "b").await).await;
        assert!(matches!(late, Err(StoreError::Conflict { .. })));
        assert_eq!(objects(&fixture).await, 1, "files of commits that were not made are gone");
    }

    #[tokio::test]
    async fn a_commit_is_made_or_not_whichever_put_fails() {
        for failure in [Failure::Before, Failure::After] {
            for puts in 0.. {
                let store = FailingStore::new(failure);
                let fixture = Fixture::over(&store);
                let first =
                    fixture.lake.replace_files(planned(&fixture, None, &[], &[1], "a").await).await.unwrap();
                let next = planned(&fixture, Some(&first), &first.files().unwrap(), &[2], "b").await;
                store.fail_after(puts);
                let outcome = fixture.lake.replace_files(next).await;
                let now = fixture.lake.snapshot(TABLE).await.unwrap().unwrap();
                let expected = if outcome.is_ok() { vec![2] } else { vec![1] };
                assert_eq!(fixture.numbers(&now).await, expected, "{failure:?} {puts}");
                if !store.has_failed() {
                    break;
                }
                assert_eq!(outcome.is_ok(), failure == Failure::After, "a lost answer is looked for");
            }
        }
    }
}
