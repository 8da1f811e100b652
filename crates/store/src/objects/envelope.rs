//! How our JSON documents are stored: with a checksum of their text, and of objects that are created once, a
//! number that identifies the writer.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::StoreError;

/// A stored document whose checksum holds.
pub(super) struct Envelope {
    pub(super) nonce: Option<String>,
    pub(super) body: Bytes,
}

/// The object as stored. Those of earlier versions have no checksum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blake3: Option<String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Envelope {
    /// The bytes of the object for a JSON document.
    pub(super) fn sealed(nonce: Option<String>, path: &Path, body: &str) -> Result<Bytes, StoreError> {
        let fail = |source: serde_json::Error| {
            StoreError::object(
                path,
                object_store::Error::Generic { store: "document", source: Box::new(source) },
            )
        };
        let body: &RawValue = serde_json::from_str(body).map_err(fail)?;
        let blake3 = Some(checksum(nonce.as_deref(), body));
        serde_json::to_vec(&Stored { nonce, blake3, body }).map(Bytes::from).map_err(fail)
    }

    /// The document of an object, or why it is not one that was written as a whole.
    pub(super) fn open(object: &[u8]) -> Result<Self, String> {
        if object.is_empty() {
            return Err("it is empty: power or the disk failed while it was written".to_owned());
        }
        let Stored { nonce, blake3, body } =
            serde_json::from_slice(object).map_err(|error| error.to_string())?;
        if blake3.is_some_and(|known| known != checksum(nonce.as_deref(), body)) {
            return Err("its content is not what was written (checksum)".to_owned());
        }
        Ok(Self { nonce, body: Bytes::copy_from_slice(body.get().as_bytes()) })
    }
}

fn checksum(nonce: Option<&str>, body: &RawValue) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(nonce.unwrap_or_default().as_bytes()).update(b"\n").update(body.get().as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// Stores a JSON document with its checksum, in place of the one that is there.
///
/// # Errors
/// [`StoreError::Object`] when the storage fails, or `body` is not JSON.
pub async fn write_document(store: &dyn ObjectStore, path: &Path, body: &str) -> Result<(), StoreError> {
    let bytes = Envelope::sealed(None, path, body)?;
    store.put(path, bytes.into()).await.map_err(|source| StoreError::object(path, source))?;
    Ok(())
}

/// Reads a document; `None` when there is none.
///
/// # Errors
/// [`StoreError::Object`] when the storage fails, [`StoreError::Damaged`] when the object is not as it was written.
pub async fn read_document(store: &dyn ObjectStore, path: &Path) -> Result<Option<Bytes>, StoreError> {
    let found = bytes_of(store, path).await.map_err(|source| StoreError::object(path, source))?;
    let damaged = |reason: String| StoreError::Damaged { path: path.to_string(), reason };
    found.map(|bytes| Envelope::open(&bytes).map(|found| found.body).map_err(damaged)).transpose()
}

pub(super) async fn bytes_of(store: &dyn ObjectStore, path: &Path) -> object_store::Result<Option<Bytes>> {
    match store.get(path).await {
        Ok(found) => found.bytes().await.map(Some),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
