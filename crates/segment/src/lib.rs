//! How traits and segments are defined and refreshed.
//!
//! [`Definitions`] are the traits and segments of a pipeline that hold together; [`evaluate`](evaluate::evaluate) computes for a
//! [`Scope`] of them who is in which segment at one `as_of`; [`refresh`](refresh::refresh) compares that with the memberships
//! before and publishes intervals. [`Backfill`] does so for many instants in a row, in one publication. [`store`] reads what was
//! published.
//!
//! The folders are the way of a definition: `definition` reads and checks it, `plan` compiles it to expressions over one wide row
//! per entity, `evaluate` computes these with one scan of each event table, `refresh` publishes the result as `memberships`, and
//! `state` is what a refresh saves so that the next one reads only what changed.
//!
//! `questions` are an analyst's, and write nothing: a [`Replay`] is an evaluation at an instant, and [`preview()`], [`why()`] and
//! [`run_tests`] look at one; [`overlaps`] and [`Profile`] look at what was published, and [`explain()`] at what a refresh would
//! do. [`check_integrity`] says whether what was published agrees with itself.
//!
//! Evaluation never writes and publication never computes: so any definition can be replayed at any instant. This crate knows
//! nothing of metrics or experiments.
//!
//! ```
//! use tranche_segment::{Pattern, SegmentName};
//!
//! let name = SegmentName::parse("lifecycle/new");
//! assert_eq!((name.definition, name.label), ("lifecycle", Some("new")));
//! assert!(Pattern::parse("lifecycle/*").covers("lifecycle/new"));
//! ```

mod definition;
mod error;
pub mod evaluate;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod guard_tests;
mod history;
mod integrity;
mod memberships;
mod plan;
#[cfg(test)]
mod property;
mod questions;
mod recomputed;
pub mod refresh;
mod state;
pub mod store;

pub use definition::check::check;
pub use definition::definitions::Definitions;
pub use definition::elsewhere::Elsewhere;
pub use definition::in_segment::InSegment;
pub use definition::names::{Pattern, SegmentName};
pub use definition::personal::PersonalData;
pub use definition::scope::Scope;
pub use definition::spec::{SegmentSpec, TestSpec, TraitsSpec};
pub use definition::validated::{Expectation, SegmentDefinition, SegmentKind, TraitsDefinition};
pub use error::SegmentError;
pub use integrity::check_integrity;
pub use questions::definition_tests::{TestFailure, TestReport, run_tests};
pub use questions::explain::{
    ExplainedAggregate, ExplainedDefinition, ExplainedScan, Explanation, Summary, explain,
};
pub use questions::overlap::{Overlap, overlaps};
pub use questions::preview::{Preview, PreviewedSegment, preview};
pub use questions::profile::{Profile, QUANTILES, published_values};
pub use questions::replay::Replay;
pub use questions::why::{Condition, Membership, Why, why};
pub use recomputed::{Published, Recomputed};
pub use refresh::backfill::{Backfill, Backfilled, PlannedBackfill, PlannedSegment};

/// The segment of everyone, in reports and experiments.
pub const EVERYONE: &str = "all";

/// The wide table of an entity in SQL: its own columns and all its traits.
pub const TRAITS: &str = tranche_schema::layout::TRAITS.folder;
