//! The values of an aggregate: one per key.

use arrow::datatypes::DataType;

use super::groups::Aggregate;
use super::numbers::ValueKind;
use crate::exact_sum::{ExactSum, Moments};

/// The values of an aggregate: one cell for each key, by its number, and one for rows without a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Rows.
    Count(Vec<u32>),
    /// Sums of whole numbers, or of decimals in digits; one that outgrows them makes all of them [`Cells::Wide`].
    Sum(Vec<i64>),
    /// Sums of whole numbers or decimals, in more bits.
    Wide(Vec<i128>),
    /// Sums of floats.
    Float(Vec<ExactSum>),
    /// The largest value as an integer of the same order, [`i64::MIN`] where there is none.
    Max(Vec<i64>),
    /// The bitwise complement of the smallest value as an integer of the same order, [`i64::MIN`] where there is none.
    Min(Vec<i64>),
    /// Moments of values.
    Variance(Vec<Moments>),
    /// The value that is first or last: by what it is so (negated bitwise for the first), and the value if it is
    /// not null. Of several that are, the largest; so it does not matter which of them was read first.
    Edge(Vec<Option<(i64, Option<i64>)>>),
    /// Each distinct value's key and code, in no order and more than once.
    Distinct(Vec<(u32, u128)>),
}

impl Cells {
    /// No keys yet, for an argument of this type.
    #[must_use]
    pub fn new(aggregate: Aggregate, argument: Option<&DataType>) -> Self {
        match (aggregate, argument.and_then(ValueKind::of)) {
            (Aggregate::Count, _) => Self::Count(Vec::new()),
            (Aggregate::CountDistinct, _) => Self::Distinct(Vec::new()),
            (Aggregate::Sum, Some(ValueKind::Float)) => Self::Float(Vec::new()),
            (Aggregate::Sum, Some(ValueKind::Decimal)) => Self::Wide(Vec::new()),
            (Aggregate::Sum, _) => Self::Sum(Vec::new()),
            (Aggregate::Max, _) => Self::Max(Vec::new()),
            (Aggregate::Min, _) => Self::Min(Vec::new()),
            (Aggregate::Variance, _) => Self::Variance(Vec::new()),
            (Aggregate::First | Aggregate::Last, _) => Self::Edge(Vec::new()),
        }
    }

