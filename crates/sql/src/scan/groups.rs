//! Many aggregates of one event table by one key.
//!
//! A [`Group`] is an aggregate of an argument over the rows for which a predicate holds. It has columns of [`Cells`](super::Cells),
//! one value per key, and [`Part`]s of time, each of which says to which columns its rows are added, or from which they are
//! subtracted. What a window is, and which of them share a group, is for the caller to know.

use datafusion::logical_expr::Expr;

use super::source::ClassedSource;

/// What is computed of the rows of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aggregate {
    /// Rows whose argument is not null; all rows without an argument.
    Count,
    /// Distinct values that are not null.
    CountDistinct,
    /// The sum of values that are not null.
    Sum,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// Count, mean and sum of squared deviations.
    Variance,
    /// The value, null or not, of the row that is first by another column.
    First,
    /// The value, null or not, of the row that is last by another column.
    Last,
}

/// An aggregate over the rows of a table for which a predicate holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What is computed.
    pub aggregate: Aggregate,
    /// Of which value of a row; over the columns of the contract, unqualified.
    pub argument: Option<Expr>,
    /// The column that says which row is first, for [`Aggregate::First`] and [`Aggregate::Last`].
    pub order: Option<Expr>,
    /// All of these hold for a row that counts.
    pub predicate: Vec<Expr>,
    /// Where in time; disjoint within a class of files.
    pub parts: Vec<Part>,
    /// How many columns the parts add to.
    pub columns: usize,
}

/// An interval of event time in one class of files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Part {
    /// The class of files.
    pub class: usize,
    /// The first instant, microseconds.
    pub from: i64,
    /// The first instant after it, microseconds.
    pub to: i64,
    /// Where its rows go.
    pub targets: Vec<Target>,
}

/// Where the rows of a part go, and whether they are added or, where that can be, subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// The column of the group.
    pub column: usize,
    /// 1 or -1.
    pub sign: i8,
}

impl Group {
    /// Whether a source may have events of its parts: others are not read.
    #[must_use]
    pub fn reads(&self, source: &ClassedSource) -> bool {
        let times = source.source.times();
        self.parts.iter().any(|part| part.overlaps(source.class, times))
    }

    /// Every expression.
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.argument.iter().chain(&self.order).chain(&self.predicate)
    }
}

impl Part {
    pub(super) fn overlaps(&self, class: usize, (from, to): (i64, i64)) -> bool {
        self.class == class && self.from < to && from < self.to
    }

    pub(super) fn covers(&self, (from, to): (i64, i64)) -> bool {
        self.from <= from && to <= self.to
    }
}
