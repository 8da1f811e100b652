//! How the values of a metric are made of columns.

use arrow::buffer::BooleanBuffer;
use jiff::Timestamp;

use crate::columns::Column;
use crate::funnel;
use crate::metrics::Cap;
use crate::population::Population;
use crate::values::{EventValues, MetricValues, capped};

/// How the values of a metric are made of columns.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) made: Made,
    /// The number of events, where units without one are left out.
    pub(crate) present: Option<usize>,
    pub(crate) cap: Option<Cap>,
    /// Units whose window is not over by the end of facts are left out.
    pub(crate) closes_after: Option<i64>,
}

#[derive(Debug)]
pub(crate) enum Made {
    Number(usize),
    Any(usize),
    Events(usize),
    /// The steps are so many.
    Funnel(Vec<usize>, u8),
}

impl Recipe {
    /// The columns that it is made of.
    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> {
        let made = match &self.made {
            Made::Number(slot) | Made::Any(slot) | Made::Events(slot) => vec![*slot],
            Made::Funnel(slots, _) => slots.clone(),
        };
        made.into_iter().chain(self.present)
    }

    /// The values of a metric from the columns of its slots; a table that was never written has none.
    pub(crate) fn make(
        &self,
        take: &mut dyn FnMut(usize) -> Option<Column>,
        population: &Population,
    ) -> MetricValues {
        let units = population.at.len();
        let mut numbers = |slot: usize| take(slot).map_or_else(|| vec![0.0; units], Column::into_numbers);
        let mut made = MetricValues::default();
        if let Some(present) = self.present {
            let counted = BooleanBuffer::from_iter(numbers(present).into_iter().map(|events| events > 0.0));
            made.missing = (units - counted.count_set_bits()) as u64;
            made.counted = Some(counted);
        }
        if let Some(length) = self.closes_after {
            let until = population.until.as_microsecond();
            let is_over = |at: &Timestamp| at.as_microsecond().saturating_add(length) <= until;
            let counted = BooleanBuffer::from_iter(population.at.iter().map(is_over));
            made.open = (units - counted.count_set_bits()) as u64;
            made.counted = Some(counted);
        }
        match &self.made {
            Made::Number(slot) => made.values = numbers(*slot),
            Made::Any(slot) => {
                made.values =
                    numbers(*slot).into_iter().map(|events| f64::from(u8::from(events > 0.0))).collect()
            }
            Made::Events(slot) => {
                let values = match take(*slot) {
                    Some(Column::Values(values)) => values,
                    _ => Vec::new(),
                };
                made.events = Some(EventValues::of(values, units));
            }
            Made::Funnel(slots, steps) => {
                let passings = slots.iter().filter_map(|slot| match take(*slot) {
                    Some(Column::Steps(passings)) => Some(passings),
                    _ => None,
                });
                let reached = funnel::reached(passings.flatten().collect(), units);
                made.values = reached.iter().map(|reached| f64::from(u8::from(reached == steps))).collect();
                made.reached = Some(reached);
            }
        }
        if let Some(cap) = self.cap {
            let values = capped(&made.values, made.counted.as_ref(), cap);
            made.uncapped = Some(std::mem::replace(&mut made.values, values));
        }
        made
    }
}
