//! What a source has to read: objects that match a pattern, or what a reader of another system finds.

use std::path::Path;
use std::sync::Arc;

use object_store::{ObjectMeta, ObjectStore};
use tranche_store::objects::{Location, Matching};
use tranche_store::{Storage, StoreError};

/// Where a source points to.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The path of the source, as written.
    pub path: &'a str,
    /// Where local paths and URLs lead to.
    pub storage: &'a Storage,
    /// The folder that local paths are relative to.
    pub project_folder: &'a Path,
}

/// Something that is read as a whole, and only once: a table remembers which inputs it has.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name as people see it: a path within the project, or a URL.
    pub name: String,
    /// Identifies this content among others of the same name.
    pub edition: String,
    /// Its size, 0 where that is not known before it is read.
    pub bytes: u64,
    /// The object that it is, if it is one.
    pub object: Option<Object>,
}

impl Input {
    /// Whether it is a file within a folder, wherever links lead.
    #[must_use]
    pub fn is_within(&self, folder: &Path) -> bool {
        let file = Path::new(&self.name);
        // What is not within the project has an absolute name, or is a URL.
        let resolved = |path: &Path| path.canonicalize().ok();
        match (file.is_relative(), resolved(&folder.join(file)), resolved(folder)) {
            (true, Some(file), Some(folder)) => file.starts_with(folder),
            _ => false,
        }
    }
}

/// An object in its store.
#[derive(Debug, Clone)]
pub struct Object {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The object's path and size there.
    pub meta: ObjectMeta,
}

impl Origin<'_> {
    /// The objects that the path matches, in the order of their paths.
    ///
    /// # Errors
    /// [`StoreError`] when the path is no location or pattern, or listing fails.
    pub async fn objects(&self) -> Result<Vec<Input>, StoreError> {
        let matching = Matching::new(self.storage, self.path, self.project_folder)?;
        let objects = matching.objects().await?;
        let place = &matching.place;
        let inputs = objects.into_iter().map(|object| Input {
            name: self.name(place, &object.meta),
            edition: object.edition,
            bytes: object.meta.size,
            object: Some(Object { store: Arc::clone(&place.store), meta: object.meta }),
        });
        Ok(inputs.collect())
    }

    /// A local file is named as in the project, any other by its URL.
    fn name(&self, place: &Location, object: &ObjectMeta) -> String {
        let path = object.location.as_ref();
        if place.url.scheme() == "file" {
            let absolute = Path::new("/").join(path);
            let base =
                std::path::absolute(self.project_folder).unwrap_or_else(|_| self.project_folder.to_owned());
            return absolute.strip_prefix(&base).unwrap_or(&absolute).display().to_string();
        }
        let host = place.url.host_str().unwrap_or_default();
        format!("{}://{host}/{path}", place.url.scheme())
    }
}
