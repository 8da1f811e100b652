//! An object store in memory that records which data files were read and written.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use futures::stream::BoxStream;
use tranche_store::object_store::memory::InMemory;
use tranche_store::object_store::path::Path;
use tranche_store::object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// The paths of the Parquet files of tables that were read and written since it was asked last.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    inner: InMemory,
    accesses: Mutex<Accesses>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Accesses {
    pub(crate) read: BTreeSet<String>,
    pub(crate) written: BTreeSet<String>,
}

impl Recorder {
    /// What was read and written since the last call.
    pub(crate) fn take(&self) -> Accesses {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Accesses> {
        self.accesses.lock().unwrap()
    }
}

/// A data file of a table: neither a log, nor a saved state, nor an object of the platform.
fn data_file(path: &Path) -> Option<String> {
    let text = path.as_ref();
    let is_other = ["/_delta_log/", "/_state/", "/_sys/"].iter().any(|folder| text.contains(folder));
    (text.ends_with(".parquet") && !is_other).then(|| text.to_owned())
}

impl fmt::Display for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

#[async_trait]
impl ObjectStore for Recorder {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.lock().written.extend(data_file(location));
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.lock().written.extend(data_file(location));
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.lock().read.extend(data_file(location));
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
