//! An object store in memory whose puts fail when they are told to, for this crate's own tests.

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
use url::Url;

use crate::Storage;

/// What becomes of a put that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing is stored.
    Before,
    /// The object is stored, and the answer is lost.
    After,
}

/// The put after this many fails, once.
#[derive(Debug)]
pub(crate) struct FailingStore {
    inner: InMemory,
    left: AtomicI64,
    failure: Failure,
}

impl FailingStore {
    pub(crate) fn new(failure: Failure) -> Arc<Self> {
        Arc::new(Self { inner: InMemory::new(), left: AtomicI64::new(i64::MAX), failure })
    }

    /// A storage in which `memory://lake` is this store.
    pub(crate) fn storage(self: &Arc<Self>) -> Storage {
        let storage = Storage::new(std::collections::BTreeMap::new());
        storage.register(&Url::parse("memory://lake/").unwrap(), Arc::clone(self) as Arc<dyn ObjectStore>);
        storage
    }

    /// The next put but `puts` fails.
    pub(crate) fn fail_after(&self, puts: i64) {
        self.left.store(puts, Ordering::SeqCst);
    }

    /// Whether a put has failed since.
    pub(crate) fn has_failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    fn broken() -> object_store::Error {
        object_store::Error::Generic { store: "FailingStore", source: "a put failed, as it should".into() }
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
