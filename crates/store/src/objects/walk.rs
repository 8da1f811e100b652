//! The files in a folder of a local disk and in those below it. Symbolic links are followed, and one that leads nowhere, or back to a folder
//! on the way to it, adds none: what it would lead to is found without it.

use std::collections::VecDeque;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, Result};

/// Folders that are read before what was found in them is handed on.
const FOLDERS_AT_A_TIME: usize = 64;

/// A folder that is yet to be read.
struct Folder {
    path: Path,
    place: PathBuf,
    /// The folders, without links, from which links led on the way to it.
    passed: Arc<[PathBuf]>,
}

/// The files in `folder`, which lies at `path` on the disk, in no order.
pub(super) fn files(path: Path, folder: PathBuf) -> BoxStream<'static, Result<ObjectMeta>> {
    let rest = VecDeque::from([Folder { path, place: folder, passed: Arc::from([]) }]);
    let found = stream::try_unfold(rest, |mut rest| async move {
        if rest.is_empty() {
            return Ok::<_, Error>(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut files = Vec::new();
            for _ in 0..FOLDERS_AT_A_TIME {
                let Some(folder) = rest.pop_front() else { break };
                read_folder(&folder, &mut files, &mut rest)?;
            }
            Ok::<_, Error>((files, rest))
        });
        let (files, rest) = read.await??;
        Ok(Some((stream::iter(files.into_iter().map(Ok)), rest)))
    });
    found.try_flatten().boxed()
}

/// Adds the files of a folder, and the folders in it.
fn read_folder(of: &Folder, files: &mut Vec<ObjectMeta>, folders: &mut VecDeque<Folder>) -> Result<()> {
    let Folder { path, place: folder, passed } = of;
    let failed = |at: &FilePath, error: io::Error| Error::Generic {
        store: "disk",
        source: format!("cannot read `{}`: {error}", at.display()).into(),
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(failed(folder, error)),
    };
    for entry in entries {
        let place = entry.map_err(|error| failed(folder, error))?.path();
        let metadata = match fs::metadata(&place) {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) || place.is_symlink() => continue,
            Err(error) => return Err(failed(&place, error)),
        };
        if metadata.is_dir() {
            if let Some(passed) = entered(&place, passed) {
                folders.push_back(Folder { path: child(path, &place)?, place, passed });
            }
        } else if metadata.is_file() && !is_being_written(&place) {
            files.push(described(child(path, &place)?, &metadata));
        }
    }
    Ok(())
}

/// What is not there, or no folder, has no files.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The folders from which links led on the way into a folder; none for a link that leads back to where one of them lies, or it itself.
fn entered(place: &FilePath, passed: &Arc<[PathBuf]>) -> Option<Arc<[PathBuf]>> {
    if !place.is_symlink() {
        return Some(Arc::clone(passed));
    }
    let (parent, target) = (fs::canonicalize(place.parent()?).ok()?, fs::canonicalize(place).ok()?);
    let passed: Arc<[PathBuf]> = passed.iter().cloned().chain([parent]).collect();
    (!passed.iter().any(|folder| folder.starts_with(&target))).then_some(passed)
}

/// Whether it has the name of a file that is not complete: `#` and a number at the end.
fn is_being_written(place: &FilePath) -> bool {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    name.split_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The path of an entry of a folder.
fn child(folder: &Path, place: &FilePath) -> Result<Path> {
    let name = place.file_name().unwrap_or_default();
    let text = name.to_str().filter(|name| !name.chars().any(|c| c.is_ascii_control()));
    let text = text.ok_or_else(|| Error::Generic {
        store: "disk",
        source: format!(
            "`{}` has a name that is not UTF-8, or has control characters; rename it",
            place.display()
        )
        .into(),
    })?;
    Ok(Path::parse(format!("{folder}/{text}"))?)
}

/// What is told of a file; with the tag that is told when it is read.
fn described(location: Path, metadata: &Metadata) -> ObjectMeta {
    let changed = metadata.modified().unwrap_or(UNIX_EPOCH);
    let micros = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let (inode, size) = (inode(metadata), metadata.len());
    let e_tag = Some(format!("{inode:x}-{micros:x}-{size:x}"));
    ObjectMeta { location, last_modified: changed.into(), size, e_tag, version: None }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use object_store::ObjectStoreExt;
    use object_store::local::LocalFileSystem;

    use super::*;

    async fn found(folder: &FilePath) -> Result<Vec<ObjectMeta>> {
        let path = Path::from_absolute_path(folder).unwrap();
        let mut found: Vec<ObjectMeta> = files(path, folder.to_owned()).try_collect().await?;
        found.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(found)
    }

    #[tokio::test]
    async fn files_are_found_once_and_links_in_circles_add_none() {
        let place = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(place.path()).unwrap();
        fs::create_dir_all(folder.join("a/b [1] %20")).unwrap();
        for file in ["1.csv", "a/2.csv", "a/b [1] %20/ü#.csv", "a/being written#7"] {
            fs::write(folder.join(file), file).unwrap();
        }
        fs::create_dir(folder.join("elsewhere")).unwrap();
        for (target, link) in [
            (".", "self"),
            ("..", "a/up"),
            ("a/b [1] %20", "sound"),
            ("x", "x"),
            ("gone", "nowhere"),
            ("y", "z"),
            ("z", "y"),
        ] {
            symlink(target, folder.join(link)).unwrap();
        }
        symlink(folder.join("1.csv"), folder.join("elsewhere/linked.csv")).unwrap();
        let files = found(&folder).await.unwrap();
        let root = Path::from_absolute_path(&folder).unwrap();
        let names: Vec<&str> =
            files.iter().map(|file| &file.location.as_ref()[root.as_ref().len() + 1..]).collect();
        assert_eq!(names, ["1.csv", "a/2.csv", "a/b [1] %20/ü#.csv", "elsewhere/linked.csv", "sound/ü#.csv"]);
        for file in files {
            assert_eq!(LocalFileSystem::new().head(&file.location).await.unwrap(), file);
        }
        assert!(found(&folder.join("nowhere")).await.unwrap().is_empty());
        assert!(found(&folder.join("1.csv")).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_name_that_no_path_can_have_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a\nb.csv"), "").unwrap();
        let error = found(folder.path()).await.unwrap_err().to_string();
        assert!(error.contains("rename it"), "{error}");
    }
}
