//! Accumulators: one value per key.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;

use super::values::{codes, decimals, floats, integers, ordered};
use super::{Aggregate, ValueKind};
use crate::SqlError;

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
    Float(Vec<f64>),
    /// The largest value as an integer of the same order, [`i64::MIN`] where there is none.
    Max(Vec<i64>),
    /// The bitwise complement of the smallest value as an integer of the same order, [`i64::MIN`] where there is none.
    Min(Vec<i64>),
    /// Moments of values.
    Variance(Vec<Variance>),
    /// The value that is first or last: by what it is so (negated bitwise for the first), and the value if it is not null.
    Edge(Vec<Option<(i64, Option<i64>)>>),
    /// Each distinct value's key and code, in no order and more than once.
    Distinct(Vec<(u32, u128)>),
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

/// The rows of a batch that count, and the keys of all of its rows.
pub(crate) struct Selection<'a> {
    /// The number of each row's key.
    pub(crate) keys: &'a [u32],
    /// Those that count; all without.
    pub(crate) selected: Option<&'a BooleanBuffer>,
}

/// The rows of a selection that are not null.
enum Rows<'a> {
    All(&'a [u32]),
    Picked(&'a [u32], Vec<u32>),
}

impl<'a> Selection<'a> {
    #[expect(clippy::cast_possible_truncation, reason = "rows of a batch")]
    fn without(&self, nulls: Option<&NullBuffer>) -> Rows<'a> {
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0).map(NullBuffer::inner);
        let picked = |rows: &BooleanBuffer| {
            Rows::Picked(self.keys, rows.set_indices().map(|row| row as u32).collect())
        };
        match (self.selected, nulls) {
            (Some(selected), Some(valid)) => picked(&(selected & valid)),
            (Some(rows), None) | (None, Some(rows)) => picked(rows),
            (None, None) => Rows::All(self.keys),
        }
    }
}

impl Rows<'_> {
    /// Calls `visit` with the key and the row of each, from the `start`th on, until one of them is refused; which that is.
    #[inline]
    fn each_until(&self, start: usize, mut visit: impl FnMut(usize, usize) -> bool) -> Option<usize> {
        match self {
            Self::All(keys) => {
                let found =
                    keys[start..].iter().zip(start..).position(|(&key, row)| !visit(key as usize, row));
                found.map(|place| start + place)
            }
            Self::Picked(keys, rows) => {
                let found =
                    rows[start..].iter().position(|&row| !visit(keys[row as usize] as usize, row as usize));
                found.map(|place| start + place)
            }
        }
    }

    #[inline]
    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        match self {
            Self::All(keys) => keys.iter().enumerate().for_each(|(row, &key)| visit(key as usize, row)),
            Self::Picked(keys, rows) => {
                rows.iter().for_each(|&row| visit(keys[row as usize] as usize, row as usize))
            }
        }
    }
}

/// What a batch has for a group.
pub(crate) struct Arguments<'a> {
    pub(crate) value: Option<&'a ArrayRef>,
    pub(crate) order: Option<&'a ArrayRef>,
}

