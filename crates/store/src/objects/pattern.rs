//! Raw files by pattern, from any object store.

use futures::TryStreamExt;
use globset::GlobBuilder;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use super::storage::Location;
use crate::StoreError;

/// An object that matches a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawObject {
    /// Its path and size.
    pub meta: ObjectMeta,
    /// Identifies this content of the object: its size, and its ETag or time of change.
    pub edition: String,
}

impl RawObject {
    fn new(meta: ObjectMeta) -> Self {
        let tag = meta.e_tag.clone().unwrap_or_else(|| meta.last_modified.to_rfc3339());
        Self { edition: format!("{}\n{tag}", meta.size), meta }
    }
}

/// The objects that `location` names, in the order of their paths. `*` stays within a folder, `**` crosses
/// folders; a path without such characters names one object, which need not be listable (plain HTTP).
///
/// # Errors
/// [`StoreError::Pattern`] for a pattern that cannot be read, [`StoreError::Object`] when listing fails.
pub async fn list_matching(location: &Location) -> Result<Vec<RawObject>, StoreError> {
    let pattern = location.path.as_ref();
    if !is_pattern(pattern) {
        return match location.store.head(&location.path).await {
            Ok(meta) => Ok(vec![RawObject::new(meta)]),
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(source) => Err(StoreError::object(&location.path, source)),
        };
    }
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|e| StoreError::Pattern { pattern: pattern.to_owned(), reason: e.kind().to_string() })?
        .compile_matcher();
    let prefix: Vec<&str> = pattern.split('/').take_while(|part| !is_pattern(part)).collect();
    let prefix = Path::from(prefix.join("/"));
    let listed = location.store.list(Some(&prefix)).try_collect::<Vec<_>>().await;
    let mut found: Vec<RawObject> = match listed {
        Ok(objects) => {
            objects.into_iter().filter(|m| glob.is_match(m.location.as_ref())).map(RawObject::new).collect()
        }
        Err(object_store::Error::NotFound { .. }) => Vec::new(),
        Err(source) => return Err(StoreError::object(prefix, source)),
    };
    found.sort_by(|a, b| a.meta.location.cmp(&b.meta.location));
    Ok(found)
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Storage;

    #[tokio::test]
    async fn a_star_stays_within_a_folder() {
        let storage = Storage::new(BTreeMap::new());
        let base = std::path::Path::new("/");
        let root = storage.resolve("memory://raw/", base).unwrap();
        for path in ["orders/1.csv", "orders/2.csv", "orders/old/3.csv", "orders/x.txt", "other/4.csv"] {
            root.store.put(&Path::from(path), "x".into()).await.unwrap();
        }
        for (pattern, expected) in [
            ("orders/*.csv", &["orders/1.csv", "orders/2.csv"][..]),
            ("orders/**/*.csv", &["orders/1.csv", "orders/2.csv", "orders/old/3.csv"]),
            ("orders/x.txt", &["orders/x.txt"]),
            ("orders/{1,2}.csv", &["orders/1.csv", "orders/2.csv"]),
            ("nowhere/*.csv", &[]),
            ("nowhere.csv", &[]),
        ] {
            let location = storage.resolve(&format!("memory://raw/{pattern}"), base).unwrap();
            let found = list_matching(&location).await.unwrap();
            let paths: Vec<&str> = found.iter().map(|o| o.meta.location.as_ref()).collect();
            assert_eq!(paths, expected, "{pattern}");
        }
    }
}
