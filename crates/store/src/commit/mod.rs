//! The next version of a table, made at once or not at all: from a plan of rows ([`Commit`]), or from Parquet
//! files that a writer laid out itself ([`FileCommit`]).

mod from_files;
mod from_plan;
mod next_version;
mod transaction;

pub use deltalake_core::delta_datafusion::planner::DeltaPlanner;
pub use from_files::FileCommit;
pub use from_plan::{Commit, CommitMode};
pub use transaction::Transaction;