/// Where the rows of a part go, and whether they are added or, where that can be, taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// The column of the group.
    pub column: usize,
    /// 1 or -1.
    pub sign: i8,
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
            Self::Float(values) => values.resize(cells, 0.0),
            Self::Max(values) | Self::Min(values) => values.resize(cells, i64::MIN),
            Self::Variance(values) => values.resize(cells, Variance::default()),
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

    /// The same values in other cells: that of cell `c` in cell `numbers[c]`, the last in the last.
    #[must_use]
    pub fn moved(self, numbers: &[u32], cells: usize) -> Self {
        fn moved<T: Copy>(values: &[T], numbers: &[u32], mut there: Vec<T>) -> Vec<T> {
            for (&value, &number) in values.iter().zip(numbers) {
                there[number as usize] = value;
            }
            if let (Some(last), Some(keyless)) = (there.last_mut(), values.last()) {
                *last = *keyless;
            }
            there
        }
        match self {
            Self::Count(values) => Self::Count(moved(&values, numbers, vec![0; cells])),
            Self::Sum(values) => Self::Sum(moved(&values, numbers, vec![0; cells])),
            Self::Wide(values) => Self::Wide(moved(&values, numbers, vec![0; cells])),
            Self::Float(values) => Self::Float(moved(&values, numbers, vec![0.0; cells])),
            Self::Max(values) => Self::Max(moved(&values, numbers, vec![i64::MIN; cells])),
            Self::Min(values) => Self::Min(moved(&values, numbers, vec![i64::MIN; cells])),
            Self::Variance(values) => {
                Self::Variance(moved(&values, numbers, vec![Variance::default(); cells]))
            }
            Self::Edge(values) => Self::Edge(moved(&values, numbers, vec![None; cells])),
            Self::Distinct(pairs) => Self::Distinct(pairs),
        }
    }

    /// Takes in the selected rows of a batch, or takes them away.
    pub(crate) fn update(
        &mut self,
        rows: &Selection<'_>,
        arguments: &Arguments<'_>,
        aggregate: Aggregate,
        sign: i8,
    ) -> Result<(), SqlError> {
        let missing = || SqlError::Engine("an aggregate without its argument".to_owned());
        let value = || arguments.value.ok_or_else(missing);
        match self {
            Self::Count(cells) => {
                let rows = rows.without(arguments.value.and_then(|value| value.logical_nulls()).as_ref());
                match sign {
                    1 => rows.each(|key, _| cells[key] = cells[key].wrapping_add(1)),
                    _ => rows.each(|key, _| cells[key] = cells[key].wrapping_sub(1)),
                }
            }
            Self::Sum(cells) => {
                let (values, nulls) = integers(value()?)?;
                let rows = rows.without(nulls.as_ref());
                let fits = |(sum, overflows): (i64, bool), cell: &mut i64| {
                    *cell = if overflows { *cell } else { sum };
                    !overflows
                };
                let stopped = match sign {
                    1 => rows.each_until(0, |key, row| {
                        fits(cells[key].overflowing_add(values[row]), &mut cells[key])
                    }),
                    _ => rows.each_until(0, |key, row| {
                        fits(cells[key].overflowing_sub(values[row]), &mut cells[key])
                    }),
                };
                if let Some(rest) = stopped {
                    let cells = self.widen();
                    rows.each_until(rest, |key, row| {
                        cells[key] += i128::from(values[row]) * i128::from(sign);
                        true
                    });
                }
            }
            Self::Wide(cells) => {
                let found = decimals(value()?)?;
                let sign = i128::from(sign);
                let rows = rows.without(found.nulls.as_ref());
                rows.each(|key, row| {
                    cells[key] = cells[key].wrapping_add(found.values[row].wrapping_mul(sign))
                });
            }
            Self::Float(cells) => {
                let found = floats(value()?)?;
                rows.without(found.nulls.as_ref()).each(|key, row| cells[key] += found.values[row]);
            }
            Self::Max(cells) => {
                let (values, nulls) = ordered(value()?)?;
                rows.without(nulls.as_ref()).each(|key, row| cells[key] = cells[key].max(values[row]));
            }
            Self::Min(cells) => {
                let (values, nulls) = ordered(value()?)?;
                rows.without(nulls.as_ref()).each(|key, row| cells[key] = cells[key].max(!values[row]));
            }
            Self::Variance(cells) => {
                let found = floats(value()?)?;
                rows.without(found.nulls.as_ref()).each(|key, row| cells[key].add(found.values[row]));
            }
            Self::Edge(cells) => {
                let (values, nulls) = ordered(value()?)?;
                let (order, order_nulls) = ordered(arguments.order.ok_or_else(missing)?)?;
                let first = aggregate == Aggregate::First;
                rows.without(order_nulls.as_ref()).each(|key, row| {
                    let rank = if first { !order[row] } else { order[row] };
                    if cells[key].is_none_or(|(best, _)| best < rank) {
                        let value =
                            nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then(|| values[row]);
                        cells[key] = Some((rank, value));
                    }
                });
            }
            Self::Distinct(pairs) => {
                let found = codes(value()?)?;
                let number = |key: usize| u32::try_from(key).unwrap_or(u32::MAX);
                rows.without(found.nulls.as_ref())
                    .each(|key, row| pairs.push((number(key), found.values[row])));
                if pairs.len() > DISTINCT_PAIRS && pairs.len().is_power_of_two() {
                    deduplicate(pairs);
                }
            }
        }
        Ok(())
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
            (Self::Float(ours), Self::Float(theirs)) => fold(ours, theirs, |a, b| *a += b),
            (Self::Max(ours), Self::Max(theirs)) | (Self::Min(ours), Self::Min(theirs)) => {
                fold(ours, theirs, |a, b| *a = (*a).max(b));
            }
            (Self::Variance(ours), Self::Variance(theirs)) => fold(ours, theirs, Variance::merge),
            (Self::Edge(ours), Self::Edge(theirs)) => fold(ours, theirs, |a, b| {
                if let Some((rank, _)) = b
                    && a.is_none_or(|(best, _)| best < rank)
                {
                    *a = b;
                }
            }),
            (Self::Distinct(ours), Self::Distinct(theirs)) => {
                ours.extend_from_slice(theirs);
                deduplicate(ours);
            }
            _ => {}
        }
    }

    /// Sums in more bits.
    fn widen(&mut self) -> &mut [i128] {
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

/// Pairs from which on duplicates are dropped now and then.
const DISTINCT_PAIRS: usize = 1 << 20;

fn deduplicate(pairs: &mut Vec<(u32, u128)>) {
    pairs.sort_unstable();
    pairs.dedup();
}

fn fold<A, B: Copy>(ours: &mut [A], theirs: &[B], add: impl Fn(&mut A, B)) {
    ours.iter_mut().zip(theirs).for_each(|(ours, &theirs)| add(ours, theirs));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn a_sum_that_outgrows_64_bits_goes_on_in_128() {
        let mut cells = Cells::Sum(vec![0, i64::MAX - 1]);
        let values: ArrayRef = Arc::new(Int64Array::from(vec![5, 1, 7, 2]));
        let arguments = Arguments { value: Some(&values), order: None };
        let rows = Selection { keys: &[0, 1, 1, 0], selected: None };
        cells.update(&rows, &arguments, Aggregate::Sum, 1).unwrap();
        assert_eq!(cells, Cells::Wide(vec![7, i128::from(i64::MAX) + 7]));
        cells.update(&rows, &arguments, Aggregate::Sum, -1).unwrap();
        assert_eq!(cells, Cells::Wide(vec![0, i128::from(i64::MAX) - 1]));

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
}
