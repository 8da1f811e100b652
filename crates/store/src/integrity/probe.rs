//! A probe of the two guarantees that everything rests on, made on the storage itself: of many writers that
//! create an object one succeeds, and every later reader finds it.

use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::join_all;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::finding::Finding;
use crate::StoreError;
use crate::objects::{Creation, create_once, read_once};

/// Races in a probe.
pub const RACES: usize = 20;
/// Writers in each race.
pub const WRITERS: usize = 8;

/// Where the objects of a probe lie until they are removed.
const SCRATCH: &str = tranche_schema::layout::system::PROBE.path;

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probe {
    /// The guarantees that the storage broke.
    pub findings: Vec<Finding>,
    /// The instant that the storage gave an object that was written in between, in milliseconds since 1970.
    pub storage_millis: i64,
}

/// Tries a lake's objects: [`RACES`] races of [`WRITERS`] writers, whether what was written is read and
/// listed at once, and what time the storage has. What it writes lies under `_sys/doctor/` and is removed.
///
/// # Errors
/// [`StoreError::Object`] when an object cannot be written, read, listed or removed at all.
pub async fn probe(objects: &Arc<dyn ObjectStore>) -> Result<Probe, StoreError> {
    let nonce = uuid::Uuid::now_v7().simple().to_string();
    let tried = attempt(objects, &nonce).await;
    let swept = sweep(objects, &nonce).await;
    let probe = tried?;
    swept.map(|()| probe)
}

async fn attempt(objects: &Arc<dyn ObjectStore>, nonce: &str) -> Result<Probe, StoreError> {
    let mut found = Probe::default();
    let (mut without_one_winner, mut misread, mut taken_over) = (0, 0, 0);
    for race in 0..RACES {
        let path = Path::from(SCRATCH).join(format!("{nonce}-{race}.json"));
        let outcomes =
            join_all((0..WRITERS).map(|writer| race_once(Arc::clone(objects), path.clone(), writer))).await;
        let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        let winners: Vec<usize> = (0..WRITERS).filter(|writer| outcomes[*writer] == Creation::Won).collect();
        let stored = read_once(objects.as_ref(), &path).await?;
        let [winner] = winners[..] else {
            without_one_winner += 1;
            continue;
        };
        let expected = body(winner);
        let agrees = |bytes: &bytes::Bytes| bytes.as_ref() == expected.as_bytes();
        let is_consistent = outcomes.iter().all(|outcome| match outcome {
            Creation::Won => true,
            Creation::Lost(by) => agrees(by),
            Creation::Torn(_) => false,
        });
        misread += usize::from(!is_consistent || !stored.as_ref().is_some_and(agrees));
        taken_over += usize::from(is_taken_over(objects.as_ref(), &path).await);
    }
    let advice = "this storage cannot hold a lake: move it to one with conditional writes (S3, GCS, Azure, a local disk)";
    for (races, what) in [
        (without_one_winner, "had no single winner"),
        (misread, "showed a writer something else than the winner wrote"),
        (taken_over, "let a later writer replace the object"),
    ] {
        if races > 0 {
            let problem =
                format!("{races} of {RACES} races of {WRITERS} writers to create one object {what}");
            found.findings.push(Finding::new(problem, advice));
        }
    }
    let listed = written(objects, nonce).await?;
    if listed.len() != RACES {
        let problem = format!("{} of {RACES} objects are listed right after they were written", listed.len());
        found
            .findings
            .push(Finding::new(problem, "use the storage's own endpoint, with no cache in front of it"));
    }
    let newest = listed.iter().map(|object| object.last_modified.timestamp_millis()).max();
    found.storage_millis = newest.unwrap_or_default();
    Ok(found)
}

fn body(writer: usize) -> String {
    format!("{{\"writer\":{writer}}}")
}

async fn race_once(objects: Arc<dyn ObjectStore>, path: Path, writer: usize) -> Result<Creation, StoreError> {
    let raced = tokio::spawn(async move { create_once(objects.as_ref(), &path, &body(writer)).await });
    raced.await.map_err(|error| StoreError::Read { reason: error.to_string() })?
}

/// Whether an object that is there can be created again.
async fn is_taken_over(objects: &dyn ObjectStore, path: &Path) -> bool {
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    objects.put_opts(path, PutPayload::from_static(b"{}"), options).await.is_ok()
}

/// The objects of a probe.
async fn written(objects: &Arc<dyn ObjectStore>, nonce: &str) -> Result<Vec<ObjectMeta>, StoreError> {
    let root = Path::from(SCRATCH);
    let ours = |object: &ObjectMeta| object.location.filename().is_some_and(|name| name.starts_with(nonce));
    let listed = objects.list(Some(&root)).try_filter(|object| std::future::ready(ours(object)));
    listed.try_collect().await.map_err(|error| StoreError::object(&root, error))
}

async fn sweep(objects: &Arc<dyn ObjectStore>, nonce: &str) -> Result<(), StoreError> {
    for object in written(objects, nonce).await? {
        objects
            .delete(&object.location)
            .await
            .map_err(|error| StoreError::object(&object.location, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use futures::StreamExt;
    use futures::stream::BoxStream;
    use object_store::memory::InMemory;
    use object_store::{
        CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, PutMultipartOptions, PutResult,
        Result,
    };

    use super::*;

    /// A storage that takes every condition for granted, as some gateways do.
    #[derive(Debug, Default)]
    struct Careless(InMemory);

    impl fmt::Display for Careless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Careless")
        }
    }

    #[async_trait::async_trait]
    impl ObjectStore for Careless {
        async fn put_opts(&self, location: &Path, payload: PutPayload, _: PutOptions) -> Result<PutResult> {
            self.0.put_opts(location, payload, PutOptions::default()).await
        }

        async fn put_multipart_opts(
            &self,
            location: &Path,
            opts: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            self.0.put_multipart_opts(location, opts).await
        }

        async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
            self.0.get_opts(location, options).await
        }

        fn delete_stream(
            &self,
            locations: BoxStream<'static, Result<Path>>,
        ) -> BoxStream<'static, Result<Path>> {
            self.0.delete_stream(locations)
        }

        fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
            self.0.list(prefix)
        }

        async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
            self.0.list_with_delimiter(prefix).await
        }

        async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
            self.0.copy_opts(from, to, options).await
        }
    }

    async fn left(objects: &Arc<dyn ObjectStore>) -> usize {
        objects.list(None).count().await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_storage_that_keeps_its_word_has_no_finding_and_keeps_nothing() {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let probe = probe(&objects).await.unwrap();
        assert_eq!(probe.findings, []);
        assert!(probe.storage_millis > 0);
        assert_eq!(left(&objects).await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_storage_that_ignores_conditions_is_found_out() {
        let objects: Arc<dyn ObjectStore> = Arc::new(Careless::default());
        let probe = probe(&objects).await.unwrap();
        assert!(
            probe.findings.iter().any(|finding| finding.problem.contains("no single winner")),
            "{:?}",
            probe.findings
        );
        assert_eq!(left(&objects).await, 0);
    }
}
