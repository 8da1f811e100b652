//! The query engine and what we add to it.
//!
//! An [`Engine`] holds the machine's share of memory and threads; a [`Session`] is the world as a query sees it at one `as_of`:
//! events before it, entity rows valid at it, and no other clock. [`Session::plan`] turns the SQL of a definition into a logical
//! plan or an [`SqlProblem`] that points into the text; [`Session::collect`] runs a plan.
//!
//! What is added to a plan travels: functions go by name, tables are plain scans behind a filter. This crate knows contracts, and
//! nothing of segments, metrics or pipelines.

mod columns;
mod conjuncts;
mod dialect;
mod engine;
mod error;
mod functions;
pub mod fused;
mod intervals;
pub mod keys;
mod lineage;
mod lists;
mod locate;
mod mistakes;
pub mod pass;
mod raw;
mod session;
mod tables;
mod values;

pub use conjuncts::{Conjuncts, Outcome};
pub use dialect::SegmentReferences;
pub use engine::{Engine, EngineOptions, machine_memory_bytes};
pub use error::{SqlError, SqlProblem};
pub use lineage::{Origin, column_lineage};
pub use locate::type_name;
pub use raw::NumericText;
pub use session::{Collected, Session, segment_relation};
pub use tables::{Source, TableSources, TableVersion, Tables, table_folder};
pub use values::{column_f64, column_i64, column_text, instant_literal};
