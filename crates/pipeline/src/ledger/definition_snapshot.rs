//! Snapshots of definitions, which runs are pinned to, addressed by their content:
//! `_sys/definitions/<blake3>.json` holds `{path: text}`.
//!
//! Unlike the log, these objects may be written over: the same name always holds the same bytes.

use std::collections::BTreeMap;

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tranche_project::{Project, SourceFile};

use crate::error::RunError;
use crate::ledger::Ledger;
use crate::ledger::failed;

pub(crate) const DEFINITIONS: &str = tranche_store::layout::system::DEFINITIONS.path;

impl Ledger {
    /// Saves every definition file of a project, and returns the hash of the snapshot.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn pin(&self, project: &Project) -> Result<String, RunError> {
        let files: BTreeMap<&str, &str> =
            project.files().map(|file: &SourceFile| (file.path(), file.text())).collect();
        let bytes = serde_json::to_vec(&files).map_err(|error| RunError::damaged(DEFINITIONS, error))?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let path = path_of(&hash);
        self.objects.put(&path, PutPayload::from(bytes)).await.map_err(|error| failed(&path, error))?;
        Ok(hash)
    }

    /// The project whose snapshot has this hash.
    ///
    /// # Errors
    /// [`RunError::MissingDefinitions`] when there is none, [`RunError::Damaged`] when it does not have this
    /// hash.
    pub async fn definitions(&self, hash: &str) -> Result<Project, RunError> {
        let path = path_of(hash);
        let bytes = match self.objects.get(&path).await {
            Ok(found) => found.bytes().await.map_err(|error| failed(&path, error))?,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(RunError::MissingDefinitions { hash: hash.to_owned() });
            }
            Err(error) => return Err(failed(&path, error)),
        };
        if blake3::hash(&bytes).to_hex().as_str() != hash {
            return Err(RunError::damaged(&path, "its content does not have the hash of its name"));
        }
        let files: BTreeMap<String, String> =
            serde_json::from_slice(&bytes).map_err(|error| RunError::damaged(&path, error))?;
        Ok(Project::from_files(files))
    }
}

fn path_of(hash: &str) -> Path {
    Path::from(DEFINITIONS).join(format!("{hash}.json"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn the_same_definitions_have_one_hash_and_come_back_as_they_were() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let project =
            Project::from_files([("tranche.yaml", "version: 1\n"), ("schemas/a.yaml", "tä: \"1\"\n")]);
        let hash = ledger.pin(&project).await.unwrap();
        assert_eq!(ledger.pin(&project.clone()).await.unwrap(), hash);
        assert_eq!(ledger.definitions(&hash).await.unwrap(), project);
        let other = Project::from_files([("tranche.yaml", "version: 1\n")]);
        assert_ne!(ledger.pin(&other).await.unwrap(), hash);

        assert!(matches!(ledger.definitions("abc").await, Err(RunError::MissingDefinitions { .. })));
        ledger.objects.put(&path_of(&hash), PutPayload::from("{}")).await.unwrap();
        assert!(matches!(ledger.definitions(&hash).await, Err(RunError::Damaged { .. })));
    }
}
