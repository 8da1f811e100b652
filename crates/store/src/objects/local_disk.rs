//! A local disk as an object store: what was written is on the disk before it has its name, also when power fails.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt, future};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart,
};
use url::Url;

use super::walk;

/// The disk of this machine, from `/` on.
#[derive(Debug, Default)]
pub(crate) struct LocalDisk {
    files: LocalFileSystem,
}

impl fmt::Display for LocalDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for LocalDisk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if matches!(opts.mode, PutMode::Update(_)) || !opts.attributes.is_empty() {
            return self.files.put_opts(location, payload, opts).await;
        }
        let target = self.files.path_to_filesystem(location)?;
        let creates = opts.mode == PutMode::Create;
        blocking(move || put(&target, &payload, creates).map_err(|source| failed(&target, source))).await?;
        // The tag that a reader is told, so that who compares them finds them equal.
        let e_tag = self.files.head(location).await.ok().and_then(|meta| meta.e_tag);
        Ok(PutResult { e_tag, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let target = self.files.path_to_filesystem(location)?;
        let parts = self.files.put_multipart_opts(location, opts).await?;
        Ok(Box::new(Upload { parts, target }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            // What is no file, such as a pipe, would be waited for.
            let target = self.files.path_to_filesystem(location)?;
            if std::fs::metadata(&target).is_ok_and(|found| !found.is_file()) {
                return Err(failed(&target, io::Error::new(ErrorKind::NotFound, "it is no file")));
            }
        }
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let path = prefix.cloned().unwrap_or_default();
        match on_disk(&path) {
            Ok(folder) => walk::files(path, folder),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let offset = offset.clone();
        self.list(prefix).try_filter(move |found| future::ready(found.location > offset)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.rename_opts(from, to, options).await
    }
}

/// A file that is written part by part. It gets its name when it is complete, and only who is told so names it: so it
/// may reach the disk after that, but before this.
#[derive(Debug)]
struct Upload {
    parts: Box<dyn MultipartUpload>,
    target: PathBuf,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let stored = self.parts.complete().await?;
        let target = self.target.clone();
        blocking(move || {
            let synced = File::open(&target).and_then(|file| sync(&file, &target));
            synced.map_err(|source| failed(&target, source))
        })
        .await?;
        Ok(stored)
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.abort().await
    }
}

/// Where a folder is on the disk.
fn on_disk(folder: &Path) -> Result<PathBuf> {
    let wrong = || Error::Generic { store: "disk", source: format!("`/{folder}` is no folder").into() };
    let mut url = Url::parse("file:///").map_err(|_| wrong())?;
    url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(folder.parts());
    url.to_file_path().map_err(|()| wrong())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Writes a file beside its place, and gives it its name when it is on the disk.
fn put(target: &FilePath, payload: &PutPayload, creates: bool) -> io::Result<()> {
    if creates && target.exists() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let (mut file, staged) = stage(target)?;
    let written = payload.iter().try_for_each(|bytes| file.write_all(bytes)).and_then(|()| file.sync_data());
    let named = written.and_then(|()| match creates {
        // Fails where the name is taken.
        true => std::fs::hard_link(&staged, target),
        false => std::fs::rename(&staged, target),
    });
    if creates || named.is_err() {
        let _ = std::fs::remove_file(&staged);
    }
    named?;
    sync_folder(target)
}

/// A new file beside `target`, in a folder that is made when it is not there. Listings leave names with `#` out.
fn stage(target: &FilePath) -> io::Result<(File, PathBuf)> {
    let mut number = 1;
    loop {
        let mut staged = target.as_os_str().to_owned();
        staged.push(format!("#{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&staged) {
            Ok(file) => return Ok((file, staged.into())),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let Some(folder) = target.parent() else { return Err(error) };
                make_folder(folder)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Makes a folder, those that it lies in, and their names on the disk.
fn make_folder(folder: &FilePath) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
    }
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(folder),
    }
}

fn sync(file: &File, target: &FilePath) -> io::Result<()> {
    file.sync_data()?;
    sync_folder(target)
}

/// A name is on the disk when the folder that it stands in is.
fn sync_folder(target: &FilePath) -> io::Result<()> {
    match target.parent() {
        // Not every system opens folders as files.
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

fn failed(target: &FilePath, source: io::Error) -> Error {
    let path = target.display().to_string();
    match source.kind() {
        ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: Box::new(source) },
        ErrorKind::NotFound => Error::NotFound { path, source: Box::new(source) },
        _ => Error::Generic { store: "disk", source: format!("cannot write `{path}`: {source}").into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_is_created_once_and_written_over_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let disk = LocalDisk::default();
        let path = Path::from_absolute_path(folder.path()).unwrap().join("a").join("b.json");
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = disk.put_opts(&path, "one".into(), create.clone()).await.unwrap();
        assert_eq!(put.e_tag, disk.head(&path).await.unwrap().e_tag);
        let again = disk.put_opts(&path, "two".into(), create).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        let content = async || disk.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(content().await, "one");
        disk.put(&path, "three".into()).await.unwrap();
        assert_eq!(content().await, "three");
        let left: Vec<_> = std::fs::read_dir(folder.path().join("a")).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
