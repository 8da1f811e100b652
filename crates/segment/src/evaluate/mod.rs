//! Who is in which segment at one `as_of`. Nothing is written.
//!
//! The definitions are compiled into a program over wide rows; each event table that it needs is scanned once, and all segments are
//! truth values of the same rows. What could not be compiled runs as a query of its own, between passes over the rows.

pub(crate) mod changes;
mod evaluation;
mod fallback;
mod graph;
pub(crate) mod measures;
mod pass;
mod rounds;
mod run;
pub(crate) mod scans;
pub(crate) mod table_scan;
mod verification;
mod wide_table;

pub use crate::plan::Sharing;
pub(crate) use evaluation::EvaluationContext;
pub use evaluation::{Evaluation, Failed, Members};
pub use run::evaluate;
pub(crate) use run::evaluate_program;
