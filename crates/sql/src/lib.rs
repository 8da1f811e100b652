//! The query engine and what we add to it.
//!
//! An [`Engine`] holds the machine's share of memory and threads; a [`Session`] is the world as a query sees it at one `as_of`:
//! events before it, entity rows valid at it, and no other clock. [`Session::plan`] turns the SQL of a definition into a logical
//! plan or an [`SqlProblem`] that points into the text; [`Session::collect`] runs a plan. [`dialect`] is our reading of SQL, which
//! the crates above extend by a [`Rewrite`](dialect::Rewrite).
//!
//! [`scan`] reads an event table once for everything that is asked of it, [`keys`] numbers entities, and [`parallel`] hands out
//! the engine's threads. [`by_row`] evaluates what may fail for some rows of a batch.
//!
//! What is added to a plan travels: functions go by name, tables are plain scans behind a filter, and a grouped scan is a request
//! and partial results as data. This crate knows contracts, and nothing of segments, metrics or pipelines.
//!
//! ```
//! use tranche_sql::dialect::AsWritten;
//! use tranche_sql::{Engine, EngineOptions, column_i64};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! let engine = Engine::new(&EngineOptions::default())?;
//! let session = engine.session("2026-06-01T00:00:00Z".parse()?);
//! let plan = session.plan("SELECT date_part('year', as_of()) AS year", &AsWritten).await?;
//! let found = session.collect(&plan).await?;
//! assert_eq!(column_i64(&found.batches, 0)?, [Some(2026)]);
//! # Ok(())
//! # })
//! # }
//! ```

pub mod by_row;
mod chains;
mod clocks;
mod columns;
mod conjuncts;
mod constants;
mod culprit;
pub mod dialect;
mod engine;
mod error;
mod exact_sum;
mod fallible;
mod functions;
mod guards;
mod in_list_rule;
mod intervals;
pub mod keys;
mod limits;
mod lineage;
mod locate;
mod mistakes;
pub mod names;
mod numbers_rule;
mod operators;
mod outgrown;
pub mod parallel;
mod personal;
mod raw_nested;
mod raw_text;
mod row_expression;
#[cfg(test)]
mod row_expression_tests;
mod row_failure;
mod rules;
pub mod scan;
mod schema_below;
mod session;
mod span;
mod subqueries;
mod syntax;
mod table_contract;
mod tables;
mod templates;
mod ties;
mod values;
mod zeros;

pub use conjuncts::{Conjuncts, Outcome};
pub use engine::{ENGINE_VERSION, Engine, EngineBuilder, EngineOptions, Planner, machine_memory_bytes};
pub use error::{MissingName, SqlError, SqlProblem};
pub use exact_sum::{ExactSum, Moments};
pub use functions::number::{Numbers, decimal_of, plain};
pub use functions::{AVERAGE_DIGITS, operands};
pub use limits::StatementLimits;
pub use lineage::{Origin, column_lineage, copied_columns};
pub use locate::type_name;
pub use locate::words::plain_cause;
pub use outgrown::outgrown;
pub use personal::{PersonalColumns, failure_kind};
pub use row_expression::RowExpression;
pub use row_failure::RowFailure;
pub use scan::{Source, TableSources};
pub use session::{Collected, Session};
pub use table_contract::{check_contract, remember_contract};
pub use tables::{TableVersion, Tables, table_folder};
pub use values::{column_f64, column_i64, column_text, instant_literal};
