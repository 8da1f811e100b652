//! The values that are accumulated per unit while facts are read.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use arrow::array::ArrayRef;
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;
use tranche_sql::scan::Numbers;
use tranche_sql::{ExactSum, SqlError};

use crate::plan::{Accumulator, UnitIndex};

/// One number per unit, or a list of events.
#[derive(Debug, Clone)]
pub(crate) enum Column {
    /// Numbers of events.
    Counts(Vec<u32>),
    /// Sums of whole numbers of this scale: they are exact, in whatever order events come.
    Digits(Vec<i64>, i8),
    /// Sums of floats, so that the order of events does not show.
    Floats(Vec<ExactSum>),
    /// Units and values, in no order.
    Values(Vec<(UnitIndex, f64)>),
    /// Events of funnels, in no order.
    Steps(Vec<Passing>),
}

/// An event of a unit that is a step of a funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Passing {
    pub(crate) unit: UnitIndex,
    /// Microseconds after the unit's instant.
    pub(crate) after: i64,
    /// A bit for each step that it can be.
    pub(crate) steps: u32,
}

/// The rows of a batch that count for a column.
pub(crate) struct Counted<'a> {
    /// The rows.
    pub(crate) rows: &'a BooleanBuffer,
    /// The unit of each row; undefined where the row does not count.
    pub(crate) units: &'a [UnitIndex],
}

impl Column {
    /// A column without events for so many units. `value_type` is the type of the values.
    pub(crate) fn new(accumulator: Accumulator, value_type: Option<&DataType>, units: usize) -> Self {
        match (accumulator, value_type) {
            (Accumulator::Count, _) | (Accumulator::Sum, None) => Self::Counts(vec![0; units]),
            (Accumulator::Sum, Some(value_type)) if Numbers::are_digits(value_type) => {
                let scale = if let DataType::Decimal128(_, scale) = value_type { *scale } else { 0 };
                Self::Digits(vec![0; units], scale)
            }
            (Accumulator::Sum, Some(_)) => Self::Floats(vec![ExactSum::default(); units]),
            (Accumulator::Values, _) => Self::Values(Vec::new()),
            (Accumulator::Steps, _) => Self::Steps(Vec::new()),
        }
    }

    /// Adds one for each row.
    pub(crate) fn count(&mut self, counted: &Counted<'_>) {
        if let Self::Counts(counts) = self {
            counted.rows.set_indices().for_each(|row| counts[counted.units[row].place()] += 1);
        }
    }

    /// Adds the value of each row that has one.
    pub(crate) fn add(&mut self, counted: &Counted<'_>, values: &ArrayRef) -> Result<(), SqlError> {
        let units = counted.units;
        match (Numbers::of(values)?, self) {
            (Numbers::Digits(digits, nulls), Self::Digits(sums, _)) => {
                for row in with_value(counted.rows, nulls).set_indices() {
                    let sum = &mut sums[units[row].place()];
                    *sum = sum.checked_add(digits[row]).ok_or_else(too_large)?;
                }
            }
            (numbers, Self::Floats(sums)) => {
                let (floats, nulls) = floats(numbers, values.data_type());
                for row in with_value(counted.rows, nulls).set_indices() {
                    sums[units[row].place()].add(floats[row]);
                }
            }
            (numbers, Self::Values(list)) => {
                let (floats, nulls) = floats(numbers, values.data_type());
                list.extend(
                    with_value(counted.rows, nulls).set_indices().map(|row| (units[row], floats[row])),
                );
            }
            _ => return Err(SqlError::Engine("the values of a fact changed their type".to_owned())),
        }
        Ok(())
    }

    /// Adds what passes a funnel's steps.
    pub(crate) fn pass(&mut self, passing: Vec<Passing>) {
        if let Self::Steps(all) = self {
            all.extend(passing);
        }
    }

    /// Whether what was added can be subtracted again without a trace.
    pub(crate) fn is_exact(&self) -> bool {
        !matches!(self, Self::Floats(_))
    }

    /// A column without events for the same units.
    pub(crate) fn like(&self) -> Self {
        match self {
            Self::Counts(counts) => Self::Counts(vec![0; counts.len()]),
            Self::Digits(sums, scale) => Self::Digits(vec![0; sums.len()], *scale),
            Self::Floats(sums) => Self::Floats(vec![ExactSum::default(); sums.len()]),
            Self::Values(_) => Self::Values(Vec::new()),
            Self::Steps(_) => Self::Steps(Vec::new()),
        }
    }

