//! Adding the rows of a batch to cells.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::{BooleanBuffer, NullBuffer};

use super::cells::{Cells, deduplicate};
use super::groups::Aggregate;
use super::numbers::{codes, decimals, floats, integers, ordered};
use crate::SqlError;

/// The rows of a batch that count, and the keys of all of its rows.
pub(super) struct Selection<'a> {
    /// The number of each row's key.
    pub(super) keys: &'a [u32],
    /// Those that count; all without.
    pub(super) selected: Option<&'a BooleanBuffer>,
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
pub(super) struct Arguments<'a> {
    pub(super) value: Option<&'a ArrayRef>,
    pub(super) order: Option<&'a ArrayRef>,
}

impl Arguments<'_> {
    fn value(&self) -> Result<&ArrayRef, SqlError> {
        self.value.ok_or_else(missing)
    }
}

fn missing() -> SqlError {
    SqlError::Engine("an aggregate without its argument".to_owned())
}

impl Cells {
    /// Adds the selected rows of a batch, or subtracts them.
    pub(super) fn update(
        &mut self,
        rows: &Selection<'_>,
        arguments: &Arguments<'_>,
        aggregate: Aggregate,
        sign: i8,
    ) -> Result<(), SqlError> {
        match self {
            Self::Count(cells) => {
                let rows = rows.without(arguments.value.and_then(|value| value.logical_nulls()).as_ref());
                match sign {
                    1 => rows.each(|key, _| cells[key] = cells[key].wrapping_add(1)),
                    _ => rows.each(|key, _| cells[key] = cells[key].wrapping_sub(1)),
                }
            }
            Self::Sum(_) => return self.sum(rows, arguments.value()?, sign),
            Self::Wide(cells) => {
                let found = decimals(arguments.value()?)?;
                let sign = i128::from(sign);
                let rows = rows.without(found.nulls.as_ref());
                rows.each(|key, row| {
                    cells[key] = cells[key].wrapping_add(found.values[row].wrapping_mul(sign))
                });
            }
            Self::Float(cells) => {
                let found = floats(arguments.value()?)?;
                rows.without(found.nulls.as_ref()).each(|key, row| cells[key].add(found.values[row]));
            }
            Self::Max(cells) => {
                let (values, nulls) = ordered(arguments.value()?)?;
                rows.without(nulls.as_ref()).each(|key, row| cells[key] = cells[key].max(values[row]));
            }
            Self::Min(cells) => {
                let (values, nulls) = ordered(arguments.value()?)?;
                rows.without(nulls.as_ref()).each(|key, row| cells[key] = cells[key].max(!values[row]));
            }
            Self::Variance(cells) => {
                let found = floats(arguments.value()?)?;
                rows.without(found.nulls.as_ref()).each(|key, row| cells[key].add(found.values[row]));
            }
            Self::Edge(cells) => return edges(cells, rows, arguments, aggregate == Aggregate::First),
            Self::Distinct(pairs) => return distinct(pairs, rows, arguments.value()?),
        }
        Ok(())
    }

    /// Sums in 64 bits, until one outgrows them.
    fn sum(&mut self, rows: &Selection<'_>, value: &ArrayRef, sign: i8) -> Result<(), SqlError> {
        let Self::Sum(cells) = self else { return Ok(()) };
        let (values, nulls) = integers(value)?;
        let rows = rows.without(nulls.as_ref());
        let fits = |(sum, overflows): (i64, bool), cell: &mut i64| {
            *cell = if overflows { *cell } else { sum };
            !overflows
        };
        let stopped =
            match sign {
                1 => rows
                    .each_until(0, |key, row| fits(cells[key].overflowing_add(values[row]), &mut cells[key])),
                _ => rows
                    .each_until(0, |key, row| fits(cells[key].overflowing_sub(values[row]), &mut cells[key])),
            };
        if let Some(rest) = stopped {
            let cells = self.widen();
            rows.each_until(rest, |key, row| {
                cells[key] += i128::from(values[row]) * i128::from(sign);
                true
            });
        }
        Ok(())
    }
}

/// The value of the row that is first, or last, and by what it is so.
fn edges(
    cells: &mut [Option<(i64, Option<i64>)>],
    rows: &Selection<'_>,
    arguments: &Arguments<'_>,
    first: bool,
) -> Result<(), SqlError> {
    let (values, nulls) = ordered(arguments.value()?)?;
    let (order, order_nulls) = ordered(arguments.order.ok_or_else(missing)?)?;
    rows.without(order_nulls.as_ref()).each(|key, row| {
        let rank = if first { !order[row] } else { order[row] };
        if cells[key].is_none_or(|(best, _)| best <= rank) {
            let value = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then(|| values[row]);
            cells[key] = cells[key].max(Some((rank, value)));
        }
    });
    Ok(())
}

fn distinct(pairs: &mut Vec<(u32, u128)>, rows: &Selection<'_>, value: &ArrayRef) -> Result<(), SqlError> {
    let found = codes(value)?;
    let number = |key: usize| u32::try_from(key).unwrap_or(u32::MAX);
    rows.without(found.nulls.as_ref()).each(|key, row| pairs.push((number(key), found.values[row])));
    if pairs.len() > DISTINCT_PAIRS && pairs.len().is_power_of_two() {
        deduplicate(pairs);
    }
    Ok(())
}

/// Pairs from which on duplicates are dropped now and then.
const DISTINCT_PAIRS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn a_sum_that_outgrows_64_bits_continues_in_128() {
        let mut cells = Cells::Sum(vec![0, i64::MAX - 1]);
        let values: ArrayRef = Arc::new(Int64Array::from(vec![5, 1, 7, 2]));
        let arguments = Arguments { value: Some(&values), order: None };
        let rows = Selection { keys: &[0, 1, 1, 0], selected: None };
        cells.update(&rows, &arguments, Aggregate::Sum, 1).unwrap();
        assert_eq!(cells, Cells::Wide(vec![7, i128::from(i64::MAX) + 7]));
        cells.update(&rows, &arguments, Aggregate::Sum, -1).unwrap();
        assert_eq!(cells, Cells::Wide(vec![0, i128::from(i64::MAX) - 1]));
    }
}
