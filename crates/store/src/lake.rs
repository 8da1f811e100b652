//! One location with tables and objects in it.

use std::path::Path as FilePath;
use std::sync::Arc;

use deltalake_core::DeltaTable;
use deltalake_core::logstore::{StorageConfig, default_logstore};
use futures::FutureExt;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use tranche_schema::layout::Layout;
use url::Url;

use crate::checksums::CheckedStore;
use crate::{Snapshot, Storage, StoreError};

/// A lake: Delta tables and plain objects under one URL.
#[derive(Clone)]
pub struct Lake {
    /// The lake's own folder, whose checksums are verified.
    objects: Arc<dyn ObjectStore>,
    url: Url,
    /// Where Delta Lake finds it: by a name of its own, for in what paths and URLs may be made of it lies much that is read twice, or
    /// not at all.
    name: Url,
    layout: Arc<Layout>,
}

impl std::fmt::Debug for Lake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lake({})", self.url)
    }
}

impl Lake {
    /// The lake at `location`: a URL, or a folder relative to `base`, which is made when it is not there.
    ///
    /// # Errors
    /// [`StoreError::Location`] when the location cannot be used.
    pub fn open(storage: &Storage, location: &str, base: &FilePath) -> Result<Self, StoreError> {
        let wrong = |reason| StoreError::Location { location: location.to_owned(), reason };
        let place = storage.resolve(location, base)?;
        if let Ok(folder) = place.url.to_file_path() {
            std::fs::create_dir_all(folder).map_err(|error| wrong(error.to_string()))?;
        }
        let mut url = place.url;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let name = format!("lake://{}/", &blake3::hash(url.as_str().as_bytes()).to_hex()[..16]);
        let name = Url::parse(&name).map_err(|error| wrong(error.to_string()))?;
        let objects = Arc::new(CheckedStore::new(PrefixStore::new(place.store, place.path)));
        Ok(Self { objects, url, name, layout: Arc::default() })
    }

    /// The same lake with tables of its own: those of `layout` are listed and maintained.
    #[must_use]
    pub fn with_layout(self, layout: Layout) -> Self {
        Self { layout: Arc::new(layout), ..self }
    }

    /// Which tables the lake has, and how each is maintained.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where the lake is.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The lake's plain objects, by their path within the lake.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects)
    }

    /// The folder of a table as an object store, for the files of its next version.
    ///
    /// # Errors
    /// [`StoreError::Location`] for a name that is no folder.
    pub fn folder(&self, table: &str) -> Result<Arc<dyn ObjectStore>, StoreError> {
        Ok(self.delta_table(table)?.log_store().object_store(None))
    }

    /// The latest version of the table in the folder `table`, or `None` when nothing was ever committed
    /// there.
    ///
    /// # Errors
    /// [`StoreError::Table`] when its log cannot be read.
    pub async fn snapshot(&self, table: &str) -> Result<Option<Snapshot>, StoreError> {
        let mut delta = self.delta_table(table)?;
        let failed = |error| StoreError::table(table, error);
        if !delta.verify_deltatable_existence().boxed().await.map_err(failed)? {
            return Ok(None);
        }
        delta.load().boxed().await.map_err(failed)?;
        Ok(Some(Snapshot::new(table, delta)))
    }

    /// The table as it was at a version.
    ///
    /// # Errors
    /// [`StoreError::Version`] when it has no such version.
    pub async fn snapshot_at(&self, table: &str, version: u64) -> Result<Snapshot, StoreError> {
        let mut delta = self.delta_table(table)?;
        let missing = |_| StoreError::Version { table: table.to_owned(), version };
        delta.load_version(version).boxed().await.map_err(missing)?;
        Ok(Snapshot::new(table, delta))
    }

    pub(crate) fn delta_table(&self, table: &str) -> Result<DeltaTable, StoreError> {
        let wrong =
            |e: url::ParseError| StoreError::Location { location: table.to_owned(), reason: e.to_string() };
        let url = self.name.join(&format!("{table}/")).map_err(wrong)?;
        let path = table.split('/').fold(Path::default(), Path::join);
        let prefixed = Arc::new(PrefixStore::new(self.objects(), path));
        Ok(DeltaTable::new(default_logstore(prefixed, self.objects(), &url, &StorageConfig::default())))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[tokio::test]
    async fn a_table_that_was_never_committed_is_absent() {
        let storage = Storage::new(BTreeMap::new());
        let lake = Lake::open(&storage, "memory://lake/some/where", FilePath::new("/")).unwrap();
        assert!(lake.snapshot("tables/orders").await.unwrap().is_none());
        assert!(matches!(
            lake.snapshot_at("tables/orders", 3).await,
            Err(StoreError::Version { version: 3, .. })
        ));
    }
}