    /// Adds another column of the same units.
    pub(crate) fn add_column(&mut self, other: &Self) -> Result<(), SqlError> {
        match (self, other) {
            (Self::Counts(own), Self::Counts(other)) if own.len() == other.len() => {
                own.iter_mut().zip(other).for_each(|(own, other)| *own += other)
            }
            (Self::Digits(own, scale), Self::Digits(other, scale_of_other))
                if own.len() == other.len() && scale == scale_of_other =>
            {
                for (own, other) in own.iter_mut().zip(other) {
                    *own = own.checked_add(*other).ok_or_else(too_large)?;
                }
            }
            (Self::Floats(own), Self::Floats(other)) if own.len() == other.len() => {
                own.iter_mut().zip(other).for_each(|(own, other)| own.merge(*other));
            }
            (Self::Values(own), Self::Values(other)) => own.extend(other),
            (Self::Steps(own), Self::Steps(other)) => own.extend(other),
            _ => return Err(SqlError::Engine("columns of two kinds".to_owned())),
        }
        Ok(())
    }

    /// Subtracts another column of the same units.
    pub(crate) fn subtract(&mut self, other: Self) -> Result<(), SqlError> {
        fn from_each<T: Copy>(own: &mut [T], other: &[T], less: impl Fn(T, T) -> Option<T>) -> bool {
            own.iter_mut().zip(other).all(|(own, other)| less(*own, *other).map(|rest| *own = rest).is_some())
        }
        let was_there = match (self, other) {
            (Self::Counts(own), Self::Counts(other)) => from_each(own, &other, u32::checked_sub),
            (Self::Digits(own, _), Self::Digits(other, _)) => from_each(own, &other, i64::checked_sub),
            (Self::Values(own), Self::Values(other)) => {
                without(own, other, |(a, x), (b, y)| a.cmp(b).then(x.total_cmp(y)))
            }
            (Self::Steps(own), Self::Steps(other)) => without(own, other, Ord::cmp),
            _ => false,
        };
        was_there
            .then_some(())
            .ok_or_else(|| SqlError::Engine("an event that was removed was never counted".to_owned()))
    }

