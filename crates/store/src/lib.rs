//! Objects, tables, commits.
//!
//! [`Storage`] turns a location into an object store; a [`Lake`] is one location with tables and objects in
//! it; a [`Snapshot`] is one committed version of a table, and a [`Commit`] what makes the next one from a
//! plan of rows. A [`FileCommit`] makes it from Parquet files that a writer lays out itself
//! ([`ParquetFile`]), in place of files of the version before ([`DataFile`]).
//! [`create_once`](create_once::create_once) is the one primitive that everything which must happen once is
//! built on.
//!
//! [`probe()`](probe) checks that a storage supports that, [`Lake::check_integrity`] that a table is whole;
//! each problem is a [`Finding`].
//!
//! This crate moves rows and bytes and never looks at them: it knows nothing of segments, runs or SQL text.

mod commit;
pub mod create_once;
mod error;
mod files;
mod finding;
#[cfg(test)]
mod fixture;
mod glob;
mod integrity;
mod lake;
mod maintenance;
mod next_version;
mod parquet_file;
mod parquet_options;
mod probe;
mod provider;
mod replace_files;
mod run_length;
mod snapshot;
mod statistics;
mod storage;
mod transaction;

pub use commit::{Commit, CommitMode};
pub use deltalake_core::delta_datafusion::planner::DeltaPlanner;
pub use error::StoreError;
pub use files::{DataFile, FileStatistics};
pub use finding::Finding;
pub use glob::{RawObject, list_matching};
pub use lake::Lake;
pub use maintenance::{Compaction, Maintained, Retention};
pub use object_store;
pub use parquet_file::{ColumnValues, NewFile, ParquetColumns, ParquetFile};
pub use parquet_options::parquet_options;
pub use probe::{Probe, RACES, WRITERS, probe};
pub use replace_files::FileCommit;
pub use run_length::{RunLength, RunLengthValues};
pub use snapshot::Snapshot;
pub use storage::{Location, Storage};
pub use tranche_schema::layout;
pub use transaction::Transaction;
