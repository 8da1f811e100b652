//! Definitions of traits and of segments, validated.

use std::time::Duration;

use indexmap::IndexMap;
use tranche_project::{Position, SourceFile, Spanned};

use super::spec::{Scalar, TestSpec};

/// A query that computes traits.
#[derive(Debug, Clone)]
pub struct TraitsDefinition {
    /// The name of the group.
    pub name: String,
    /// The entity that they describe.
    pub entity: String,
    /// What they mean.
    pub description: Option<String>,
    /// The value of a trait for entities without a row, with its place.
    pub defaults: IndexMap<String, Spanned<Scalar>>,
    /// The file; its whole text is the SQL.
    pub file: SourceFile,
}

/// A query that selects entities.
#[derive(Debug, Clone)]
pub struct SegmentDefinition {
    /// The name of the segment or set.
    pub name: String,
    /// Where the file names it.
    pub named_at: Position,
    /// Whether it names one segment or labels every entity.
    pub kind: SegmentKind,
    /// The segmented entity.
    pub entity: String,
    /// Who is in it, in words.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// For grouping in lists.
    pub tags: Vec<String>,
    /// What must hold before a refresh is published.
    pub expect: Expectation,
    /// How old its last refresh may be.
    pub freshness: Option<Duration>,
    /// Known answers, as they were written.
    pub tests: Vec<TestSpec>,
    /// The group of exclusive segments that it belongs to, and its place in it.
    pub group: Option<(String, Spanned<u32>)>,
    /// Definitions whose result it needs, `in_segment` or earlier in its group.
    pub needs: Vec<String>,
    /// The file; its whole text is the SQL.
    pub file: SourceFile,
}

/// What a segment file defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// One segment.
    Single,
    /// Exclusive segments `set/label`.
    Set,
}

/// What must hold before a refresh is published. Shares and turnover are ratios in [0, 1].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expectation {
    /// The fewest members.
    pub min_size: Option<u64>,
    /// The most members.
    pub max_size: Option<u64>,
    /// The smallest and largest share of the universe.
    pub share: Option<[f64; 2]>,
    /// The largest share of members that may enter or leave in one refresh.
    pub max_turnover: Option<f64>,
    /// Whether a segment that had members may have none.
    pub may_become_empty: bool,
}