    /// The units with a count above 0.
    pub(crate) fn touched(&self) -> impl Iterator<Item = usize> {
        let counts = if let Self::Counts(counts) = self { counts.as_slice() } else { &[] };
        counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(unit, _)| unit)
    }

    /// Resets the sums of floats of these units.
    pub(crate) fn clear(&mut self, units: &BTreeSet<usize>) {
        if let Self::Floats(sums) = self {
            units.iter().for_each(|&unit| sums[unit] = ExactSum::default());
        }
    }

    /// These units alone, numbered in their order, which is rising; lists are sorted.
    pub(crate) fn picked(&self, units: &[UnitIndex]) -> Self {
        fn each<T: Copy>(values: &[T], units: &[UnitIndex]) -> Vec<T> {
            units.iter().map(|unit| values[unit.place()]).collect()
        }
        let place = |unit: UnitIndex| {
            let place = units.binary_search(&unit).ok()?;
            u32::try_from(place).ok().map(UnitIndex)
        };
        match self {
            Self::Counts(counts) => Self::Counts(each(counts, units)),
            Self::Digits(sums, scale) => Self::Digits(each(sums, units), *scale),
            Self::Floats(sums) => Self::Floats(each(sums, units)),
            Self::Values(values) => {
                let mut picked: Vec<(UnitIndex, f64)> =
                    values.iter().filter_map(|&(unit, value)| Some((place(unit)?, value))).collect();
                picked.sort_unstable_by(|(a, x), (b, y)| a.cmp(b).then(x.total_cmp(y)));
                Self::Values(picked)
            }
            Self::Steps(passings) => {
                let mut picked: Vec<Passing> = passings
                    .iter()
                    .filter_map(|passing| Some(Passing { unit: place(passing.unit)?, ..*passing }))
                    .collect();
                picked.sort_unstable();
                Self::Steps(picked)
            }
        }
    }

    /// The first unit whose value differs in another column; of floats, by more than what values that lie very far apart leave open.
    /// Lists are sorted.
    pub(crate) fn first_difference(&self, other: &Self) -> Option<usize> {
        match (self, other) {
            (Self::Counts(a), Self::Counts(b)) => difference(a, b, PartialEq::eq),
            (Self::Digits(a, _), Self::Digits(b, _)) => difference(a, b, PartialEq::eq),
            (Self::Floats(a), Self::Floats(b)) => difference(a, b, |a, b| is_close(a.value(), b.value())),
            (Self::Values(a), Self::Values(b)) => {
                let is_same =
                    |a: &(UnitIndex, f64), b: &(UnitIndex, f64)| a.0 == b.0 && a.1.total_cmp(&b.1).is_eq();
                list_difference(a, b, is_same, |(unit, _)| *unit)
            }
            (Self::Steps(a), Self::Steps(b)) => list_difference(a, b, PartialEq::eq, |passing| passing.unit),
            _ => Some(0),
        }
    }

    /// The value of a unit, as text for people.
    pub(crate) fn describe(&self, unit: usize) -> String {
        let is_own = |other: UnitIndex| other.place() == unit;
        match self {
            Self::Counts(counts) => counts[unit].to_string(),
            Self::Digits(sums, 0) => sums[unit].to_string(),
            Self::Digits(sums, scale) => format!("{}e-{scale}", sums[unit]),
            Self::Floats(sums) => sums[unit].value().to_string(),
            Self::Values(values) => {
                let own: Vec<f64> =
                    values.iter().filter(|(other, _)| is_own(*other)).map(|(_, value)| *value).collect();
                format!("{own:?}")
            }
            Self::Steps(passings) => {
                let own: Vec<(i64, u32)> =
                    passings.iter().filter(|p| is_own(p.unit)).map(|p| (p.after, p.steps)).collect();
                format!("{own:?}")
            }
        }
    }

    /// One number per unit.
    #[expect(
        clippy::cast_precision_loss,
        reason = "sums of up to 18 digits, which are numbers for an estimate from here on"
    )]
    pub(crate) fn into_numbers(self) -> Vec<f64> {
        match self {
            Self::Counts(counts) => counts.into_iter().map(f64::from).collect(),
            Self::Digits(sums, scale) => {
                let one = 10f64.powi(i32::from(scale));
                sums.into_iter().map(|sum| sum as f64 / one).collect()
            }
            Self::Floats(sums) => sums.iter().map(ExactSum::value).collect(),
            Self::Values(_) | Self::Steps(_) => Vec::new(),
        }
    }
}

fn too_large() -> SqlError {
    SqlError::Engine("a unit's values add up to more than 18 digits".to_owned())
}

/// Whether two sums of the same floats in another order may be these.
fn is_close(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_eq()
        || (a.is_nan() && b.is_nan())
        || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1e-12)
}

fn difference<T>(a: &[T], b: &[T], is_same: impl Fn(&T, &T) -> bool) -> Option<usize> {
    a.iter().zip(b).position(|(a, b)| !is_same(a, b))
}

fn list_difference<T>(
    a: &[T],
    b: &[T],
    is_same: impl Fn(&T, &T) -> bool,
    unit: impl Fn(&T) -> UnitIndex,
) -> Option<usize> {
    let place = a
        .iter()
        .zip(b)
        .position(|(a, b)| !is_same(a, b))
        .or((a.len() != b.len()).then_some(a.len().min(b.len())))?;
    [a.get(place), b.get(place)].into_iter().flatten().map(|item| unit(item).place()).min()
}

/// Takes items out of a list; false when one of them is not there.
fn without<T: Copy>(list: &mut Vec<T>, mut taken: Vec<T>, order: impl Fn(&T, &T) -> Ordering) -> bool {
    if taken.is_empty() {
        return true;
    }
    list.sort_unstable_by(&order);
    taken.sort_unstable_by(&order);
    let mut taken = taken.into_iter().peekable();
    list.retain(|item| taken.next_if(|next| order(next, item).is_eq()).is_none());
    taken.next().is_none()
}

