//! Append-only logs: `<folder>/<sequence>.json`, each entry an object that is created once.
//!
//! Entries are read by name, never from a listing: a listing may be stale, and grows with everything that
//! ever happened.
//!
//! An entry that is not as it was written, empty after a power cut or rotten, is a claim by nobody: its number stays
//! taken, for all processes alike, and the next number decides.

use std::marker::PhantomData;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tranche_store::StoreError;
use tranche_store::objects::{Creation, create_once, read_once};

use crate::error::RunError;

/// Entries of a log that are read at the same time.
const CONCURRENCY: u64 = 16;

/// A log in a folder.
pub(crate) struct AppendLog<'a, T> {
    objects: &'a dyn ObjectStore,
    folder: Path,
    entries: PhantomData<fn() -> T>,
}

/// An entry that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry<T> {
    /// As it was written.
    Written(T),
    /// Nobody knows what was written.
    Torn {
        /// The object.
        path: String,
        /// Why not.
        reason: String,
    },
}

impl<T> Entry<T> {
    /// What was written, where that is known.
    pub(crate) fn written(self) -> Option<T> {
        match self {
            Self::Written(entry) => Some(entry),
            Self::Torn { .. } => None,
        }
    }
}

/// The outcome of an attempt to write the next entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Append<T> {
    /// It is ours.
    Won,
    /// Another process wrote it; this is its entry.
    Lost(T),
    /// Its number is taken, by an entry that cannot be read: the next number decides.
    Torn,
}

impl<'a, T: Serialize + DeserializeOwned> AppendLog<'a, T> {
    pub(crate) fn new(objects: &'a dyn ObjectStore, folder: Path) -> Self {
        Self { objects, folder, entries: PhantomData }
    }

    /// The entry with this number, if it is there.
    pub(crate) async fn entry(&self, sequence: u64) -> Result<Option<Entry<T>>, RunError> {
        let path = self.path(sequence);
        let body = match read_once(self.objects, &path).await {
            Ok(None) => return Ok(None),
            Ok(Some(body)) => body,
            Err(StoreError::Damaged { path, reason }) => return Ok(Some(Entry::Torn { path, reason })),
            Err(error) => return Err(error.into()),
        };
        let entry = serde_json::from_slice(&body).map_err(|error| RunError::damaged(&path, error))?;
        Ok(Some(Entry::Written(entry)))
    }

    /// The entries from `first` on, up to the first that is not there.
    pub(crate) async fn read(&self, first: u64) -> Result<Vec<Entry<T>>, RunError> {
        let mut entries = Vec::new();
        let (mut next, mut count) = (first, 1);
        loop {
            let chunk = stream::iter(next..next + count).map(|sequence| self.entry(sequence));
            let chunk: Vec<Option<Entry<T>>> = chunk.buffered(16).try_collect().await?;
            let written = chunk.iter().take_while(|entry| entry.is_some()).count();
            // The writer may have come this far while we read; or the entry is gone.
            let is_gap = chunk.iter().skip(written).any(Option::is_some);
            entries.extend(chunk.into_iter().map_while(|entry| entry));
            next += u64::try_from(written).unwrap_or(0);
            if is_gap {
                let Some(entry) = self.entry(next).await? else {
                    return Err(RunError::damaged(self.path(next), "the entry is missing"));
                };
                entries.push(entry);
                next += 1;
            } else if (written as u64) < count {
                return Ok(entries);
            }
            count = (count * 2).min(CONCURRENCY);
        }
    }

    /// Writes the entry with this number, unless it is written.
    pub(crate) async fn append(&self, sequence: u64, entry: &T) -> Result<Append<T>, RunError> {
        let path = self.path(sequence);
        let body = serde_json::to_string(entry).map_err(|error| RunError::damaged(&path, error))?;
        match create_once(self.objects, &path, &body).await? {
            Creation::Won => Ok(Append::Won),
            Creation::Lost(body) => serde_json::from_slice(&body)
                .map(Append::Lost)
                .map_err(|error| RunError::damaged(&path, error)),
            Creation::Torn(reason) => {
                tracing::warn!(%path, reason, "an entry of a log cannot be read; its number is left out");
                Ok(Append::Torn)
            }
        }
    }

    fn path(&self, sequence: u64) -> Path {
        self.folder.clone().join(format!("{sequence:08}.json"))
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn entries_are_read_in_order() {
        let objects = InMemory::new();
        let log = AppendLog::<u64>::new(&objects, Path::from("log"));
        assert_eq!(log.read(0).await.unwrap(), []);
        for number in 0..40 {
            assert_eq!(log.append(number, &(number * 10)).await.unwrap(), Append::Won);
            assert_eq!(log.read(0).await.unwrap().len() as u64, number + 1);
        }
        assert_eq!(log.read(37).await.unwrap(), [370, 380, 390].map(Entry::Written));
        assert_eq!(log.append(7, &1).await.unwrap(), Append::Lost(70));
        assert_eq!(log.entry(40).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_torn_entry_keeps_its_number_and_nothing_else() {
        let objects = InMemory::new();
        let log = AppendLog::<u64>::new(&objects, Path::from("log"));
        log.append(0, &7).await.unwrap();
        objects.put(&Path::from("log/00000001.json"), "".into()).await.unwrap();
        assert_eq!(log.append(1, &8).await.unwrap(), Append::Torn);
        assert_eq!(log.append(2, &9).await.unwrap(), Append::Won);
        let read = log.read(0).await.unwrap().into_iter().map(Entry::written);
        assert_eq!(read.collect::<Vec<_>>(), [Some(7), None, Some(9)]);
    }

    #[tokio::test]
    async fn a_missing_entry_is_damage() {
        let objects = InMemory::new();
        let log = AppendLog::<u64>::new(&objects, Path::from("log"));
        for number in 0..6 {
            log.append(number, &number).await.unwrap();
        }
        objects.delete(&Path::from("log/00000004.json")).await.unwrap();
        let read = log.read(0).await;
        assert!(
            matches!(&read, Err(RunError::Damaged { path, .. }) if path == "log/00000004.json"),
            "{read:?}"
        );
    }
}
