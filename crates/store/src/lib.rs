//! Objects, tables, commits.
//!
//! [`Storage`] turns a location into an object store; a [`Lake`] is one location with tables and plain objects
//! in it; a [`Snapshot`] is one committed version of a table, made of [`DataFile`]s, and a [`Commit`] makes the
//! next one from a plan of rows.
//!
//! What only some users need is in the modules: [`commit`] also makes versions from Parquet files that a writer
//! laid out itself, by [`encoding`]; [`objects`] finds raw files and creates objects at most once, on which rests
//! everything that must happen once; [`maintenance`] merges and deletes files; [`integrity`] examines a storage
//! and its tables.
//!
//! This crate moves rows and bytes and never looks at them: it knows nothing of segments, runs or SQL text.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use arrow::array::{ArrayRef, Int64Array, RecordBatch};
//! use datafusion::execution::SessionStateBuilder;
//! use datafusion::prelude::SessionContext;
//! use tranche_store::commit::DeltaPlanner;
//! use tranche_store::{Commit, CommitMode, Lake, Storage};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! let lake = Lake::open(&Storage::new(BTreeMap::new()), "memory://lake/", Path::new("/"))?;
//! let state =
//!     SessionStateBuilder::new_with_default_features().with_query_planner(DeltaPlanner::new()).build();
//! let context = SessionContext::new_with_state(state);
//!
//! let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
//! let batch = RecordBatch::try_from_iter([("number", numbers)])?;
//! let rows = context.read_batch(batch)?.logical_plan().clone();
//! let commit = Commit::new("tables/numbers", "load/monday", CommitMode::Append, rows);
//! let first = lake.commit(Arc::new(context.state()), commit.clone()).await?;
//! assert_eq!((first.version(), first.rows()), (0, 3));
//!
//! // The transaction `load/monday` is in the table: committing it again does nothing.
//! let second = lake.commit(Arc::new(context.state()), commit).await?;
//! assert_eq!((second.version(), second.rows()), (0, 3));
//! # Ok(())
//! # })
//! # }
//! ```

mod checksums;
pub mod commit;
pub mod encoding;
mod error;
#[cfg(test)]
mod fixture;
pub mod integrity;
mod lake;
pub mod maintenance;
pub mod objects;
pub mod table;

pub use commit::{Commit, CommitMode};
pub use error::StoreError;
pub use lake::Lake;
pub use object_store;
pub use objects::Storage;
pub use table::{DataFile, Snapshot};
pub use tranche_schema::layout;