    /// How many cells there are; none of distinct values, which are pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Count(values) => values.len(),
            Self::Sum(values) | Self::Max(values) | Self::Min(values) => values.len(),
            Self::Wide(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Variance(values) => values.len(),
            Self::Edge(values) => values.len(),
            Self::Distinct(_) => 0,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room for so many cells.
    pub fn resize(&mut self, cells: usize) {
        match self {
            Self::Count(values) => values.resize(cells, 0),
            Self::Sum(values) => values.resize(cells, 0),
            Self::Wide(values) => values.resize(cells, 0),
            Self::Float(values) => values.resize(cells, ExactSum::default()),
            Self::Max(values) | Self::Min(values) => values.resize(cells, i64::MIN),
            Self::Variance(values) => values.resize(cells, Moments::default()),
            Self::Edge(values) => values.resize(cells, None),
            Self::Distinct(_) => {}
        }
    }

    /// Moves the cell at `place` behind all others.
    pub fn move_to_end(&mut self, place: usize) {
        match self {
            Self::Count(values) => values[place..].rotate_left(1),
            Self::Sum(values) | Self::Max(values) | Self::Min(values) => values[place..].rotate_left(1),
            Self::Wide(values) => values[place..].rotate_left(1),
            Self::Float(values) => values[place..].rotate_left(1),
            Self::Variance(values) => values[place..].rotate_left(1),
            Self::Edge(values) => values[place..].rotate_left(1),
            Self::Distinct(_) => {}
        }
    }

    /// Makes room for further keys; the last cell stays that of rows without a key.
    pub fn grow(&mut self, cells: usize) {
        if let Some(keyless) = self.len().checked_sub(1).filter(|_| cells > self.len()) {
            self.resize(cells);
            self.move_to_end(keyless);
        }
    }

    /// The same values in other cells: that of cell `c` in cell `places[c]`, and a last one without a place in the last.
    #[must_use]
    pub fn moved(&self, places: &[u32], cells: usize) -> Self {
        fn moved<T: Copy>(values: &[T], places: &[u32], mut there: Vec<T>) -> Vec<T> {
            for (&value, &place) in values.iter().zip(places) {
                there[place as usize] = value;
            }
            if let (Some(last), Some(keyless)) = (there.last_mut(), values.get(places.len())) {
                *last = *keyless;
            }
            there
        }
        match self {
            Self::Count(values) => Self::Count(moved(values, places, vec![0; cells])),
            Self::Sum(values) => Self::Sum(moved(values, places, vec![0; cells])),
            Self::Wide(values) => Self::Wide(moved(values, places, vec![0; cells])),
            Self::Float(values) => Self::Float(moved(values, places, vec![ExactSum::default(); cells])),
            Self::Max(values) => Self::Max(moved(values, places, vec![i64::MIN; cells])),
            Self::Min(values) => Self::Min(moved(values, places, vec![i64::MIN; cells])),
            Self::Variance(values) => Self::Variance(moved(values, places, vec![Moments::default(); cells])),
            Self::Edge(values) => Self::Edge(moved(values, places, vec![None; cells])),
            Self::Distinct(pairs) => {
                let last = u32::try_from(cells).unwrap_or(u32::MAX).saturating_sub(1);
                let place = |cell: u32| places.get(cell as usize).copied().unwrap_or(last);
                Self::Distinct(pairs.iter().map(|&(cell, code)| (place(cell), code)).collect())
            }
        }
    }

    /// Adds the cells of other rows for the same keys, or takes them away.
    pub fn add(&mut self, other: &Self, sign: i8) {
        match (&mut *self, other) {
            (Self::Count(ours), Self::Count(theirs)) => match sign {
                1 => fold(ours, theirs, |a, b| *a = a.wrapping_add(b)),
                _ => fold(ours, theirs, |a, b| *a = a.wrapping_sub(b)),
            },
            (Self::Sum(ours), Self::Sum(theirs)) => {
                let sum =
                    |a: i64, b: i64| if sign == 1 { a.overflowing_add(b) } else { a.overflowing_sub(b) };
                let stopped = ours.iter_mut().zip(theirs).position(|(a, &b)| {
                    let (sum, overflows) = sum(*a, b);
                    *a = if overflows { *a } else { sum };
                    overflows
                });
                if let Some(rest) = stopped {
                    let ours = self.widen();
                    let pairs = ours[rest..].iter_mut().zip(&theirs[rest..]);
                    pairs.for_each(|(a, &b)| *a += i128::from(b) * i128::from(sign));
                }
            }
            (Self::Wide(ours), Self::Sum(theirs)) => {
                fold(ours, theirs, |a, b| *a += i128::from(b) * i128::from(sign))
            }
            (Self::Sum(_), Self::Wide(_)) => {
                self.widen();
                self.add(other, sign);
            }
            (Self::Wide(ours), Self::Wide(theirs)) => {
                fold(ours, theirs, |a, b| *a = a.wrapping_add(b * i128::from(sign)))
            }
            (Self::Float(ours), Self::Float(theirs)) => fold(ours, theirs, ExactSum::merge),
            (Self::Max(ours), Self::Max(theirs)) | (Self::Min(ours), Self::Min(theirs)) => {
                fold(ours, theirs, |a, b| *a = (*a).max(b));
            }
            (Self::Variance(ours), Self::Variance(theirs)) => fold(ours, theirs, Moments::merge),
            (Self::Edge(ours), Self::Edge(theirs)) => fold(ours, theirs, |a, b| *a = (*a).max(b)),
            (Self::Distinct(ours), Self::Distinct(theirs)) => {
                ours.extend_from_slice(theirs);
                deduplicate(ours);
            }
            _ => {}
        }
    }

    /// Sums in more bits.
    pub(super) fn widen(&mut self) -> &mut [i128] {
        if let Self::Sum(cells) = self {
            *self = Self::Wide(cells.iter().map(|&value| i128::from(value)).collect());
        }
        match self {
            Self::Wide(cells) => cells,
            _ => &mut [],
        }
    }

    /// How many distinct values each of so many cells has; the cell of rows without a key is numbered `keyless` in the pairs.
    #[must_use]
    pub fn counted(self, cells: usize, keyless: u32) -> Self {
        let Self::Distinct(mut pairs) = self else { return self };
        deduplicate(&mut pairs);
        let mut counts = vec![0_u32; cells];
        for (key, _) in pairs {
            let place = match key.cmp(&keyless) {
                std::cmp::Ordering::Less => key as usize,
                std::cmp::Ordering::Equal => cells - 1,
                std::cmp::Ordering::Greater => key as usize - 1,
            };
            counts[place] += 1;
        }
        Self::Count(counts)
    }
}

pub(super) fn deduplicate(pairs: &mut Vec<(u32, u128)>) {
    pairs.sort_unstable();
    pairs.dedup();
}

fn fold<A, B: Copy>(ours: &mut [A], theirs: &[B], add: impl Fn(&mut A, B)) {
    ours.iter_mut().zip(theirs).for_each(|(ours, &theirs)| add(ours, theirs));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_outgrow_64_bits_are_added_in_128() {
        let mut ours = Cells::Sum(vec![1, i64::MIN, 3]);
        ours.add(&Cells::Sum(vec![1, 1, 1]), -1);
        assert_eq!(ours, Cells::Wide(vec![0, i128::from(i64::MIN) - 1, 2]));
        let mut ours = Cells::Sum(vec![1]);
        ours.add(&Cells::Wide(vec![1 << 70]), 1);
        assert_eq!(ours, Cells::Wide(vec![(1 << 70) + 1]));
    }

    #[test]
    fn cells_of_new_keys_come_before_that_of_rows_without_a_key() {
        let mut cells = Cells::Count(vec![1, 2, 9]);
        cells.grow(5);
        assert_eq!(cells, Cells::Count(vec![1, 2, 0, 0, 9]));
        // Two keys were known, so that rows without a key stand at 2, and a new one after them.
        let distinct = Cells::Distinct(vec![(0, 7), (3, 7), (2, 1), (0, 7), (2, 2)]);
        assert_eq!(distinct.counted(4, 2), Cells::Count(vec![1, 0, 1, 2]));
    }

    #[test]
    fn cells_move_to_other_places() {
        assert_eq!(Cells::Count(vec![1, 2, 9]).moved(&[3, 0], 5), Cells::Count(vec![2, 0, 0, 1, 9]));
        assert_eq!(Cells::Max(vec![1, 9]).moved(&[2, 1], 3), Cells::Max(vec![i64::MIN, 9, 1]));
        let pairs = Cells::Distinct(vec![(0, 7), (1, 8)]);
        assert_eq!(pairs.moved(&[2, 0], 3), Cells::Distinct(vec![(2, 7), (0, 8)]));
    }
}
