//! Accumulators: one value per key and part of a group.

use arrow::array::ArrayRef;
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;

use super::values::{codes, decimals, floats, integers, ordered};
use super::{Aggregate, ValueKind};
use crate::SqlError;

/// The values of a group: of row `r` and part `p` of `n` parts, the one at `r * n + p`.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Rows.
    Count(Vec<u32>),
    /// Sums of whole numbers; they wrap around, as the engine's do.
    Sum(Vec<i64>),
    /// Sums of decimals, in digits.
    SumDecimal(Vec<i128>),
    /// Sums of floats.
    SumFloat(Vec<f64>),
    /// The largest value as an integer of the same order, [`i64::MIN`] where there is none.
    Max(Vec<i64>),
    /// The bitwise complement of the smallest value as an integer of the same order, [`i64::MIN`] where there is none.
    Min(Vec<i64>),
    /// Moments of values.
    Variance(Vec<Variance>),
    /// The value that is first or last: by what it is so (negated bitwise for the first), and the value if it is not null.
    Edge(Vec<Option<(i64, Option<i64>)>>),
    /// Each distinct value's cell and code, in no order and more than once.
    Distinct(Vec<(u64, u128)>),
}

/// Count, mean and sum of squared deviations; mergeable.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Variance {
    /// Values.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// The sum of squared deviations from it.
    pub m2: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
impl Variance {
    fn add(&mut self, value: f64) {
        self.n += 1;
        let delta = value - self.mean;
        self.mean += delta / self.n as f64;
        self.m2 += delta * (value - self.mean);
    }

    /// Adds the moments of other values (Chan, Golub & LeVeque 1979).
    pub fn merge(&mut self, other: Self) {
        let n = self.n + other.n;
        if other.n == 0 {
            return;
        }
        let delta = other.mean - self.mean;
        self.mean += delta * other.n as f64 / n as f64;
        self.m2 += other.m2 + delta * delta * self.n as f64 * other.n as f64 / n as f64;
        self.n = n;
    }
}

/// Which part the rows of a batch fall into.
pub(crate) enum PartOf {
    /// All into this one.
    One(usize),
    /// Each into its own, [`PartOf::NONE`] into none.
    Each(Vec<u8>),
}

impl PartOf {
    pub(crate) const NONE: u8 = u8::MAX;
}

/// The rows of a batch that a group counts.
pub(crate) struct Selection<'a> {
    /// The number of each row's key.
    pub(crate) keys: &'a [u32],
    /// Those for which the predicate holds; all without.
    pub(crate) selected: Option<&'a BooleanBuffer>,
    pub(crate) part_of: &'a PartOf,
    /// Parts of the group.
    pub(crate) parts: usize,
}

impl Selection<'_> {
    /// Calls `visit` with the cell and the row of each selected row that is not null.
    #[inline]
    fn each(&self, nulls: Option<&NullBuffer>, mut visit: impl FnMut(usize, usize)) {
        let parts = self.parts;
        let combined = match (self.selected, nulls.filter(|nulls| nulls.null_count() > 0)) {
            (Some(selected), Some(nulls)) => Some(selected & nulls.inner()),
            (None, Some(nulls)) => Some(nulls.inner().clone()),
            (Some(selected), None) => Some(selected.clone()),
            (None, None) => None,
        };
        match (self.part_of, combined) {
            (PartOf::One(part), Some(rows)) => {
                rows.set_indices().for_each(|row| visit(self.keys[row] as usize * parts + part, row));
            }
            (PartOf::One(part), None) => {
                self.keys.iter().enumerate().for_each(|(row, &key)| visit(key as usize * parts + part, row));
            }
            (PartOf::Each(part_of), rows) => {
                let mut visit = |row: usize| {
                    let part = part_of[row];
                    if part != PartOf::NONE {
                        visit(self.keys[row] as usize * parts + usize::from(part), row);
                    }
                };
                match rows {
                    Some(rows) => rows.set_indices().for_each(&mut visit),
                    None => (0..self.keys.len()).for_each(&mut visit),
                }
            }
        }
    }
}

/// What a batch has for a group.
pub(crate) struct Arguments<'a> {
    pub(crate) value: Option<&'a ArrayRef>,
    pub(crate) order: Option<&'a ArrayRef>,
}

impl Cells {
    /// No rows yet, for an argument of this type.
    pub(crate) fn new(aggregate: Aggregate, argument: Option<&DataType>) -> Self {
        match (aggregate, argument.and_then(ValueKind::of)) {
            (Aggregate::Count, _) => Self::Count(Vec::new()),
            (Aggregate::CountDistinct, _) => Self::Distinct(Vec::new()),
            (Aggregate::Sum, Some(ValueKind::Float)) => Self::SumFloat(Vec::new()),
            (Aggregate::Sum, _) if matches!(argument, Some(DataType::Decimal128(..))) => Self::SumDecimal(Vec::new()),
            (Aggregate::Sum, _) => Self::Sum(Vec::new()),
            (Aggregate::Max, _) => Self::Max(Vec::new()),
            (Aggregate::Min, _) => Self::Min(Vec::new()),
            (Aggregate::Variance, _) => Self::Variance(Vec::new()),
            (Aggregate::First | Aggregate::Last, _) => Self::Edge(Vec::new()),
        }
    }

