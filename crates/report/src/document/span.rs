//! A stretch of days as a report names it.

use serde::{Deserialize, Serialize};

/// Days from `from` up to, not including, `to`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The first day, as an ISO date.
    pub from: String,
    /// The day after the last, as an ISO date.
    pub to: String,
    /// What people call it: "Week 40", short enough for an axis; the dates stand in for an empty one.
    pub label: String,
}
