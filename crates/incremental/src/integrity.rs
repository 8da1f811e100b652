//! Integrity of saved state: what is damaged, and what belongs to no definition.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use tranche_schema::layout::state::{ROOT, State};
use tranche_store::integrity::Finding;
use tranche_store::{Lake, StoreError};

use crate::codec::{self, MANIFEST};
use crate::state::Unusable;

/// Saved state that cannot be read. State of another format or engine is none of it: the next run replaces
/// that.
///
/// # Errors
/// [`StoreError::Object`] when the state cannot be listed.
pub async fn check_integrity(lake: &Lake) -> Result<Vec<Finding>, StoreError> {
    let objects = lake.objects();
    let mut findings = Vec::new();
    for object in listed(&*objects).await? {
        let Some((state, MANIFEST)) = State::of_object(object.location.as_ref()) else { continue };
        let folder = state.folder();
        let reason = match codec::check(&objects, &folder).await {
            Ok(()) | Err(Unusable::Format | Unusable::Engine { .. } | Unusable::Missing) => continue,
            Err(reason) => reason,
        };
        let problem = format!("the state saved in `{folder}/` cannot be used: {reason}");
        let advice = format!("delete `{folder}/`; the next run reads everything and saves it again");
        findings.push(Finding::new(problem, advice));
    }
    Ok(findings)
}

/// Deletes the state that is not used, and whatever else lies among saved state; returns the number of
/// objects.
///
/// # Errors
/// [`StoreError::Object`] when an object cannot be listed or deleted.
pub async fn expire(lake: &Lake, is_used: impl Fn(&State<'_>) -> bool) -> Result<u64, StoreError> {
    let objects = lake.objects();
    let mut expired = 0;
    for object in listed(&*objects).await? {
        if State::of_object(object.location.as_ref()).is_some_and(|(state, _)| is_used(&state)) {
            continue;
        }
        let path = &object.location;
        objects.delete(path).await.map_err(|source| StoreError::object(path, source))?;
        expired += 1;
    }
    Ok(expired)
}

async fn listed(objects: &dyn ObjectStore) -> Result<Vec<ObjectMeta>, StoreError> {
    let root = Path::from(ROOT);
    objects.list(Some(&root)).try_collect().await.map_err(|source| StoreError::object(&root, source))
}
