//! Many aggregates of one event table by one key, in a single pass over its files.
//!
//! A [`Group`] is an aggregate of an argument over the rows for which a predicate holds. It has columns of [`Cells`], one value per
//! key, and [`Part`]s of time, each of which says to which columns its rows are added, or from which they are taken away. [`run`]
//! reads the sources of a [`FusedInput`] once. Each distinct predicate is evaluated once a batch. Workers share the columns: each
//! group has a lock of its own, so that memory grows with the keys and not with the processors.
//!
//! What a window is, which of them share a group, and what was read before is for the caller to know: this module knows no
//! definitions and keeps no state.

mod cells;
mod extract;
pub(crate) mod files;
pub(crate) mod predicates;
pub(crate) mod scan;
mod sums;
pub(crate) mod values;

pub use cells::{Cells, Target, Variance};
pub use extract::Extract;
pub use files::time_range;
pub use scan::{Fused, FusedInput, extract_schema, has_part, run, size_of};
pub use values::{ValueKind, float_of_order};

use datafusion::logical_expr::Expr;

use crate::Source;

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

impl Group {
    pub(crate) fn asked(&self) -> predicates::Asked<'_> {
        predicates::Asked {
            predicate: &self.predicate,
            argument: self.argument.as_ref(),
            order: self.order.as_ref(),
        }
    }
}

/// A stretch of event time in one class of files.
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

impl Part {
    fn overlaps(&self, class: usize, (from, to): (i64, i64)) -> bool {
        self.class == class && self.from < to && from < self.to
    }

    fn covers(&self, (from, to): (i64, i64)) -> bool {
        self.from <= from && to <= self.to
    }
}

/// Something to read and the class that it belongs to.
#[derive(Debug, Clone)]
pub struct ClassedSource {
    /// The class, as parts name it.
    pub class: usize,
    /// A file, or rows in memory.
    pub source: Source,
    /// Whether the rows of some keys are wanted by themselves, too: see [`FusedInput::share`].
    pub is_extracted: bool,
}

impl From<Source> for ClassedSource {
    /// The source in the first class.
    fn from(source: Source) -> Self {
        Self { class: 0, source, is_extracted: false }
    }
}
