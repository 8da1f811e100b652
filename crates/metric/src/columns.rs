//! What is added up per unit while facts are read.

use arrow::array::ArrayRef;
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;
use tranche_sql::SqlError;
use tranche_sql::pass::Numbers;

/// What becomes of the events of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Making {
    /// Their number.
    Count,
    /// The sum of their values.
    Sum,
    /// Their values, one by one.
    Values,
    /// When they were, and which steps of a funnel they are.
    Steps,
}

/// One number a unit, or a list of events.
#[derive(Debug, Clone)]
pub(crate) enum Column {
    Counts(Vec<u32>),
    /// Sums of whole numbers of this scale: they are exact, in whatever order events come.
    Digits(Vec<i64>, i8),
    /// Sums of floats, with what rounding took from each (Neumaier 1974), so that the order of events does not show.
    Floats(Vec<(f64, f64)>),
    /// Units and values, in no order.
    Values(Vec<(u32, f64)>),
    Steps(Vec<Passing>),
}

/// An event of a unit that is a step of a funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Passing {
    pub(crate) unit: u32,
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
    pub(crate) units: &'a [u32],
}

impl Column {
    /// A column of nothing for so many units. `value_type` is the type of the values.
    pub(crate) fn new(making: Making, value_type: Option<&DataType>, units: usize) -> Self {
        match (making, value_type) {
            (Making::Count, _) | (Making::Sum, None) => Self::Counts(vec![0; units]),
            (Making::Sum, Some(value_type)) if Numbers::are_digits(value_type) => {
                let scale = if let DataType::Decimal128(_, scale) = value_type { *scale } else { 0 };
                Self::Digits(vec![0; units], scale)
            }
            (Making::Sum, Some(_)) => Self::Floats(vec![(0.0, 0.0); units]),
            (Making::Values, _) => Self::Values(Vec::new()),
            (Making::Steps, _) => Self::Steps(Vec::new()),
        }
    }

    /// Adds one for each row.
    pub(crate) fn count(&mut self, counted: &Counted<'_>) {
        if let Self::Counts(counts) = self {
            counted.rows.set_indices().for_each(|row| counts[counted.units[row] as usize] += 1);
        }
    }

    /// Adds the value of each row that has one.
    pub(crate) fn add(&mut self, counted: &Counted<'_>, values: &ArrayRef) -> Result<(), SqlError> {
        let units = counted.units;
        match (Numbers::of(values)?, self) {
            (Numbers::Digits(digits, nulls), Self::Digits(sums, _)) => {
                for row in with_value(counted.rows, nulls).set_indices() {
                    let sum = &mut sums[units[row] as usize];
                    let too_large = || SqlError::Engine("a unit's values add up to more than 18 digits".to_owned());
                    *sum = sum.checked_add(digits[row]).ok_or_else(too_large)?;
                }
            }
            (numbers, Self::Floats(sums)) => {
                let (floats, nulls) = floats(numbers, values.data_type());
                for row in with_value(counted.rows, nulls).set_indices() {
                    let (sum, lost) = &mut sums[units[row] as usize];
                    *lost += rounding(*sum, floats[row]);
                    *sum += floats[row];
                }
            }
            (numbers, Self::Values(list)) => {
                let (floats, nulls) = floats(numbers, values.data_type());
                list.extend(with_value(counted.rows, nulls).set_indices().map(|row| (units[row], floats[row])));
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

    /// One number a unit.
    #[expect(clippy::cast_precision_loss, reason = "sums of up to 18 digits, which are numbers for an estimate from here on")]
    pub(crate) fn into_numbers(self) -> Vec<f64> {
        match self {
            Self::Counts(counts) => counts.into_iter().map(f64::from).collect(),
            Self::Digits(sums, scale) => {
                let one = 10f64.powi(i32::from(scale));
                sums.into_iter().map(|sum| sum as f64 / one).collect()
            }
            Self::Floats(sums) => sums.into_iter().map(|(sum, lost)| if lost.is_finite() { sum + lost } else { sum }).collect(),
            Self::Values(_) | Self::Steps(_) => Vec::new(),
        }
    }
}

/// The rows that count and have a value.
fn with_value(rows: &BooleanBuffer, nulls: Option<NullBuffer>) -> BooleanBuffer {
    match nulls {
        Some(nulls) => rows & nulls.inner(),
        None => rows.clone(),
    }
}

/// What `a + b` loses by rounding.
fn rounding(a: f64, b: f64) -> f64 {
    let sum = a + b;
    if a.abs() >= b.abs() { (a - sum) + b } else { (b - sum) + a }
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
        let mut column = Column::new(Making::Sum, Some(values.data_type()), length);
        let rows = BooleanBuffer::new_set(units.len());
        column.add(&Counted { rows: &rows, units }, values).unwrap();
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
    fn decimals_are_added_exactly() {
        let values = Decimal128Array::from(vec![Some(10), None, Some(20), Some(-5)]).with_precision_and_scale(12, 2).unwrap();
        assert_eq!(sum(&(Arc::new(values) as ArrayRef), &[0, 0, 0, 1], 3), [0.3, -0.05, 0.0]);
    }
}
