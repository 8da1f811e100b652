//! The Parquet files of a snapshot, for who reads them without the query engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake_core::kernel::LogicalFileView;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::snapshot::Snapshot;
use crate::StoreError;

/// One Parquet file of a snapshot. Files are never changed: the same path has the same rows for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DataFile {
    /// Its path in the table's folder, as the object store knows it.
    pub path: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its rows, where the log says so.
    pub rows: Option<u64>,
    /// The value of each partition column, as text; the file itself does not hold them.
    pub partition: BTreeMap<String, Option<String>>,
}

impl DataFile {
    /// Its path as [`Snapshot::objects`] wants it.
    #[must_use]
    pub fn object_path(&self) -> Path {
        // A path with characters that object stores escape is stored as it was escaped.
        Path::parse(&self.path).unwrap_or_else(|_| Path::from(self.path.as_str()))
    }
}

/// What the log says of the columns of a file, by column: bounds that hold all its values, though they need
/// not be among them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileStatistics {
    /// The least value, as the log writes it (an instant is a text).
    pub least: BTreeMap<String, Value>,
    /// The greatest value.
    pub greatest: BTreeMap<String, Value>,
    /// How many values are null.
    pub nulls: BTreeMap<String, u64>,
}

/// Statistics as Delta writes them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Written {
    min_values: BTreeMap<String, Value>,
    max_values: BTreeMap<String, Value>,
    /// Of a column with parts, this is a map.
    null_count: BTreeMap<String, Value>,
}

impl FileStatistics {
    /// What cannot be read is not known.
    fn parse(text: &str) -> Self {
        let Written { min_values, max_values, null_count } = serde_json::from_str(text).unwrap_or_default();
        let nulls =
            null_count.into_iter().filter_map(|(column, count)| Some((column, count.as_u64()?))).collect();
        let known = |bounds: BTreeMap<String, Value>| {
            bounds.into_iter().filter(|(_, value)| !value.is_null()).collect()
        };
        Self { least: known(min_values), greatest: known(max_values), nulls }
    }
}

impl Snapshot {
    /// The files with what the log says of their columns, in the order of their paths.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the version's files are not known.
    pub fn file_statistics(&self) -> Result<Vec<(DataFile, FileStatistics)>, StoreError> {
        let state = self.delta().snapshot().map_err(|error| StoreError::table(self.table(), error))?;
        let mut files: Vec<(DataFile, FileStatistics)> = state
            .log_data()
            .iter()
            .map(|view| (data_file(&view), FileStatistics::parse(&view.stats().unwrap_or_default())))
            .collect();
        files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(files)
    }

    /// The files that make up this version, in the order of their paths.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the version's files are not known.
    pub fn files(&self) -> Result<Vec<DataFile>, StoreError> {
        let state = self.delta().snapshot().map_err(|error| StoreError::table(self.table(), error))?;
        let mut files: Vec<DataFile> = state.log_data().iter().map(|view| data_file(&view)).collect();
        files.sort_unstable();
        Ok(files)
    }

    /// The table's folder as an object store: what [`DataFile::path`] is relative to.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        self.delta().log_store().object_store(None)
    }
}

fn data_file(view: &LogicalFileView) -> DataFile {
    DataFile {
        path: view.path().into_owned(),
        size_bytes: u64::try_from(view.size()).unwrap_or_default(),
        rows: view.num_records().map(|rows| rows as u64),
        partition: view.partition_values_map().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;
    use crate::fixture::{self, Fixture};
    use crate::{Commit, CommitMode};

    #[tokio::test]
    async fn the_files_of_a_version_are_where_the_log_says() {
        let fixture = Fixture::new();
        let rows = fixture::rows(&[("2026-10-01", 1), ("2026-10-01", 2), ("a b/c:d", 3)]);
        let commit = Commit::new("tables/orders", "load/1", CommitMode::Append, fixture.plan(rows))
            .partitioned_by(&["_day"]);
        let first = fixture.commit(commit).await;
        let later = Commit::new(
            "tables/orders",
            "load/2",
            CommitMode::Append,
            fixture.plan(fixture::rows(&[("2026-10-02", 4)])),
        );
        let second = fixture.commit(later).await;

        let days = |files: &[DataFile]| -> Vec<(Option<String>, Option<u64>)> {
            let mut days: Vec<_> =
                files.iter().map(|file| (file.partition["_day"].clone(), file.rows)).collect();
            days.sort();
            days
        };
        let day = |day: &str| Some(day.to_owned());
        let old = [(day("2026-10-01"), Some(2)), (day("a b/c:d"), Some(1))];
        let files = first.files().unwrap();
        assert_eq!(days(&files), old);
        assert_eq!(
            days(&second.files().unwrap()),
            [old[0].clone(), (day("2026-10-02"), Some(1)), old[1].clone()]
        );
        assert_eq!(fixture.numbers(&second).await, [1, 2, 3, 4]);
        for file in second.files().unwrap() {
            let meta = second.objects().head(&file.object_path()).await.unwrap();
            assert_eq!(meta.size, file.size_bytes, "{}", file.path);
        }
        let known: Vec<(Option<Value>, Option<u64>)> = second
            .file_statistics()
            .unwrap()
            .into_iter()
            .map(|(_, known)| (known.greatest.get("number").cloned(), known.nulls.get("number").copied()))
            .collect();
        assert_eq!(known, [(Some(2.into()), Some(0)), (Some(4.into()), Some(0)), (Some(3.into()), Some(0))]);
    }

    #[tokio::test]
    async fn a_file_survives_as_text() {
        let partition =
            BTreeMap::from([("_day".to_owned(), Some("2026-10-01".to_owned())), ("zone".to_owned(), None)]);
        let file = DataFile {
            path: "_day=2026-10-01/part-1.parquet".to_owned(),
            size_bytes: 7,
            rows: None,
            partition,
        };
        let text = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<DataFile>(&text).unwrap(), file);
    }
}
