//! What a run saves of a table, so that the next one reads only what changed.

use arrow::array::RecordBatch;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tranche_schema::layout::state::Kind;
use tranche_sql::SqlError;
use tranche_sql::scan::Extract;
use tranche_store::DataFile;

/// What an owner saves about its parts.
pub trait Header: Serialize + DeserializeOwned + Send + 'static {
    /// Whose state it is.
    const KIND: Kind;
    /// Grows when header or parts change their meaning; state of another format is not used.
    const FORMAT: u32;
}

/// The results of the files of a table at an instant.
#[derive(Debug, Clone)]
pub struct SavedState<H, P = RecordBatch> {
    /// The instant.
    pub as_of: Timestamp,
    /// The files that were read.
    pub files: Vec<DataFile>,
    /// What the parts are.
    pub header: H,
    /// The parts, in the order in which they were written.
    pub parts: Vec<P>,
    /// All rows of the sampled keys.
    pub sample: Option<Extract>,
}

/// Rows that are copied and encoded on a thread of their own.
pub type Part = Box<dyn FnOnce() -> Result<RecordBatch, SqlError> + Send>;

/// State that is to be saved.
pub type NewState<H> = SavedState<H, Part>;

/// Why there is no saved state to continue from.
#[derive(Debug, Error)]
pub enum Unusable {
    /// The caller's: state was to be left aside.
    #[error("it was requested")]
    Unwanted,
    /// No fault: this is the first run, or the state was deleted.
    #[error("no state is saved")]
    Missing,
    /// No fault: another version of the program saved it.
    #[error("the saved state has another format")]
    Format,
    /// No fault: expressions may have another meaning in another version of the engine.
    #[error("the state was saved by version {saved} of the query engine, and this is {current}")]
    Engine {
        /// The engine's version that saved it.
        saved: String,
        /// The version that reads it.
        current: &'static str,
    },
    /// No fault: it is of a later instant.
    #[error("the saved state is of a later instant, {0}")]
    Later(Timestamp),
    /// The storage's: its manifest says nothing.
    #[error("the manifest of the saved state is damaged: {0}")]
    Damaged(String),
    /// The storage's or the engine's.
    #[error("the saved state cannot be read: {}", causes(.0))]
    Unreadable(SqlError),
}

impl Unusable {
    /// Logs a fault of the storage; that there is nothing to continue from is none.
    pub fn warn(&self) {
        if let Self::Damaged(_) | Self::Unreadable(_) = self {
            tracing::warn!(reason = %self, "saved state is not used; reading everything");
        }
    }
}

impl From<SqlError> for Unusable {
    fn from(error: SqlError) -> Self {
        Self::Unreadable(error)
    }
}

/// An error with all of its causes.
pub(crate) fn causes(error: &SqlError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
