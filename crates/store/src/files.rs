//! The Parquet files of a snapshot, for who reads them without the query engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::ObjectStore;
use serde::{Deserialize, Serialize};

use crate::{Snapshot, StoreError};

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

impl Snapshot {
    /// The files that make up this version, in the order of their paths.
    ///
    /// # Errors
    /// [`StoreError::Table`] when the version's files are not known.
    pub fn files(&self) -> Result<Vec<DataFile>, StoreError> {
        let state = self.delta().snapshot().map_err(|error| StoreError::table(self.table(), error))?;
        let mut files: Vec<DataFile> = state
            .log_data()
            .iter()
            .map(|view| DataFile {
                path: view.path().into_owned(),
                size_bytes: u64::try_from(view.size()).unwrap_or_default(),
                rows: view.num_records().map(|rows| rows as u64),
                partition: view.partition_values_map().into_iter().collect(),
            })
            .collect();
        files.sort_unstable();
        Ok(files)
    }

    /// The table's folder as an object store: what [`DataFile::path`] is relative to.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        self.delta().log_store().object_store(None)
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::path::Path;

    use super::*;
    use crate::fixture::{self, Fixture};
    use crate::{Commit, CommitMode};

    #[tokio::test]
    async fn the_files_of_a_version_are_where_the_log_says() {
        let fixture = Fixture::new();
        let rows = fixture::rows(&[("2026-10-01", 1), ("2026-10-01", 2), ("a b/c:d", 3)]);
        let commit = Commit::new("tables/orders", "load/1", CommitMode::Append, fixture.plan(rows)).partitioned_by(&["_day"]);
        let first = fixture.commit(commit).await;
        let later = Commit::new("tables/orders", "load/2", CommitMode::Append, fixture.plan(fixture::rows(&[("2026-10-02", 4)])));
        let second = fixture.commit(later).await;

        let days = |files: &[DataFile]| -> Vec<(Option<String>, Option<u64>)> {
            let mut days: Vec<_> = files.iter().map(|file| (file.partition["_day"].clone(), file.rows)).collect();
            days.sort();
            days
        };
        let day = |day: &str| Some(day.to_owned());
        let old = [(day("2026-10-01"), Some(2)), (day("a b/c:d"), Some(1))];
        let files = first.files().unwrap();
        assert_eq!(days(&files), old);
        assert_eq!(days(&second.files().unwrap()), [old[0].clone(), (day("2026-10-02"), Some(1)), old[1].clone()]);
        assert_eq!(fixture.numbers(&second).await, [1, 2, 3, 4]);
        for file in second.files().unwrap() {
            let meta = second.objects().head(&Path::parse(&file.path).unwrap()).await.unwrap();
            assert_eq!(meta.size, file.size_bytes, "{}", file.path);
        }
    }

    #[tokio::test]
    async fn a_file_survives_as_text() {
        let partition = BTreeMap::from([("_day".to_owned(), Some("2026-10-01".to_owned())), ("zone".to_owned(), None)]);
        let file = DataFile { path: "_day=2026-10-01/part-1.parquet".to_owned(), size_bytes: 7, rows: None, partition };
        let text = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<DataFile>(&text).unwrap(), file);
    }
}
