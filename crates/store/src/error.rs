//! What can go wrong with storage, and who has to act.

use thiserror::Error;

/// An error of storage or of a table in it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The caller's: a location that no object store can be made from.
    #[error("cannot use `{location}` as a location: {reason}")]
    Location {
        /// The location as written.
        location: String,
        /// Why not.
        reason: String,
    },
    /// The caller's: a glob pattern that cannot be read.
    #[error("`{pattern}` is not a path pattern: {reason}")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// Why not.
        reason: String,
    },
    /// The storage's: an object cannot be read, written or listed. Worth another try.
    #[error("storage failed at `{path}`")]
    Object {
        /// The object or prefix.
        path: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// The storage's: an object that was created once holds other content than its writer's. Another try
    /// finds the same.
    #[error("`{path}` is damaged: {reason}")]
    Damaged {
        /// The object.
        path: String,
        /// The problem.
        reason: String,
    },
    /// The storage's: a table cannot be read or committed. Worth another try.
    #[error("table `{table}` failed")]
    Table {
        /// The table's folder in the lake.
        table: String,
        /// Why.
        #[source]
        source: Box<deltalake_core::DeltaTableError>,
    },
    /// No fault: another commit was made since this one was planned. Worth another try.
    #[error("another run committed to table `{table}` in the meantime; run again")]
    Conflict {
        /// The table's folder in the lake.
        table: String,
    },
    /// The caller's: a file that is to be replaced is not in the version that the commit was planned from.
    #[error("table `{table}` has no file `{path}`")]
    File {
        /// The table's folder in the lake.
        table: String,
        /// The file's path in that folder.
        path: String,
    },
    /// The caller's when rows are encoded, the storage's when they are decoded: rows and Parquet do not go
    /// together.
    #[error("rows cannot be encoded or decoded as Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The storage's: rows of a table cannot be read. Worth another try.
    #[error("storage failed while a table was read: {reason}")]
    Read {
        /// Why.
        reason: String,
    },
    /// The caller's: a version of a table that is not there (any more).
    #[error("table `{table}` has no version {version}")]
    Version {
        /// The table's folder in the lake.
        table: String,
        /// The version asked for.
        version: u64,
    },
}

impl StoreError {
    /// A failure of the storage at a path.
    #[must_use]
    pub fn object(path: impl ToString, source: object_store::Error) -> Self {
        Self::Object { path: path.to_string(), source }
    }

    pub(crate) fn table(table: &str, source: deltalake_core::DeltaTableError) -> Self {
        Self::Table { table: table.to_owned(), source: Box::new(source) }
    }
}
