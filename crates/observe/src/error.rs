//! Errors of observing, and who has to act.

use thiserror::Error;
use tranche_pipeline::RunError;
use tranche_store::StoreError;

/// An error of a notification, lineage, metrics or traces. It fails no run.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// The author's: a place in tranche.yaml that nothing can be sent to.
    #[error("cannot send to {place}: {reason}")]
    Place {
        /// Its address, without secrets.
        place: String,
        /// Why not.
        reason: String,
    },
    /// The receiver's, or the network's: it did not take what was sent. Worth another try.
    #[error("{place} rejected it: {reason}")]
    Refused {
        /// Its address, without secrets.
        place: String,
        /// Its answer.
        reason: String,
    },
    /// The machine's: a file or port cannot be used.
    #[error("cannot use {place}")]
    Machine {
        /// The file or port.
        place: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The storage's: the outbox cannot be read or written. Worth another try.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The storage's: runs cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl ObserveError {
    pub(crate) fn place(place: impl Into<String>, reason: impl ToString) -> Self {
        Self::Place { place: place.into(), reason: reason.to_string() }
    }

    pub(crate) fn refused(place: impl Into<String>, reason: impl ToString) -> Self {
        Self::Refused { place: place.into(), reason: reason.to_string() }
    }
}
