//! One pass over the files of an event table.
//!
//! A [`Scan`] says as data what is read: the contract, the [`Source`]s, the columns, and [`RowQuery`]s, which are conditions and
//! values of a row. [`run`] reads each source once, on the engine's threads, evaluates each distinct condition and value once a
//! batch, and hands the [`Rows`] to [`Accumulators`], which several workers fill.
//!
//! What these end as is data: a [`Partial`] result, which merges with what the same scan finds in other sources.
//! So the sources of a table can be divided among machines, each of which fills accumulators of its own.
//!
//! [`grouped`] computes aggregates by a key within windows that are the same for every key: its request is a
//! [`GroupedScan`], its result [`PartialGroups`]. Metrics count within windows that begin at an instant of each
//! unit, and experiments look for the first exposure of each: they bring requests, accumulators and partial
//! results of their own.

mod cells;
mod evaluated;
mod extract;
mod failures;
mod files;
pub mod grouped;
mod groups;
mod numbers;
mod partial;
mod partial_groups;
mod queries;
mod reading;
mod rows;
mod run;
mod shared_cells;
mod source;
#[cfg(test)]
mod tests;
mod update;

pub use cells::Cells;
pub use extract::Extract;
pub use failures::{FailedCells, FailedKeys};
pub use grouped::{GroupedScan, extract_schema};
pub use groups::{Aggregate, Group, Part, Target};
pub use numbers::{Numbers, ValueKind, float_of_order};
pub use partial::{Partial, Scanned};
pub use partial_groups::{PartialGroups, Totals};
pub use queries::RowQuery;
pub use reading::{KeyFilter, Reading};
pub use rows::Rows;
pub use run::{Accumulators, Scan, run, schema, type_of};
pub use source::{ClassedSource, Source, TableSources};
