//! Whether a table is whole: its log without gaps and readable, every file of its latest version there and of
//! its size.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use super::finding::Finding;
use crate::checksums::Damage;
use crate::{DataFile, Lake, Snapshot, StoreError};

pub(super) const LOG: &str = "_delta_log";
/// The first and last bytes of a Parquet file.
const MAGIC: &[u8] = b"PAR1";
/// Objects that are read at the same time.
const CONCURRENCY: usize = 16;
/// At most this many files of a table are named: after the loss of a bucket the list would be endless.
const NAMED_FILES: usize = 10;

impl Lake {
    /// The folders of all tables, in order, whether or not they can be read.
    ///
    /// # Errors
    /// [`StoreError::Object`] when listing fails.
    pub async fn tables(&self) -> Result<Vec<String>, StoreError> {
        let mut found = BTreeSet::new();
        let all = self.subfolders("").await?;
        for table in self.layout().tables().iter().filter(|table| all.iter().any(|name| name == table.folder))
        {
            if table.is_one_of_many() {
                found.extend(self.subfolders(table.folder).await?.iter().map(|name| table.of(name)));
            } else {
                found.insert(table.folder.to_owned());
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Findings about a table's log and the files of its latest version. Rows are not read.
    ///
    /// # Errors
    /// [`StoreError::Object`] when the storage fails otherwise than by not having what it should.
    pub async fn check_integrity(&self, table: &str) -> Result<Vec<Finding>, StoreError> {
        let findings = self.check_log(table).await?;
        if !findings.is_empty() {
            return Ok(findings);
        }
        match self.snapshot(table).await {
            Ok(Some(snapshot)) => check_files(&snapshot).await,
            Ok(None) => Ok(vec![Finding::new(format!("`{table}` has no log"), RESTORE)]),
            Err(error) => {
                Ok(vec![Finding::new(format!("`{table}` cannot be opened: {}", causes(&error)), RESTORE)])
            }
        }
    }

    async fn check_log(&self, table: &str) -> Result<Vec<Finding>, StoreError> {
        let objects = self.objects();
        let log = table.split('/').fold(Path::default(), Path::join).join(LOG);
        let listed = objects
            .list(Some(&log))
            .try_collect::<Vec<_>>()
            .await
            .map_err(|e| StoreError::object(&log, e))?;
        let names: Vec<&str> = listed.iter().filter_map(|object| object.location.filename()).collect();
        let versions: BTreeSet<u64> =
            names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        let checkpoint = names
            .iter()
            .filter(|name| name.contains(".checkpoint."))
            .filter_map(|name| name.get(..20)?.parse().ok())
            .max();
        let mut findings = Vec::new();
        let (Some(&first), Some(&last)) = (versions.first(), versions.last()) else {
            if checkpoint.is_none() {
                findings.push(Finding::new(format!("`{log}` has no versions"), RESTORE));
            }
            return Ok(findings);
        };
        // Versions before a checkpoint may have ended; those that are left are without gaps.
        let begins = checkpoint.map_or(0, |checkpoint: u64| first.min(checkpoint + 1));
        let missing: Vec<u64> = (begins..=last).filter(|version| !versions.contains(version)).collect();
        if let Some(version) = missing.first() {
            let problem = format!("`{log}` lacks version {version}, of {} up to {last}", last + 1);
            findings.push(Finding::new(problem, RESTORE));
        }
        let entries = versions.iter().map(|version| log.clone().join(format!("{version:020}.json")));
        let damaged: Vec<Option<Finding>> = stream::iter(entries)
            .map(|path| check_entry(objects.as_ref(), path))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        findings.extend(damaged.into_iter().flatten());
        Ok(findings)
    }

    async fn subfolders(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let prefix = (!folder.is_empty()).then(|| Path::from(folder));
        let listed = self
            .objects()
            .list_with_delimiter(prefix.as_ref())
            .await
            .map_err(|e| StoreError::object(folder, e))?;
        Ok(listed.common_prefixes.iter().filter_map(Path::filename).map(str::to_owned).collect())
    }
}

pub(super) const RESTORE: &str = "restore it from the bucket's versions or a backup; a raw table can also be removed as a whole and loaded \
                       again";

/// Every line of a log entry is a JSON document.
async fn check_entry(objects: &dyn ObjectStore, path: Path) -> Result<Option<Finding>, StoreError> {
    let bytes = match async { objects.get(&path).await?.bytes().await }.await {
        Ok(bytes) => bytes,
        Err(error) => match Damage::of(&error) {
            Some(problem) => {
                return Ok(Some(Finding::new(format!("`{path}` is damaged: {problem}"), RESTORE)));
            }
            None => return Err(StoreError::object(&path, error)),
        },
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let problem = match lines.peek() {
        None => Some("it is empty".to_owned()),
        Some(_) => lines
            .find_map(|line| serde_json::from_str::<serde_json::Value>(line).err())
            .map(|error| error.to_string()),
    };
    Ok(problem.map(|problem| Finding::new(format!("`{path}` is damaged: {problem}"), RESTORE)))
}

async fn check_files(snapshot: &Snapshot) -> Result<Vec<Finding>, StoreError> {
    let objects = snapshot.objects();
    let files = snapshot.files()?;
    let problems: Vec<Option<String>> = stream::iter(&files)
        .map(|file| check_file(objects.as_ref(), file))
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    let (table, more) = (snapshot.table(), problems.len().saturating_sub(NAMED_FILES));
    let mut findings: Vec<Finding> = problems
        .into_iter()
        .take(NAMED_FILES)
        .map(|problem| {
            Finding::new(format!("`{table}` at version {}: {problem}", snapshot.version()), RESTORE)
        })
        .collect();
    if more > 0 {
        findings.push(Finding::new(format!("`{table}` has {more} more such files"), RESTORE));
    }
    Ok(findings)
}

/// The problem of a file, if it has one: one request returns its size and its last bytes.
async fn check_file(objects: &dyn ObjectStore, file: &DataFile) -> Result<Option<String>, StoreError> {
    let path = file.object_path();
    let tail = GetOptions { range: Some(GetRange::Suffix(MAGIC.len() as u64)), ..GetOptions::default() };
    let found = match objects.get_opts(&path, tail).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => {
            return Ok(Some(format!("file `{}` is missing", file.path)));
        }
        Err(error) if Damage::of(&error).is_none() && is_empty(objects, &path).await? => {
            return Ok(Some(format!("file `{}` is empty", file.path)));
        }
        Err(error) => match Damage::of(&error) {
            Some(problem) => return Ok(Some(format!("file `{}` is damaged: {problem}", file.path))),
            None => return Err(StoreError::object(&path, error)),
        },
    };
    let size = found.meta.size;
    if size == 0 {
        return Ok(Some(format!("file `{}` is empty", file.path)));
    }
    if size != file.size_bytes {
        return Ok(Some(format!("file `{}` has {size} bytes, its log says {}", file.path, file.size_bytes)));
    }
    let end = found.bytes().await.map_err(|error| StoreError::object(&path, error))?;
    Ok((end != MAGIC).then(|| format!("file `{}` does not end as a Parquet file does", file.path)))
}

/// Storages refuse the last bytes of nothing, each with an error of its own.
async fn is_empty(objects: &dyn ObjectStore, path: &Path) -> Result<bool, StoreError> {
    objects.head(path).await.map(|meta| meta.size == 0).map_err(|error| StoreError::object(path, error))
}

fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::PutPayload;

    use super::*;
    use crate::fixture::{self, Fixture};
    use crate::{Commit, CommitMode};

    const TABLE: &str = "tables/orders";

    async fn lake(versions: i64) -> (Fixture, Arc<dyn ObjectStore>) {
        let fixture = Fixture::new();
        for number in 0..versions {
            let rows = fixture.plan(fixture::rows(&[("2026-10-01", number)]));
            let commit = Commit::new(TABLE, &format!("load/{number}"), CommitMode::Append, rows);
            fixture.commit(commit.partitioned_by(&["_day"])).await;
        }
        let objects = fixture.lake.objects();
        (fixture, objects)
    }

    async fn check(fixture: &Fixture, expected: &[&str]) {
        let findings = fixture.lake.check_integrity(TABLE).await.unwrap();
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, part) in findings.iter().zip(expected) {
            assert!(finding.problem.contains(part), "{finding}");
        }
    }

    fn entry(version: u64) -> Path {
        Path::from(format!("{TABLE}/{LOG}/{version:020}.json"))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_whole_table_has_no_finding_with_and_without_checkpoints() {
        let (fixture, _) = lake(3).await;
        assert_eq!(fixture.lake.tables().await.unwrap(), [TABLE]);
        check(&fixture, &[]).await;
        let (fixture, objects) = lake(22).await;
        check(&fixture, &[]).await;
        // What a checkpoint holds need not be kept.
        for version in 0..5 {
            objects.delete(&entry(version)).await.unwrap();
        }
        check(&fixture, &[]).await;
        objects.delete(&entry(21)).await.unwrap();
        objects.delete(&entry(7)).await.unwrap();
        check(&fixture, &["lacks version 7"]).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_log_with_a_gap_or_a_damaged_entry_is_named() {
        let (fixture, objects) = lake(4).await;
        objects.put(&entry(2), PutPayload::from("{\"commitInfo\":{}}\n{\"add\":")).await.unwrap();
        check(&fixture, &["00000000000000000002.json` is damaged"]).await;
        objects.delete(&entry(2)).await.unwrap();
        check(&fixture, &["lacks version 2"]).await;
        for version in [0, 1, 3] {
            objects.delete(&entry(version)).await.unwrap();
        }
        check(&fixture, &["has no versions"]).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_is_missing_shortened_empty_or_something_else_is_named() {
        let (fixture, _) = lake(5).await;
        let snapshot = fixture.lake.snapshot(TABLE).await.unwrap().unwrap();
        let (objects, files) = (snapshot.objects(), snapshot.files().unwrap());
        let path = |file: usize| files[file].object_path();
        let content = objects.get(&path(1)).await.unwrap().bytes().await.unwrap();
        objects.delete(&path(0)).await.unwrap();
        objects.put(&path(1), PutPayload::from(content.slice(..content.len() / 2))).await.unwrap();
        objects.put(&path(2), PutPayload::from(Vec::new())).await.unwrap();
        let other = vec![0_u8; usize::try_from(files[3].size_bytes).unwrap()];
        objects.put(&path(3), PutPayload::from(other)).await.unwrap();
        check(&fixture, &["is missing", "its log says", "is empty", "does not end as a Parquet file does"])
            .await;
    }
}
