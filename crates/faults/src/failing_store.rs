//! An object store in memory that records accesses, and of which one put fails.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// How a put fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is stored.
    Before,
    /// The object is stored, and the answer is lost.
    After,
}

/// A store in memory of which one put fails, once, when a test asks for that. Accesses are recorded.
#[derive(Debug)]
pub struct FailingStore {
    inner: InMemory,
    left: AtomicI64,
    failure: Failure,
    accesses: Mutex<Accesses>,
}

/// Paths of objects.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Accesses {
    /// Of which content or properties were asked for.
    pub read: BTreeSet<Path>,
    /// That were put, whether or not that failed.
    pub written: BTreeSet<Path>,
}

impl FailingStore {
    /// An empty store whose put fails in this way.
    #[must_use]
    pub fn new(failure: Failure) -> Arc<Self> {
        Arc::new(Self {
            inner: InMemory::new(),
            left: AtomicI64::new(i64::MAX),
            failure,
            accesses: Mutex::default(),
        })
    }

    /// The store as any other.
    #[must_use]
    pub fn objects(self: &Arc<Self>) -> Arc<dyn ObjectStore> {
        Arc::<Self>::clone(self)
    }

    /// Lets the put after the next `puts` fail.
    pub fn fail_after(&self, puts: i64) {
        self.left.store(puts, Ordering::SeqCst);
    }

    /// Whether that put has come and failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    /// The accesses since the last call.
    #[must_use]
    pub fn take_accesses(&self) -> Accesses {
        std::mem::take(&mut self.accesses())
    }

    fn accesses(&self) -> MutexGuard<'_, Accesses> {
        self.accesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken() -> object_store::Error {
        object_store::Error::Generic { store: "FailingStore", source: "a put failed on demand".into() }
    }
}

impl fmt::Display for FailingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailingStore")
    }
}

#[async_trait::async_trait]
impl ObjectStore for FailingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.accesses().written.insert(location.clone());
        if self.left.fetch_sub(1, Ordering::SeqCst) != 0 {
            return self.inner.put_opts(location, payload, opts).await;
        }
        if self.failure == Failure::After {
            self.inner.put_opts(location, payload, opts).await?;
        }
        Err(Self::broken())
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.accesses().written.insert(location.clone());
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.accesses().read.insert(location.clone());
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;

    #[tokio::test]
    async fn one_put_fails_and_has_stored_its_object_or_not() {
        for failure in [Failure::Before, Failure::After] {
            let store = FailingStore::new(failure);
            store.fail_after(1);
            let paths = ["a", "b", "c"].map(Path::from);
            let mut outcomes = Vec::new();
            for path in &paths {
                assert_eq!(store.has_failed(), outcomes.contains(&false));
                outcomes.push(store.put(path, "x".into()).await.is_ok());
            }
            assert_eq!(outcomes, [true, false, true]);
            assert_eq!(store.head(&paths[1]).await.is_ok(), failure == Failure::After);
        }
    }

    #[tokio::test]
    async fn accesses_are_recorded_until_they_are_taken() {
        let store = FailingStore::new(Failure::Before);
        let [a, b] = ["a", "b"].map(Path::from);
        store.put(&a, "x".into()).await.unwrap();
        let _ = store.get(&a).await.unwrap();
        let _ = store.get(&b).await.unwrap_err();
        let expected = Accesses { read: [a.clone(), b].into(), written: [a].into() };
        assert_eq!(store.take_accesses(), expected);
        assert_eq!(store.take_accesses(), Accesses::default());
    }
}
