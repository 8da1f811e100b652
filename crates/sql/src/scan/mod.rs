//! One pass over the files of an event table.
//!
//! A [`Scan`] says as data what is read: the contract, the [`Source`]s, the columns, and [`RowQuery`]s, which are conditions and
//! values of a row. [`run`] reads each source once, on the engine's threads, evaluates each distinct condition and value once a
//! batch, and hands the [`Rows`] to [`Accumulators`], which are the result.
//!
//! Two kinds of accumulators are in use. [`grouped`] computes aggregates by a key within windows that are the same for every key:
//! its [`GroupedScan`] is data, and so is the [`Partial`] result, of which those of several machines merge. Metrics count within
//! windows that begin at an instant of each unit, with accumulators of their own.

mod cells;
mod extract;
mod files;
pub mod grouped;
mod groups;
mod numbers;
mod partial;
mod queries;
mod reading;
mod rows;
mod run;
mod shared_cells;
mod source;
#[cfg(test)]
mod tests;
mod update;

pub use cells::{Cells, Variance};
pub use extract::Extract;
pub use grouped::{GroupedScan, extract_schema};
pub use groups::{Aggregate, Group, Part, Target};
pub use numbers::{Numbers, ValueKind, float_of_order};
pub use partial::{Partial, Totals};
pub use queries::RowQuery;
pub use reading::{KeyFilter, Reading};
pub use rows::Rows;
pub use run::{Accumulators, Scan, Scanned, run, schema, type_of};
pub use source::{ClassedSource, Source, TableSources};
