//! What can go wrong while loading, and who has to act.

use crate::read::InputProblem;
use thiserror::Error;
use tranche_sql::{SqlError, SqlProblem};
use tranche_store::StoreError;

/// An error of loading a source. Whatever it is, the table is as it was before.
#[derive(Debug, Error)]
pub enum IngestError {
    /// The author's: the source or its mapping cannot be used.
    #[error("source `{source_name}`, column `{column}`: {problem}")]
    Mapping {
        /// The source.
        source_name: String,
        /// The contract's column.
        column: String,
        /// The problem of its SQL.
        problem: SqlProblem,
    },
    /// The data's: a file as a whole cannot be read.
    #[error("{file}: {reason}; nothing of source `{source_name}` was loaded")]
    File {
        /// The source.
        source_name: String,
        /// The file.
        file: String,
        /// Why it cannot be read, with the row where that is known.
        reason: String,
    },
    /// The storage's: a file cannot be read, and another attempt may.
    #[error("{file}: {reason}; nothing of source `{source_name}` was loaded")]
    Read {
        /// The source.
        source_name: String,
        /// The file.
        file: String,
        /// What the storage says.
        reason: String,
    },
    /// The data's: more rows are wrong than the source allows.
    #[error(
        "source `{source_name}`: {rejected} of {rows} rows were rejected, more than the {allowed} that on_reject allows; first: {first}; nothing was loaded, see `tranche quarantine list`"
    )]
    TooManyRejects {
        /// The source.
        source_name: String,
        /// Rejected rows.
        rejected: u64,
        /// All rows.
        rows: u64,
        /// The allowed share, in words.
        allowed: String,
        /// The first reject.
        first: String,
    },
    /// The data's: no file matches the path of the source.
    #[error("source `{source_name}`: no file matches `{path}`{}", advice(path))]
    NoFiles {
        /// The source.
        source_name: String,
        /// The pattern.
        path: String,
    },
    /// The storage's: worth another try.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine's.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The machine's: rows cannot be staged on local disk.
    #[error("cannot stage rows on local disk")]
    Staging(#[source] std::io::Error),
}

/// What a path may have been meant as.
fn advice(path: &str) -> &'static str {
    match path.contains(['[', '{']) {
        true => "; a bracket that is part of a name stands behind `\\`, as in `\\[`",
        false => "",
    }
}

impl IngestError {
    /// The same of an input that is read once more, for rows that another one no longer has.
    pub(crate) fn while_restoring(self) -> Self {
        let why =
            |reason| format!("{reason} (it is read again for rows that a corrected file no longer has)");
        match self {
            Self::File { source_name, file, reason } => Self::File { source_name, file, reason: why(reason) },
            Self::Read { source_name, file, reason } => Self::Read { source_name, file, reason: why(reason) },
            other => other,
        }
    }

    /// The file as a whole cannot be read.
    pub(crate) fn file(source_name: &str, file: &str, problem: impl Into<InputProblem>) -> Self {
        let (source_name, file) = (source_name.to_owned(), file.to_owned());
        match problem.into() {
            InputProblem::Content(reason) => Self::File { source_name, file, reason },
            InputProblem::Storage(reason) => Self::Read { source_name, file, reason },
        }
    }
}
