//! Creating an object once, however unclear the storage's answer is.
//!
//! A failed answer to a conditional write may hide a success, and a conflict may hide that nothing was
//! written. So after anything but a clear success the object is read back and its nonce compared: ours means
//! won, another's lost, absent means try again.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::StoreError;

/// The outcome of an attempt to create an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// The object is ours.
    Won,
    /// Another writer created it before; this is what it wrote.
    Lost(Bytes),
}

/// The object as stored: the nonce identifies its writer.
#[derive(Serialize, Deserialize)]
struct Envelope {
    nonce: String,
    body: Value,
}

const ATTEMPTS: usize = 5;

/// Creates the object `path` with the JSON document `body`, or finds that it exists.
///
/// # Errors
/// [`StoreError::Object`] when the storage gave no clear answer in several attempts, or `body` is not JSON.
pub async fn create_once(store: &dyn ObjectStore, path: &Path, body: &str) -> Result<Creation, StoreError> {
    let fail = |source: serde_json::Error| {
        StoreError::object(
            path,
            object_store::Error::Generic { store: "create_once", source: Box::new(source) },
        )
    };
    let nonce = uuid::Uuid::now_v7().to_string();
    let envelope = Envelope { nonce: nonce.clone(), body: serde_json::from_str(body).map_err(fail)? };
    let bytes = Bytes::from(serde_json::to_vec(&envelope).map_err(fail)?);
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match store.put_opts(path, bytes.clone().into(), options).await {
            Ok(_) => return Ok(Creation::Won),
            Err(error) => last = Some(error),
        }
        match read(store, path).await {
            Ok(Some(found)) if found.nonce == nonce => return Ok(Creation::Won),
            Ok(Some(found)) => return Ok(Creation::Lost(Bytes::from(found.body.to_string()))),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
    }
    Err(StoreError::object(
        path,
        last.unwrap_or(object_store::Error::NotImplemented {
            operation: "create_once".into(),
            implementer: "unknown".into(),
        }),
    ))
}

/// Reads the document of an object that was created once; `None` when there is none.
///
/// # Errors
/// [`StoreError::Object`] when the storage fails, [`StoreError::Damaged`] when the object is not one of ours.
pub async fn read_once(store: &dyn ObjectStore, path: &Path) -> Result<Option<Bytes>, StoreError> {
    let damaged = |reason: serde_json::Error| StoreError::Damaged {
        path: path.to_string(),
        reason: reason.to_string(),
    };
    let Some(bytes) = bytes(store, path).await.map_err(|source| StoreError::object(path, source))? else {
        return Ok(None);
    };
    let envelope: Envelope = serde_json::from_slice(&bytes).map_err(damaged)?;
    Ok(Some(Bytes::from(envelope.body.to_string())))
}

async fn read(store: &dyn ObjectStore, path: &Path) -> object_store::Result<Option<Envelope>> {
    let Some(bytes) = bytes(store, path).await? else { return Ok(None) };
    let parsed = serde_json::from_slice(&bytes);
    parsed
        .map(Some)
        .map_err(|source| object_store::Error::Generic { store: "create_once", source: Box::new(source) })
}

async fn bytes(store: &dyn ObjectStore, path: &Path) -> object_store::Result<Option<Bytes>> {
    match store.get(path).await {
        Ok(found) => found.bytes().await.map(Some),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn of_many_writers_one_wins_and_the_others_read_what_it_wrote() {
        let store = InMemory::new();
        let path = Path::from("slot");
        let (mut won, mut lost) = (0, 0);
        for writer in 0..8 {
            match create_once(&store, &path, &format!("{{\"writer\":{writer}}}")).await.unwrap() {
                Creation::Won => won += 1,
                Creation::Lost(body) => {
                    assert_eq!(body, Bytes::from("{\"writer\":0}"));
                    lost += 1;
                }
            }
        }
        assert_eq!((won, lost), (1, 7));
        assert_eq!(read_once(&store, &path).await.unwrap(), Some(Bytes::from("{\"writer\":0}")));
        assert_eq!(read_once(&store, &Path::from("other")).await.unwrap(), None);
        store.put(&path, "{\"nonce\":".into()).await.unwrap();
        assert!(matches!(read_once(&store, &path).await, Err(StoreError::Damaged { .. })));
    }
}
