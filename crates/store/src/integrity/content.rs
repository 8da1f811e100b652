//! Whether everything stored is as it was written: all of it is read.

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tranche_schema::layout::{self, system};

use super::finding::Finding;
use super::tables::{LOG, RESTORE};
use crate::checksums::Damage;
use crate::objects::{PageFormat, read_document};
use crate::{Lake, StoreError};

/// Objects that are read at the same time: each is in memory as a whole.
const CONCURRENCY: usize = 4;

/// The files of reports.
const PAGES: [&str; 2] = [layout::REPORT_DOCUMENT, layout::REPORT_PAGE];

/// What to do about a damaged report.
const MAKE_AGAIN: &str = "make the report again (`tranche report NAME --as-of INSTANT`), or delete it";

impl Lake {
    /// Findings about the content of a table: its log, and every file of its latest version, each of which is read as
    /// a whole. A file of another program, which carries no checksums, is decoded instead.
    ///
    /// # Errors
    /// [`StoreError::Object`] when the storage fails otherwise than by what it has.
    pub async fn check_content(&self, table: &str) -> Result<Vec<Finding>, StoreError> {
        let objects = self.objects();
        let folder = table.split('/').fold(Path::default(), Path::join);
        let log = folder.clone().join(LOG);
        let listed = objects.list(Some(&log)).try_collect::<Vec<_>>().await;
        let listed = listed.map_err(|error| StoreError::object(&log, error))?;
        let mut paths: Vec<Path> = listed.into_iter().map(|object| object.location).collect();
        // A log that cannot be read is named for itself.
        if let Ok(Some(snapshot)) = self.snapshot(table).await {
            let within =
                |file: crate::DataFile| Path::from_iter(folder.parts().chain(file.object_path().parts()));
            paths.extend(snapshot.files()?.into_iter().map(within));
        }
        paths.sort_unstable();
        let checked =
            stream::iter(&paths).map(|path| check_object(objects.as_ref(), path)).buffered(CONCURRENCY);
        Ok(checked.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }

    /// Findings about our own documents that are read rarely, if ever: decisions about slots long ago, and watermarks.
    ///
    /// # Errors
    /// [`StoreError::Object`] when the storage fails otherwise than by what it has.
    pub async fn check_documents(&self) -> Result<Vec<Finding>, StoreError> {
        let objects = self.objects();
        let mut findings = Vec::new();
        for (system, advice) in [
            (
                system::SLOTS,
                "restore it from the bucket's versions; the slot's run is listed all the same (`tranche runs`)",
            ),
            (system::WATERMARKS, "delete it: it is worked out again"),
        ] {
            let folder = Path::from(system.path);
            let listed = objects.list(Some(&folder)).try_collect::<Vec<_>>().await;
            let mut listed = listed.map_err(|error| StoreError::object(&folder, error))?;
            listed.sort_by(|a, b| a.location.cmp(&b.location));
            let read = stream::iter(&listed).map(|object| read_document(objects.as_ref(), &object.location));
            let read: Vec<Result<_, StoreError>> = read.buffered(CONCURRENCY * 4).collect().await;
            for outcome in read {
                match outcome {
                    Ok(_) => {}
                    Err(StoreError::Damaged { path, reason }) => {
                        findings.push(Finding::new(format!("`{path}` is damaged: {reason}"), advice));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(findings)
    }

    /// Findings about the pages and documents of reports.
    ///
    /// # Errors
    /// [`StoreError::Object`] when the storage fails otherwise than by what it has.
    pub async fn check_reports(&self) -> Result<Vec<Finding>, StoreError> {
        let objects = self.objects();
        let folder = Path::from(layout::REPORTS);
        let listed = objects.list(Some(&folder)).try_collect::<Vec<_>>().await;
        let mut paths: Vec<Path> = listed
            .map_err(|error| StoreError::object(&folder, error))?
            .into_iter()
            .map(|object| object.location)
            .filter(|path| PAGES.iter().any(|page| path.filename() == Some(page)))
            .collect();
        paths.sort_unstable();
        let checked =
            stream::iter(&paths).map(|path| check_page(objects.as_ref(), path)).buffered(CONCURRENCY);
        Ok(checked.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }
}

async fn check_object(objects: &dyn ObjectStore, path: &Path) -> Result<Option<Finding>, StoreError> {
    let problem = match async { objects.get(path).await?.bytes().await }.await {
        Ok(bytes) if path.extension() == Some("parquet") => {
            let decoded = tokio::task::spawn_blocking(move || decode(bytes)).await;
            decoded
                .map_err(|error| StoreError::Read { reason: error.to_string() })?
                .err()
                .map(|error| error.to_string())
        }
        Ok(_) => None,
        Err(object_store::Error::NotFound { .. }) => Some("it is missing".to_owned()),
        Err(error) => match Damage::of(&error) {
            Some(problem) => Some(problem.to_owned()),
            None => return Err(StoreError::object(path, error)),
        },
    };
    Ok(problem.map(|problem| Finding::new(format!("`{path}` is damaged: {problem}"), RESTORE)))
}

async fn check_page(objects: &dyn ObjectStore, path: &Path) -> Result<Option<Finding>, StoreError> {
    let Some(format) = path.filename().and_then(PageFormat::of) else { return Ok(None) };
    let page = match async { objects.get(path).await?.bytes().await }.await {
        Ok(page) => page,
        // Somebody deletes old reports.
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(StoreError::object(path, error)),
    };
    let problem = format.check(path.as_ref(), &page).err();
    Ok(problem.map(|problem| Finding::new(format!("`{path}` is damaged: {problem}"), MAKE_AGAIN)))
}

fn decode(bytes: bytes::Bytes) -> Result<(), parquet::errors::ParquetError> {
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        batch?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::fixture::{self, Fixture};
    use crate::{Commit, CommitMode};

    use super::*;

    const TABLE: &str = "tables/orders";

    /// A table of a few files and versions, with a checkpoint, and where its objects lie.
    async fn table() -> (Fixture, std::sync::Arc<tranche_faults::FailingStore>, Vec<Path>) {
        let store = tranche_faults::FailingStore::new(tranche_faults::Failure::Before);
        let fixture = Fixture::over(&store);
        for number in 0..3 {
            let rows = fixture.plan(fixture::rows(&[("2026-10-01", number), ("2026-10-02", number)]));
            let commit = Commit::new(TABLE, &format!("load/{number}"), CommitMode::Append, rows);
            fixture.commit(commit.partitioned_by(&["_day"])).await;
        }
        fixture.lake.checkpoint(TABLE).await.unwrap();
        let listed: Vec<_> = store.objects().list(None).try_collect().await.unwrap();
        (fixture, store, listed.into_iter().map(|object| object.location).collect())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flipped_bit_anywhere_in_a_table_is_named() {
        let (fixture, store, paths) = table().await;
        assert_eq!(fixture.lake.check_content(TABLE).await.unwrap(), []);
        assert_eq!(fixture.lake.check_integrity(TABLE).await.unwrap(), []);
        let checked = |path: &&Path| {
            path.extension() == Some("parquet")
                || path.filename().is_some_and(|name| name.starts_with("0000"))
        };
        for path in paths.iter().filter(checked) {
            let whole = store.objects().get(path).await.unwrap().bytes().await.unwrap();
            for at in [10, whole.len() / 3, whole.len() / 2, whole.len() - 30] {
                let mut flipped = whole.to_vec();
                flipped[at] ^= 4;
                store.objects().put(path, flipped.into()).await.unwrap();
                // As another process reads it.
                let lake = Fixture::over(&store).lake;
                let found = lake.check_content(TABLE).await.unwrap();
                let name = path.filename().unwrap();
                assert!(
                    found.iter().any(|finding| finding.problem.contains(name)),
                    "{path} at {at}: {found:?}"
                );
            }
            store.objects().put(path, whole.into()).await.unwrap();
        }
        assert_eq!(Fixture::over(&store).lake.check_content(TABLE).await.unwrap(), []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_report_that_is_not_as_it_was_written_is_named() {
        let store = tranche_faults::FailingStore::new(tranche_faults::Failure::Before);
        let fixture = Fixture::over(&store);
        let path = |day: &str, name: &str| {
            let folder = layout::report("monthly", &format!("{day}T00:00:00Z"));
            Path::from(format!("{folder}/{name}"))
        };
        let put = async |path: &Path, content: String| {
            fixture.lake.objects().put(path, content.into_bytes().into()).await.unwrap();
        };
        let found = async || {
            let found = fixture.lake.check_reports().await.unwrap();
            found.into_iter().map(|finding| finding.problem).collect::<Vec<_>>()
        };
        let document = path("2026-10-01", layout::REPORT_DOCUMENT);
        let page = path("2026-10-01", layout::REPORT_PAGE);
        let sealed = PageFormat::Html.seal(page.as_ref(), "<p>12 %</p>");
        put(&document, PageFormat::Json.seal(document.as_ref(), "{\"kpis\": [0.12]}")).await;
        put(&page, sealed.clone()).await;
        // Not ours.
        put(&path("2026-10-01", "notes.html"), "<p>checked</p>".to_owned()).await;
        assert_eq!(found().await, [""; 0]);
        let other = path("2026-11-01", layout::REPORT_PAGE);
        put(&other, sealed.clone()).await;
        put(&page, sealed.replace("12", "13")).await;
        let problem =
            |path: Path| format!("`{path}` is damaged: its content is not what was written (checksum)");
        assert_eq!(found().await, [problem(page), problem(other)]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_reads_a_damaged_file_is_told() {
        let (fixture, store, paths) = table().await;
        let snapshot = fixture.lake.snapshot(TABLE).await.unwrap().unwrap();
        assert_eq!(fixture.numbers(&snapshot).await, [0, 0, 1, 1, 2, 2]);
        let files: Vec<&Path> = paths.iter().filter(|path| path.as_ref().contains("_day=")).collect();
        let content = async |path: &Path| store.objects().get(path).await.unwrap().bytes().await.unwrap();
        let (whole, other) = (content(files[0]).await, content(files[1]).await);
        let mut flipped = whole.to_vec();
        flipped[20] ^= 1;
        for damaged in [flipped.into(), other] {
            store.objects().put(files[0], damaged.into()).await.unwrap();
            let fixture = Fixture::over(&store);
            let snapshot = fixture.lake.snapshot(TABLE).await.unwrap().unwrap();
            let error = fixture.try_numbers(&snapshot).await.unwrap_err().to_string();
            assert!(error.contains("is damaged"), "{error}");
        }
    }
}
