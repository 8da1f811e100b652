//! Creating an object once, however unclear the storage's answer is.
//!
//! A failed answer to a conditional write may hide a success, and a conflict may hide that nothing was
//! written. So after anything but a clear success the object is read back and its nonce compared: ours means
//! won, another's lost, absent means try again.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutOptions};

use super::envelope::{Envelope, bytes_of};
use crate::StoreError;

/// The outcome of an attempt to create an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// The object is ours.
    Won,
    /// Another writer created it before; this is what it wrote.
    Lost(Bytes),
    /// It was created before, and what was written cannot be read any more, for this reason: power failed while it
    /// was written, or the storage damaged it. Nobody knows whose it is.
    Torn(String),
}

const ATTEMPTS: usize = 5;

/// Creates the object `path` with the JSON document `body`, or finds that it exists.
///
/// # Errors
/// [`StoreError::Object`] when the storage gave no clear answer in several attempts, or `body` is not JSON.
pub async fn create_once(store: &dyn ObjectStore, path: &Path, body: &str) -> Result<Creation, StoreError> {
    let nonce = uuid::Uuid::now_v7().to_string();
    let bytes = Envelope::sealed(Some(nonce.clone()), path, body)?;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match store.put_opts(path, bytes.clone().into(), options).await {
            Ok(_) => return Ok(Creation::Won),
            Err(error) => last = Some(error),
        }
        match bytes_of(store, path).await {
            Ok(None) => {}
            Ok(Some(found)) => {
                return Ok(match Envelope::open(&found) {
                    Ok(found) if found.nonce.as_ref() == Some(&nonce) => Creation::Won,
                    Ok(found) => Creation::Lost(found.body),
                    Err(reason) => Creation::Torn(reason),
                });
            }
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
/// [`StoreError::Object`] when the storage fails, [`StoreError::Damaged`] when the object is not as it was written.
pub async fn read_once(store: &dyn ObjectStore, path: &Path) -> Result<Option<Bytes>, StoreError> {
    super::envelope::read_document(store, path).await
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
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
                Creation::Torn(reason) => panic!("{reason}"),
            }
        }
        assert_eq!((won, lost), (1, 7));
        assert_eq!(read_once(&store, &path).await.unwrap(), Some(Bytes::from("{\"writer\":0}")));
        assert_eq!(read_once(&store, &Path::from("other")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_object_that_is_not_whole_is_nobodys() {
        let store = InMemory::new();
        let path = Path::from("slot");
        assert_eq!(create_once(&store, &path, "{\"run\":\"a\"}").await.unwrap(), Creation::Won);
        let whole = store.get(&path).await.unwrap().bytes().await.unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1;
            for torn in [whole.slice(..at).to_vec(), flipped] {
                store.put(&path, torn.into()).await.unwrap();
                let read = read_once(&store, &path).await;
                assert!(matches!(read, Err(StoreError::Damaged { .. })), "{at}: {read:?}");
                let created = create_once(&store, &path, "{\"run\":\"b\"}").await.unwrap();
                assert!(matches!(created, Creation::Torn(_)), "{at}: {created:?}");
            }
        }
    }
}
