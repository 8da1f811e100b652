//! From a location as people write it to an object store.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use percent_encoding::percent_decode_str;
use url::Url;

use super::local_disk::LocalDisk;
use crate::StoreError;

/// The object stores of a process: one for each bucket, made with the same options.
///
/// Credentials come in here, from the binary, and go no further: everything else receives an object store.
pub struct Storage {
    options: BTreeMap<String, String>,
    stores: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl fmt::Debug for Storage {
    /// Options may hold credentials, so they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").finish_non_exhaustive()
    }
}

/// A place in an object store.
#[derive(Clone)]
pub struct Location {
    /// The place as a URL.
    pub url: Url,
    /// The object store, rooted at the bucket (or at `/` on local disk).
    pub store: Arc<dyn ObjectStore>,
    /// The place within the store.
    pub path: Path,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({})", self.url)
    }
}

impl Storage {
    /// Object stores with these options (such as `aws_region`, `aws_endpoint`, `aws_access_key_id`), keys in
    /// lower case.
    #[must_use]
    pub fn new(options: BTreeMap<String, String>) -> Self {
        Self { options, stores: Mutex::default() }
    }

    /// Uses `store` for every location in the bucket of `url`: for stores that are made elsewhere, such as in
    /// tests.
    pub fn register(&self, url: &Url, store: Arc<dyn ObjectStore>) {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket(url), store);
    }

    /// The place that `location` names: a URL, or a local path relative to `base`.
    ///
    /// # Errors
    /// [`StoreError::Location`] when the scheme is unknown or the options do not suffice.
    pub fn resolve(&self, location: &str, base: &FilePath) -> Result<Location, StoreError> {
        let wrong = |reason: String| StoreError::Location { location: location.to_owned(), reason };
        let on_disk = path_of_file_url(location);
        if on_disk.is_some() || !location.contains("://") {
            let path = base.join(on_disk.as_deref().unwrap_or(location));
            let absolute = std::path::absolute(path).map_err(|e| wrong(e.to_string()))?;
            return local(&absolute).ok_or_else(|| wrong("the path is not valid".to_owned()));
        }
        let url = Url::parse(location).map_err(|e| wrong(e.to_string()))?;
        if url.scheme() == "file" {
            return Err(wrong("write a file of this machine as `file:///folder/file`".to_owned()));
        }
        // Names of objects may hold any character: the path is taken as written.
        let path = location.splitn(4, '/').nth(3).unwrap_or_default();
        let path = Path::parse(path.trim_matches('/')).map_err(|e| wrong(e.to_string()))?;
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match stores.get(&bucket(&url)) {
            Some(store) => Arc::clone(store),
            None => {
                if url.scheme() == "memory" {
                    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
                    stores.insert(bucket(&url), Arc::clone(&store));
                    return Ok(Location { url, store, path });
                }
                let options = self.options.iter().filter(|(key, _)| fits(key, url.scheme()));
                let (store, _) =
                    object_store::parse_url_opts(&url, options.map(|(k, v)| (k.as_str(), v.clone())))
                        .map_err(|e| wrong(e.to_string()))?;
                let store: Arc<dyn ObjectStore> = Arc::from(store);
                stores.insert(bucket(&url), Arc::clone(&store));
                store
            }
        };
        Ok(Location { url, store, path })
    }
}

/// The path in a `file:` URL: what is written as `%20` is a blank, and `?` and `#` are characters of names as any other.
pub(super) fn path_of_file_url(location: &str) -> Option<Cow<'_, str>> {
    let rest = location.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    percent_decode_str(path).decode_utf8().ok().filter(|path| path.starts_with('/'))
}

fn local(absolute: &FilePath) -> Option<Location> {
    let text = normalise(absolute)?;
    let url = Url::from_file_path(&text).ok()?;
    let path = Path::parse(text.trim_matches('/')).ok()?;
    Some(Location { url, store: Arc::new(LocalDisk::default()), path })
}

/// The path without `.` and `..`, as text with `/`.
fn normalise(absolute: &FilePath) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in absolute.components() {
        match component {
            std::path::Component::Normal(part) => parts.push(part.to_str()?),
            std::path::Component::ParentDir => {
                parts.pop();
            }
            _ => {}
        }
    }
    Some(format!("/{}", parts.join("/")))
}

fn bucket(url: &Url) -> String {
    format!("{}://{}:{}", url.scheme(), url.host_str().unwrap_or_default(), url.port().unwrap_or_default())
}

/// Options of one cloud are not shown to another, whose builder would refuse them.
fn fits(key: &str, scheme: &str) -> bool {
    let owners = [
        ("aws_", &["s3", "s3a"][..]),
        ("google_", &["gs"]),
        ("azure_", &["az", "abfs", "abfss", "adl", "azure"]),
    ];
    owners
        .iter()
        .find(|(prefix, _)| key.starts_with(prefix))
        .is_none_or(|(_, schemes)| schemes.contains(&scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_are_relative_to_the_base() {
        let storage = Storage::new(BTreeMap::new());
        for (location, expected) in [
            ("data/a[1] 50%.csv", "srv/project/data/a[1] 50%.csv"),
            ("./lake", "srv/project/lake"),
            ("../raw/x", "srv/raw/x"),
            ("/abs/y", "abs/y"),
            ("file:///abs/y", "abs/y"),
            ("file://localhost/abs/y", "abs/y"),
            ("file:///abs/%20y%5B?#%2525/z%", "abs/ y[?#%25/z%"),
        ] {
            let found = storage.resolve(location, FilePath::new("/srv/project")).unwrap();
            assert_eq!(found.path.as_ref(), expected, "{location}");
        }
    }

    #[test]
    fn one_bucket_is_one_store_and_an_unknown_scheme_is_refused() {
        let storage = Storage::new(BTreeMap::new());
        let base = FilePath::new("/");
        let first = storage.resolve("memory://a/x", base).unwrap();
        let second = storage.resolve("memory://a/y/%20[*].csv", base).unwrap();
        assert!(Arc::ptr_eq(&first.store, &second.store));
        assert_eq!(second.path.as_ref(), "y/%20[*].csv");
        for location in ["ftp://a/x", "file://elsewhere/x"] {
            assert!(storage.resolve(location, base).is_err(), "{location}");
        }
    }
}
