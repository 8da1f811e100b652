//! Objects, tables, commits.
//!
//! [`Storage`] turns a location into an object store; a [`Lake`] is one location with tables and objects in it; a [`Snapshot`] is one
//! committed version of a table, and a [`Commit`] what makes the next one. [`create_once`](create_once::create_once) is the one
//! primitive that everything which must happen once is built on.
//!
//! This crate moves rows and bytes and never looks at them: it knows nothing of segments, runs or SQL text.

mod commit;
pub mod create_once;
mod error;
mod files;
#[cfg(test)]
mod fixture;
mod glob;
mod lake;
mod snapshot;
mod storage;

pub use commit::{Commit, CommitMode};
pub use deltalake_core::delta_datafusion::planner::DeltaPlanner;
pub use error::StoreError;
pub use files::DataFile;
pub use glob::{RawObject, list_matching};
pub use lake::Lake;
pub use object_store;
pub use snapshot::Snapshot;
pub use storage::{Location, Storage};