    /// Makes room for so many cells.
    pub(crate) fn grow(&mut self, cells: usize) {
        match self {
            Self::Count(values) => values.resize(cells, 0),
            Self::Sum(values) => values.resize(cells, 0),
            Self::SumDecimal(values) => values.resize(cells, 0),
            Self::SumFloat(values) => values.resize(cells, 0.0),
            Self::Max(values) | Self::Min(values) => values.resize(cells, i64::MIN),
            Self::Variance(values) => values.resize(cells, Variance::default()),
            Self::Edge(values) => values.resize(cells, None),
            Self::Distinct(_) => {}
        }
    }

    /// Takes in the selected rows of a batch.
    pub(crate) fn update(
        &mut self,
        rows: &Selection<'_>,
        arguments: &Arguments<'_>,
        aggregate: Aggregate,
    ) -> Result<(), SqlError> {
        let missing = || SqlError::Engine("an aggregate without its argument".to_owned());
        let value = || arguments.value.ok_or_else(missing);
        match self {
            Self::Count(cells) => {
                let nulls = arguments.value.and_then(|value| value.logical_nulls());
                rows.each(nulls.as_ref(), |cell, _| cells[cell] += 1);
            }
            Self::Sum(cells) => {
                let (values, nulls) = integers(value()?)?;
                rows.each(nulls.as_ref(), |cell, row| cells[cell] = cells[cell].wrapping_add(values[row]));
            }
            Self::SumDecimal(cells) => {
                let found = decimals(value()?)?;
                rows.each(found.nulls.as_ref(), |cell, row| cells[cell] = cells[cell].wrapping_add(found.values[row]));
            }
            Self::SumFloat(cells) => {
                let found = floats(value()?)?;
                rows.each(found.nulls.as_ref(), |cell, row| cells[cell] += found.values[row]);
            }
            Self::Max(cells) => {
                let (values, nulls) = ordered(value()?)?;
                rows.each(nulls.as_ref(), |cell, row| cells[cell] = cells[cell].max(values[row]));
            }
            Self::Min(cells) => {
                let (values, nulls) = ordered(value()?)?;
                rows.each(nulls.as_ref(), |cell, row| cells[cell] = cells[cell].max(!values[row]));
            }
            Self::Variance(cells) => {
                let found = floats(value()?)?;
                rows.each(found.nulls.as_ref(), |cell, row| cells[cell].add(found.values[row]));
            }
            Self::Edge(cells) => {
                let (values, nulls) = ordered(value()?)?;
                let (order, order_nulls) = ordered(arguments.order.ok_or_else(missing)?)?;
                let first = aggregate == Aggregate::First;
                rows.each(order_nulls.as_ref(), |cell, row| {
                    let rank = if first { !order[row] } else { order[row] };
                    if cells[cell].is_none_or(|(best, _)| best < rank) {
                        let value = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then(|| values[row]);
                        cells[cell] = Some((rank, value));
                    }
                });
            }
            Self::Distinct(pairs) => {
                let found = codes(value()?)?;
                rows.each(found.nulls.as_ref(), |cell, row| pairs.push((cell as u64, found.values[row])));
                if pairs.len() > DISTINCT_PAIRS && pairs.len().is_power_of_two() {
                    deduplicate(pairs);
                }
            }
        }
        Ok(())
    }

    /// Adds what another reader of the same group found; `row_of` says which of our rows each of its rows is.
    pub(crate) fn merge(&mut self, other: Self, row_of: &dyn Fn(usize) -> usize, parts: usize, same: usize) {
        // The first `same` rows are the same on both sides, which is nearly all of them.
        let target = |cell: usize| {
            let row = cell / parts;
            if row < same { cell } else { row_of(row) * parts + cell % parts }
        };
        match (self, other) {
            (Self::Count(ours), Self::Count(theirs)) => fold(ours, theirs, target, |a, b| *a += b),
            (Self::Sum(ours), Self::Sum(theirs)) => fold(ours, theirs, target, |a, b| *a = a.wrapping_add(b)),
            (Self::SumDecimal(ours), Self::SumDecimal(theirs)) => fold(ours, theirs, target, |a, b| *a = a.wrapping_add(b)),
            (Self::SumFloat(ours), Self::SumFloat(theirs)) => fold(ours, theirs, target, |a, b| *a += b),
            (Self::Max(ours), Self::Max(theirs)) | (Self::Min(ours), Self::Min(theirs)) => {
                fold(ours, theirs, target, |a, b| *a = (*a).max(b));
            }
            (Self::Variance(ours), Self::Variance(theirs)) => fold(ours, theirs, target, |a, b| a.merge(b)),
            (Self::Edge(ours), Self::Edge(theirs)) => fold(ours, theirs, target, |a, b| {
                if let Some((rank, _)) = b
                    && a.is_none_or(|(best, _)| best < rank)
                {
                    *a = b;
                }
            }),
            (Self::Distinct(ours), Self::Distinct(theirs)) => {
                #[expect(clippy::cast_possible_truncation, reason = "cells are indices of memory")]
                ours.extend(theirs.into_iter().map(|(cell, code)| (target(cell as usize) as u64, code)));
                deduplicate(ours);
            }
            _ => {}
        }
    }
}

/// Pairs from which on duplicates are dropped now and then.
const DISTINCT_PAIRS: usize = 1 << 20;

fn deduplicate(pairs: &mut Vec<(u64, u128)>) {
    pairs.sort_unstable();
    pairs.dedup();
}

fn fold<T: Copy>(ours: &mut [T], theirs: Vec<T>, target: impl Fn(usize) -> usize, add: impl Fn(&mut T, T)) {
    for (cell, value) in theirs.into_iter().enumerate() {
        add(&mut ours[target(cell)], value);
    }
}
