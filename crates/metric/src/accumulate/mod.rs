//! Facts added up into columns: all facts of a table, or those that saved state does not cover.
//!
//! A [`FactScan`](fact_scan::FactScan) says as data what is read of a table and what is filled; what it finds are
//! [`PartialFacts`](partial_facts::PartialFacts), which merge with those of other sources.

mod column;
mod coverage;
mod fact_accumulators;
mod fact_scan;
mod fact_table;
mod key_index;
mod opening;
mod pane_columns;
mod panes;
mod partial_facts;
mod sample_capture;
mod saved_state;
mod table_read;
mod verification;

pub(crate) use column::{Column, Passing};
#[cfg(test)]
pub(crate) use coverage::Coverage;
pub(crate) use fact_scan::FactReader;
#[cfg(test)]
pub(crate) use fact_scan::FactScan;
pub(crate) use fact_table::FactTable;
pub(crate) use key_index::{EntityKeys, KeysByEntity};
pub(crate) use opening::PriorState;
pub(crate) use saved_state::{StateHeader, new_state};
pub use table_read::FactsRead;
pub(crate) use table_read::{Found, read_table};
#[cfg(test)]
pub(crate) use {pane_columns::OpenColumn, partial_facts::PartialFacts, sample_capture::CapturedFacts};
