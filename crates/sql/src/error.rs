//! What can go wrong with a query, and who has to act.

use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use thiserror::Error;
use tranche_project::Position;
use tranche_schema::ChangedContract;
use tranche_store::StoreError;

use crate::locate::words::plain_cause;
use crate::personal::failure_kind;
use crate::row_failure::RowFailure;

/// A mistake in the SQL of a definition, at a position of the SQL text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct SqlProblem {
    /// Where, in the text that was planned.
    pub position: Position,
    /// The problem.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
    /// The name that stands for nothing, where that is what is wrong.
    pub missing: Option<Box<MissingName>>,
}

/// A name that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MissingName {
    /// A column, without its table.
    Column(String),
    /// A table.
    Table(String),
}

impl SqlProblem {
    /// A mistake at a position of the SQL text.
    #[must_use]
    pub fn new(position: Position, message: impl Into<String>) -> Self {
        Self { position, message: message.into(), help: None, missing: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// An error of the query engine.
#[derive(Debug, Error)]
pub enum SqlError {
    /// The author's: the SQL cannot be planned.
    #[error("{0}")]
    Definition(SqlProblem),
    /// The author's: a table was made by another contract than the present one.
    #[error(transparent)]
    Contract(Box<ChangedContract>),
    /// The data's: a value that the SQL cannot work with, such as a division by zero or an overflow.
    #[error("the query failed on its data: {0}")]
    Data(String),
    /// The data's: an expression fails for a row.
    #[error("{0}")]
    Row(Box<RowFailure>),
    /// The machine's: more memory or disk is needed than the engine may take.
    #[error("the query needs more memory than it may take; raise `memory` in tranche.yaml: {0}")]
    Resources(String),
    /// The storage's: a table could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Ours, or the machine's: the engine itself failed.
    #[error("the query engine failed: {0}")]
    Engine(String),
}

impl SqlError {
    /// The same without what the engine says of values.
    #[must_use]
    pub(crate) fn without_values(self) -> Self {
        match self {
            Self::Data(text) => Self::Data(failure_kind(&text)),
            // What libraries say of values reaches the engine as an external error; its own errors are about plans.
            Self::Engine(text) if text.contains("External error: ") => Self::Engine(failure_kind(&text)),
            other => other,
        }
    }

    /// An error of the engine outside any definition.
    #[must_use]
    pub fn engine(error: DataFusionError) -> Self {
        Self::from(error)
    }
}

impl From<DataFusionError> for SqlError {
    /// An error while a plan runs: its SQL was sound, so it is the data's, the machine's or the storage's.
    fn from(error: DataFusionError) -> Self {
        let text = error.strip_backtrace();
        if let Some(reason) = failure_of_storage(&error) {
            return Self::Store(StoreError::Read { reason });
        }
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::Resources(text),
            DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => Self::Data(plain_cause(&text)),
            DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => {
                Self::Store(StoreError::Read { reason: text })
            }
            // The engine evaluates conditions while it reads.
            DataFusionError::ParquetError(_) if text.contains(IN_FILTER) => Self::Data(in_filter(&text)),
            DataFusionError::ParquetError(cause) if matches!(**cause, ParquetError::External(_)) => {
                Self::Store(StoreError::Read { reason: text })
            }
            _ => Self::Engine(text),
        }
    }
}

/// What the storage failed with, however deep the engine has wrapped it.
fn failure_of_storage(error: &DataFusionError) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<object_store::Error>() {
            return Some(match found {
                // What we found ourselves says all.
                object_store::Error::Generic { store: "checksums", source } => source.to_string(),
                found => found.to_string(),
            });
        }
        cause = error.source();
    }
    // Where the engine looks at the end of a file, it keeps but the text of what went wrong.
    let text = error.strip_backtrace();
    text.contains("Object Store error: ").then_some(text)
}

/// How the engine begins to say that a condition failed for rows of a file.
const IN_FILTER: &str = "Error evaluating filter predicate: ";

/// Why a condition failed for rows of a file.
fn in_filter(text: &str) -> String {
    let reason = text.split(IN_FILTER).nth(1).unwrap_or(text);
    let quoted = reason.split('"').nth(1).filter(|quoted| !quoted.is_empty());
    match quoted {
        Some(quoted) => plain_cause(quoted),
        None if reason.contains("DivideByZero") => "divide by zero error".to_owned(),
        None => reason.to_owned(),
    }
}

impl From<arrow::error::ArrowError> for SqlError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Data(plain_cause(&error.to_string()))
    }
}
