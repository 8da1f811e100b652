//! How traits and segments are defined and refreshed.
//!
//! [`Definitions`] are the traits and segments of a pipeline that hold together; [`evaluate`](evaluate::evaluate) computes for a
//! [`Scope`] of them who is in which segment at one `as_of`; [`refresh`](refresh::refresh) compares that with the memberships before and publishes intervals.
//! [`store`] reads what was published.
//!
//! Evaluation never writes and publication never computes: so any definition can be replayed at any instant, and how queries are
//! run (today one by one) can change behind [`evaluate`](evaluate::evaluate) alone. This crate knows nothing of metrics or experiments.

mod check;
mod definitions;
mod error;
pub mod evaluate;
mod intervals;
mod order;
#[cfg(test)]
mod property;
pub mod refresh;
mod scope;
mod spec;
pub mod store;
mod traits;

pub use check::check;
pub use definitions::{Definitions, Expectation, SegmentDefinition, SegmentKind, TraitsDefinition};
pub use error::SegmentError;
pub use scope::Scope;
pub use spec::{SegmentSpec, TraitsSpec};

/// The segment of everyone, in reports and experiments.
pub const EVERYONE: &str = "all";

/// The wide table of an entity in SQL: its own columns and all its traits.
pub const TRAITS: &str = "traits";
