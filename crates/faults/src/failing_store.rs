//! An object store in memory of which one put fails.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

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

/// A store in memory of which one put fails, once. Until that is asked for, none does.
#[derive(Debug)]
pub struct FailingStore {
    inner: InMemory,
    left: AtomicI64,
    failure: Failure,
}

impl FailingStore {
    /// An empty store whose put fails in this way.
    #[must_use]
    pub fn new(failure: Failure) -> Arc<Self> {
        Arc::new(Self { inner: InMemory::new(), left: AtomicI64::new(i64::MAX), failure })
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
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
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
}