/// The rows that count and have a value.
fn with_value(rows: &BooleanBuffer, nulls: Option<NullBuffer>) -> BooleanBuffer {
    match nulls {
        Some(nulls) => rows & nulls.inner(),
        None => rows.clone(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "values of events")]
fn floats(numbers: Numbers, data_type: &DataType) -> (Vec<f64>, Option<NullBuffer>) {
    match numbers {
        Numbers::Floats(floats, nulls) => (floats, nulls),
        Numbers::Digits(digits, nulls) => {
            let scale = if let DataType::Decimal128(_, scale) = data_type { *scale } else { 0 };
            let one = 10f64.powi(i32::from(scale));
            (digits.iter().map(|&digits| digits as f64 / one).collect(), nulls)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array};

    use super::*;

    fn sum(values: &ArrayRef, units: &[u32], length: usize) -> Vec<f64> {
        let mut column = Column::new(Accumulator::Sum, Some(values.data_type()), length);
        let rows = BooleanBuffer::new_set(units.len());
        let units: Vec<UnitIndex> = units.iter().copied().map(UnitIndex).collect();
        column.add(&Counted { rows: &rows, units: &units }, values).unwrap();
        column.into_numbers()
    }

    #[test]
    fn the_order_of_events_does_not_show_in_a_sum() {
        let values = [1e16, 1.0, -1e16, 0.1, 0.2, 0.3];
        let backwards: Vec<f64> = values.iter().rev().copied().collect();
        let units = [0; 6];
        let forward = sum(&(Arc::new(Float64Array::from(values.to_vec())) as ArrayRef), &units, 1);
        assert_eq!(forward, sum(&(Arc::new(Float64Array::from(backwards)) as ArrayRef), &units, 1));
        assert_eq!(forward, [1.6]);
    }

    #[test]
    fn subtracted_events_leave_no_trace() {
        let list = |items: &[(u32, f64)]| {
            Column::Values(items.iter().map(|&(unit, value)| (UnitIndex(unit), value)).collect())
        };
        let mut column = list(&[(1, 5.0), (0, 3.0), (1, 5.0), (0, f64::NAN)]);
        column.subtract(list(&[(0, f64::NAN), (1, 5.0)])).unwrap();
        assert_eq!(column.first_difference(&list(&[(0, 3.0), (1, 5.0)])), None);
        assert!(column.subtract(list(&[(0, 4.0)])).is_err());
        let mut counts = Column::Counts(vec![3, 1]);
        counts.subtract(Column::Counts(vec![2, 0])).unwrap();
        assert_eq!((counts.describe(0), counts.touched().collect::<Vec<_>>()), ("1".to_owned(), vec![0, 1]));
        assert!(counts.subtract(Column::Counts(vec![0, 2])).is_err());
    }

    #[test]
    fn two_columns_differ_at_their_first_unit() {
        let digits = |sums: &[i64]| Column::Digits(sums.to_vec(), 2);
        assert_eq!(
            digits(&[1, 2, 3]).picked(&[0, 2].map(UnitIndex)).first_difference(&digits(&[1, 4])),
            Some(1)
        );
        let passing = |unit, after| Passing { unit: UnitIndex(unit), after, steps: 1 };
        let steps = Column::Steps(vec![passing(7, 3), passing(2, 9), passing(5, 1)]);
        let expected = Column::Steps(vec![passing(0, 9), passing(1, 3)]);
        assert_eq!(steps.picked(&[2, 7].map(UnitIndex)).first_difference(&expected), None);
        assert_eq!(steps.picked(&[2, 5, 7].map(UnitIndex)).first_difference(&expected), Some(1));
        assert_eq!(Column::Steps(Vec::new()).first_difference(&expected), Some(0));
        let floats = |sum| Column::Floats(vec![ExactSum::from_parts([sum, 0.0, 0.0])]);
        assert_eq!(floats(0.3).first_difference(&floats(0.1 + 0.2)), None);
        assert_eq!(floats(0.3).first_difference(&floats(0.300_000_1)), Some(0));
        assert_eq!(floats(f64::NAN).first_difference(&floats(f64::NAN)), None);
    }

    #[test]
    fn decimals_are_added_exactly() {
        let values = Decimal128Array::from(vec![Some(10), None, Some(20), Some(-5)])
            .with_precision_and_scale(12, 2)
            .unwrap();
        assert_eq!(sum(&(Arc::new(values) as ArrayRef), &[0, 0, 0, 1], 3), [0.3, -0.05, 0.0]);
    }
}
