//! The object store of a lake: it adds checksums to what is written, and verifies what is read.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result,
};

use super::blocks::{self, Blocks, Found};
use super::opened::Opened;
use super::upload::{CheckedUpload, Sizes};
use super::{Damage, log_entry};

/// The end of a file that is read at first: in nearly all files, it holds the checksums and the footer.
const END_BYTES: u64 = 64 << 10;
/// Files whose checksums are kept in memory.
const KEPT: usize = 256;

/// An object store whose Parquet files and logs of tables carry checksums.
#[derive(Debug)]
pub(crate) struct CheckedStore {
    /// The lake's own folder.
    inner: PrefixStore<Arc<dyn ObjectStore>>,
    kept: Mutex<Kept>,
    sizes: Sizes,
}

/// Files that were opened last, the oldest first.
#[derive(Debug, Default)]
struct Kept {
    files: HashMap<Path, Arc<Opened>>,
    order: VecDeque<Path>,
}

impl CheckedStore {
    pub(crate) fn new(inner: PrefixStore<Arc<dyn ObjectStore>>) -> Self {
        Self { inner, kept: Mutex::default(), sizes: Sizes::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sizes(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damage(path: &Path, problem: &str) -> object_store::Error {
        Damage::new(path.to_string(), problem).into()
    }

    /// The checksums of a file; `None` where it has none.
    async fn open(&self, path: &Path) -> Result<Option<Arc<Opened>>> {
        if let Some(found) = self.kept().files.get(path) {
            return Ok(Some(Arc::clone(found)));
        }
        let (mut meta, mut end) = self.end(path).await?;
        let name = path.filename().unwrap_or_default();
        let mut found = Blocks::find(name, meta.size, &end);
        if let Found::Earlier(from) = found {
            (meta, end) = self.bounded(path, from..meta.size).await?;
            found = Blocks::find(name, meta.size, &end);
        }
        let blocks = match found {
            Found::Blocks(blocks) => blocks,
            Found::None => return Ok(None),
            Found::Earlier(_) | Found::Damaged => {
                return Err(Self::damage(
                    path,
                    "its end is not the one that was written (checksum, or another file's content)",
                ));
            }
        };
        let opened = Opened::new(meta, blocks, end);
        let opened = opened
            .ok_or_else(|| Self::damage(path, "its last pages are not those that were written (checksum)"))?;
        let opened = Arc::new(opened);
        let mut kept = self.kept();
        if kept.files.insert(path.clone(), Arc::clone(&opened)).is_none() {
            kept.order.push_back(path.clone());
        }
        if kept.order.len() > KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.files.remove(&oldest);
        }
        Ok(Some(opened))
    }

    /// The last bytes of a file, whose size is not known: not every storage gives the last bytes of an object, or those of one
    /// that has fewer.
    async fn end(&self, path: &Path) -> Result<(ObjectMeta, Bytes)> {
        let size = self.inner.head(path).await?.size;
        self.bounded(path, size.saturating_sub(END_BYTES)..size).await
    }

    async fn bounded(&self, path: &Path, range: Range<u64>) -> Result<(ObjectMeta, Bytes)> {
        // No storage has a range of an empty object.
        let range = Some(GetRange::Bounded(range))
            .filter(|range| !matches!(range, GetRange::Bounded(it) if it.is_empty()));
        let found = self.inner.get_opts(path, GetOptions { range, ..GetOptions::default() }).await?;
        Ok((found.meta.clone(), found.bytes().await?))
    }

    /// Ranges of a file, verified.
    async fn read(&self, path: &Path, file: &Opened, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if ranges.iter().any(|range| range.end > file.meta.size) {
            return Err(self.is_shorter(path, file.meta.size));
        }
        let mut around: Vec<Range<u64>> = ranges
            .iter()
            .filter(|range| file.in_end(range).is_none())
            .map(|range| file.around(range))
            .collect();
        around.sort_unstable_by_key(|range| (range.start, range.end));
        around.dedup_by(|next, before| {
            let touches = next.start <= before.end;
            if touches {
                before.end = before.end.max(next.end);
            }
            touches
        });
        let fetched = self.inner.get_ranges(path, &around).await?;
        for (range, bytes) in around.iter().zip(&fetched) {
            if bytes.len() as u64 != range.end - range.start {
                return Err(self.is_shorter(path, range.start + bytes.len() as u64));
            }
            file.verify(path.as_ref(), range.start, bytes)?;
        }
        let bytes_of = |range: &Range<u64>| {
            file.in_end(range).or_else(|| {
                let (holder, bytes) = around
                    .iter()
                    .zip(&fetched)
                    .find(|(held, _)| held.start <= range.start && range.end <= held.end)?;
                let offset = |at: u64| usize::try_from(at - holder.start).ok();
                Some(bytes.slice(offset(range.start)?..offset(range.end)?))
            })
        };
        ranges
            .iter()
            .map(|range| bytes_of(range).ok_or_else(|| self.is_shorter(path, file.meta.size)))
            .collect()
    }

    fn is_shorter(&self, path: &Path, size: u64) -> object_store::Error {
        Self::damage(path, &format!("it has {size} bytes, and its table's log says more"))
    }

    /// The whole content of an object, verified.
    fn verified(&self, path: &Path, meta: &ObjectMeta, bytes: &Bytes) -> Result<()> {
        if is_log_entry(path) {
            let problem = "its lines are not those that were written (checksum)";
            return if log_entry::is_whole(bytes) { Ok(()) } else { Err(Self::damage(path, problem)) };
        }
        let is_whole = match Blocks::find(path.filename().unwrap_or_default(), meta.size, bytes) {
            Found::None => true,
            Found::Blocks(blocks) => Opened::new(meta.clone(), blocks, bytes.clone()).is_some(),
            Found::Earlier(_) | Found::Damaged => false,
        };
        if is_whole {
            return Ok(());
        }
        Err(Self::damage(path, "its content is not what was written (checksum, or another file's content)"))
    }

    async fn put_entry(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let bytes = Bytes::from(payload);
        let Ok(entry) = std::str::from_utf8(&bytes) else {
            return self.inner.put_opts(location, bytes.into(), opts).await;
        };
        let sealed = log_entry::sealed(entry, &self.sizes());
        let stored = self.inner.put_opts(location, Bytes::from(sealed).into(), opts).await?;
        let mut sizes = self.sizes();
        log_entry::added(entry).iter().for_each(|name| {
            sizes.remove(name);
        });
        Ok(stored)
    }
}

impl fmt::Display for CheckedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for CheckedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if is_log_entry(location) {
            return self.put_entry(location, payload, opts).await;
        }
        if !is_parquet(location) {
            return self.inner.put_opts(location, payload, opts).await;
        }
        self.kept().files.remove(location);
        let (bytes, name) = (Bytes::from(payload), location.filename().unwrap_or_default());
        let Some(sealed) = blocks::sealed(name, &bytes) else {
            return self.inner.put_opts(location, bytes.into(), opts).await;
        };
        let size = sealed.len() as u64;
        let stored = self.inner.put_opts(location, Bytes::from(sealed).into(), opts).await?;
        self.sizes().insert(name.to_owned(), size);
        Ok(stored)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        if !is_parquet(location) {
            return Ok(upload);
        }
        let name = location.filename().unwrap_or_default();
        Ok(Box::new(CheckedUpload::new(upload, name, Arc::clone(&self.sizes))))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_ours = is_parquet(location) || is_log_entry(location);
        if !is_ours || options.head || options.version.is_some() {
            return self.inner.get_opts(location, options).await;
        }
        let Some(range) = &options.range else {
            let found = self.inner.get_opts(location, options).await?;
            let (meta, attributes) = (found.meta.clone(), found.attributes.clone());
            let bytes = found.bytes().await?;
            self.verified(location, &meta, &bytes)?;
            return Ok(result(meta, 0, bytes, attributes));
        };
        let opened = if is_parquet(location) { self.open(location).await? } else { None };
        let Some(file) = opened else { return self.inner.get_opts(location, options).await };
        let range = match range {
            // A range that goes beyond the end is a reader's that was told of a longer file.
            GetRange::Bounded(range) => range.clone(),
            range => range.as_range(file.meta.size).map_err(|error| object_store::Error::Generic {
                store: "checksums",
                source: Box::new(error),
            })?,
        };
        let bytes = self.read(location, &file, std::slice::from_ref(&range)).await?;
        let bytes = bytes.into_iter().next().unwrap_or_default();
        Ok(result(file.meta.clone(), range.start, bytes, object_store::Attributes::default()))
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let opened = if is_parquet(location) { self.open(location).await? } else { None };
        match opened {
            Some(file) => self.read(location, &file, ranges).await,
            None => self.inner.get_ranges(location, ranges).await,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        // A log is read in its order, which not every storage lists objects in.
        let listed = self.inner.list_with_offset(prefix, offset).try_collect::<Vec<_>>();
        let in_order = listed.map_ok(|mut found| {
            found.sort_by(|a, b| a.location.cmp(&b.location));
            stream::iter(found.into_iter().map(Ok))
        });
        in_order.try_flatten_stream().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

fn result(meta: ObjectMeta, start: u64, bytes: Bytes, attributes: object_store::Attributes) -> GetResult {
    let range = start..start + bytes.len() as u64;
    let payload = GetResultPayload::Stream(stream::once(std::future::ready(Ok(bytes))).boxed());
    GetResult { payload, meta, range, attributes }
}

fn is_parquet(path: &Path) -> bool {
    path.extension() == Some("parquet")
}

/// Entries of a table's log have a number for a name.
fn is_log_entry(path: &Path) -> bool {
    let stem = path.filename().and_then(|name| name.strip_suffix(".json"));
    let is_number = |stem: &str| stem.len() == 20 && stem.bytes().all(|digit| digit.is_ascii_digit());
    stem.is_some_and(is_number)
        && path.parts().rev().nth(1).is_some_and(|folder| folder.as_ref() == "_delta_log")
}
