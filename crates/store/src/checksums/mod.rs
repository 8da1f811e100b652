//! Checksums of everything that is written to a lake as a file, verified whenever any part of it is read.
//!
//! A Parquet file carries checksums of its blocks in front of its footer ([`blocks`]), where no reader of Parquet
//! looks; an entry of a table's log carries one of its lines ([`log_entry`]). Both are added and verified by the
//! object store of a lake ([`CheckedStore`]), so that it does not matter who writes and who reads: the query
//! engine, the table format, or we ourselves. What other programs wrote carries none, and is read as it is.

pub(crate) mod blocks;
mod checked_store;
mod log_entry;
mod opened;
mod upload;

pub(crate) use checked_store::CheckedStore;

use thiserror::Error;

/// Stored bytes that are not those that were written.
#[derive(Debug, Error)]
#[error(
    "`{path}` is damaged: {problem}; restore it from the bucket's versions or a backup (`tranche doctor --deep` names every \
     damaged object and what else can be done)"
)]
pub(crate) struct Damage {
    path: String,
    problem: String,
}

impl Damage {
    /// The problem, where it is what an access to the storage failed with.
    pub(crate) fn of(error: &object_store::Error) -> Option<&str> {
        let object_store::Error::Generic { source, .. } = error else { return None };
        source.downcast_ref::<Self>().map(|damage| damage.problem.as_str())
    }

    pub(crate) fn new(path: impl ToString, problem: impl Into<String>) -> Self {
        Self { path: path.to_string(), problem: problem.into() }
    }
}

impl From<Damage> for object_store::Error {
    fn from(damage: Damage) -> Self {
        Self::Generic { store: "checksums", source: Box::new(damage) }
    }
}
