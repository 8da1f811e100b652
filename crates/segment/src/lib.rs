//! How traits and segments are defined and refreshed.
//!
//! [`Definitions`] are the traits and segments of a pipeline that hold together; [`evaluate`](evaluate::evaluate) computes for a
//! [`Scope`] of them who is in which segment at one `as_of`; [`refresh`](refresh::refresh) compares that with the memberships before and publishes intervals.
//! [`Backfill`] does so for many instants in a row, in one publication. [`store`] reads what was published.
//!
//! For people who ask: a [`Replay`] is an evaluation at an instant, and [`preview()`], [`why()`] and [`run_tests`] look at one; [`overlaps`]
//! and [`Profile`] look at what was published. [`examine_published`] says whether that agrees with itself.
//!
//! Evaluation never writes and publication never computes: so any definition can be replayed at any instant. This crate knows nothing of metrics or experiments.

mod backfill;
mod check;
mod definitions;
mod error;
pub mod evaluate;
mod examine;
mod explain;
#[cfg(test)]
mod failing;
mod history;
mod known_answers;
mod memberships;
mod order;
mod overlap;
mod parallel;
mod past;
mod plan;
mod preview;
mod profile;
#[cfg(test)]
mod property;
mod publish;
pub mod refresh;
mod replay;
mod scope;
mod spec;
mod state;
pub mod store;
mod traits;
mod why;

pub use backfill::{Backfill, Backfilled, PlannedBackfill, PlannedSegment};
pub use check::check;
pub use definitions::{Definitions, Expectation, SegmentDefinition, SegmentKind, TraitsDefinition};
pub use error::{Mismatch, SegmentError};
pub use examine::{examine_published, examine_state};
pub use explain::{ExplainedAggregate, ExplainedDefinition, ExplainedScan, Explanation, Summary, explain};
pub use known_answers::{TestFailure, TestReport, run_tests};
pub use overlap::{Overlap, overlaps};
pub use preview::{Preview, PreviewedSegment, preview};
pub use profile::{Profile, QUANTILES, published_values};
pub use replay::Replay;
pub use scope::Scope;
pub use spec::{SegmentSpec, TestSpec, TraitsSpec};
pub use why::{Condition, Membership, Why, why};

/// The segment of everyone, in reports and experiments.
pub const EVERYONE: &str = "all";

/// The wide table of an entity in SQL: its own columns and all its traits.
pub const TRAITS: &str = tranche_schema::layout::TRAITS.folder;
