//! The values of a metric from the columns that it is made of.

use arrow::buffer::BooleanBuffer;
use jiff::Timestamp;

use super::funnel;
use super::unit_values::{EventValues, MetricValues, capped};
use crate::accumulate::Column;
use crate::plan::{Assembly, ColumnId, MetricFormula, Population};

/// The values of a metric for the units of a population. `take` gives a column; a table that was never
/// written has none.
pub(crate) fn assemble(
    formula: &MetricFormula,
    take: &mut dyn FnMut(ColumnId) -> Option<Column>,
    population: &Population,
) -> MetricValues {
    let units = population.at.len();
    let mut numbers = |column: ColumnId| take(column).map_or_else(|| vec![0.0; units], Column::into_numbers);
    let mut values = MetricValues::default();
    if let Some(present) = formula.present {
        let counted = BooleanBuffer::from_iter(numbers(present).into_iter().map(|events| events > 0.0));
        values.missing = (units - counted.count_set_bits()) as u64;
        values.counted = Some(counted);
    }
    if let Some(length) = formula.closes_after {
        let until = population.until.as_microsecond();
        let is_over = |at: &Timestamp| at.as_microsecond().saturating_add(length) <= until;
        let counted = BooleanBuffer::from_iter(population.at.iter().map(is_over));
        values.open = (units - counted.count_set_bits()) as u64;
        values.counted = Some(counted);
    }
    match &formula.assembly {
        Assembly::Number(column) => values.values = numbers(*column),
        Assembly::Any(column) => {
            let any = |events: f64| f64::from(u8::from(events > 0.0));
            values.values = numbers(*column).into_iter().map(any).collect();
        }
        Assembly::Events(column) => {
            let events = match take(*column) {
                Some(Column::Values(events)) => events,
                _ => Vec::new(),
            };
            values.events = Some(EventValues::of(events, units));
        }
        Assembly::Funnel { columns, steps } => {
            let passings = columns.iter().filter_map(|column| match take(*column) {
                Some(Column::Steps(passings)) => Some(passings),
                _ => None,
            });
            let reached = funnel::reached(passings.flatten().collect(), units);
            values.values = reached.iter().map(|reached| f64::from(u8::from(reached == steps))).collect();
            values.reached = Some(reached);
        }
    }
    if let Some(cap) = formula.cap {
        let capped = capped(&values.values, values.counted.as_ref(), cap);
        values.uncapped = Some(std::mem::replace(&mut values.values, capped));
    }
    values
}
