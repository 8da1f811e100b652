//! The values of metrics, one per unit.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::buffer::BooleanBuffer;

use crate::definition::{Cap, Metric, MetricKind, Over};
use crate::plan::UnitIndex;

/// The values of some metrics, one per unit in the order of the population.
#[derive(Debug, Clone, Default)]
pub struct UnitValues(pub(crate) HashMap<String, Arc<MetricValues>>);

/// A metric with facts of its own, unit by unit.
#[derive(Debug, Default)]
pub struct MetricValues {
    /// The values, capped where a cap is declared. Nothing for a quantile over events.
    pub values: Vec<f64>,
    /// The values before they were capped, where a cap is declared.
    pub uncapped: Option<Vec<f64>>,
    /// The units that count; all do when `None`.
    pub counted: Option<BooleanBuffer>,
    /// Units that are left out because they have no fact.
    pub missing: u64,
    /// Units that are left out because their window is not over.
    pub open: u64,
    /// The values of a quantile over events.
    pub events: Option<EventValues>,
    /// How many steps of a funnel each unit passed.
    pub reached: Option<Vec<u8>>,
}

/// The values of each unit's events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventValues {
    /// Where the values of each unit begin, and at last where they end.
    offsets: Vec<usize>,
    /// The values, unit by unit, rising within each.
    values: Vec<f64>,
}

/// A metric's values, as they are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'a> {
    /// One number per unit, whose mean is the metric.
    Single(&'a [f64]),
    /// Numerator and denominator of a ratio per unit.
    Ratio(&'a [f64], &'a [f64]),
    /// One number per unit, of which a quantile is the metric; and its level.
    Quantile(&'a [f64], f64),
    /// Numbers per unit, of all of which a quantile is the metric; and its level.
    EventQuantile(&'a EventValues, f64),
}

impl UnitValues {
    /// The values of a metric that was asked for.
    #[must_use]
    pub fn of(&self, metric: &Metric) -> Option<Values<'_>> {
        self.read(metric, |values| values.values.as_slice())
    }

    /// The values of a metric before they were capped, where it or a metric that it is made of has a cap.
    #[must_use]
    pub fn uncapped(&self, metric: &Metric) -> Option<Values<'_>> {
        let parts = match &metric.kind {
            MetricKind::Ratio { numerator, denominator } => vec![&numerator.value, &denominator.value],
            _ => vec![&metric.name],
        };
        parts.into_iter().filter_map(|name| self.0.get(name)).find(|part| part.uncapped.is_some())?;
        self.read(metric, |values| values.uncapped.as_ref().unwrap_or(&values.values).as_slice())
    }

    /// The units that count for a metric; all do when `None`.
    #[must_use]
    pub fn counted(&self, metric: &Metric) -> Option<&BooleanBuffer> {
        self.details(metric)?.counted.as_ref()
    }

    /// The values of a metric with facts of its own, and which units count.
    #[must_use]
    pub fn details(&self, metric: &Metric) -> Option<&MetricValues> {
        self.0.get(&metric.name).map(Arc::as_ref)
    }

    fn read<'a>(
        &'a self,
        metric: &Metric,
        column: impl Fn(&'a MetricValues) -> &'a [f64],
    ) -> Option<Values<'a>> {
        let of = |name: &str| self.0.get(name).map(|values| column(values));
        match &metric.kind {
            MetricKind::Ratio { numerator, denominator } => {
                Some(Values::Ratio(of(&numerator.value)?, of(&denominator.value)?))
            }
            MetricKind::Quantile { level, over: Over::Units, .. } => {
                Some(Values::Quantile(of(&metric.name)?, *level))
            }
            MetricKind::Quantile { level, over: Over::Events, .. } => {
                Some(Values::EventQuantile(self.0.get(&metric.name)?.events.as_ref()?, *level))
            }
            _ => Some(Values::Single(of(&metric.name)?)),
        }
    }
}

impl EventValues {
    /// Sorts values into units.
    pub(crate) fn of(mut values: Vec<(UnitIndex, f64)>, units: usize) -> Self {
        values.sort_unstable_by(|(a, x), (b, y)| a.cmp(b).then(x.total_cmp(y)));
        let mut offsets = vec![0; units + 1];
        values.iter().for_each(|(unit, _)| offsets[unit.place() + 1] += 1);
        for unit in 0..units {
            offsets[unit + 1] += offsets[unit];
        }
        Self { offsets, values: values.into_iter().map(|(_, value)| value).collect() }
    }

    /// The values of a unit's events, rising.
    #[must_use]
    pub fn of_unit(&self, unit: usize) -> &[f64] {
        &self.values[self.offsets[unit]..self.offsets[unit + 1]]
    }
}

/// The values with those above the cap as it. Its quantile is that of the units that count.
pub(crate) fn capped(values: &[f64], counted: Option<&BooleanBuffer>, cap: Cap) -> Vec<f64> {
    let limit = match cap {
        Cap::Value(value) => Some(value),
        Cap::Quantile(q) => {
            let is_counted = |unit: usize| counted.is_none_or(|counted| counted.value(unit));
            let known = values.iter().enumerate().filter(|(unit, _)| is_counted(*unit));
            quantile(known.map(|(_, value)| *value).collect(), q)
        }
    };
    values.iter().map(|value| limit.map_or(*value, |limit| value.min(limit))).collect()
}

/// The type-7 quantile: linear between the closest ranks.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks of values"
)]
fn quantile(mut values: Vec<f64>, q: f64) -> Option<f64> {
    let rank = q * (values.len().checked_sub(1)? as f64);
    let (_, low, above) = values.select_nth_unstable_by(rank.floor() as usize, f64::total_cmp);
    let low = *low;
    let high =
        if rank > rank.floor() { above.iter().copied().min_by(f64::total_cmp).unwrap_or(low) } else { low };
    Some(low + (high - low) * (rank - rank.floor()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_counts_larger_values_as_itself() {
        let values = [100.0, 2.0, 1.0, 3.0];
        for (limit, counted, expected) in [
            (Cap::Value(2.5), None, [2.5, 2.0, 1.0, 2.5]),
            (Cap::Quantile(1.0), None, [100.0, 2.0, 1.0, 3.0]),
            (Cap::Quantile(0.5), None, [2.5, 2.0, 1.0, 2.5]),
            (
                Cap::Quantile(0.5),
                Some(BooleanBuffer::from(vec![false, true, true, true])),
                [2.0, 2.0, 1.0, 2.0],
            ),
        ] {
            assert_eq!(capped(&values, counted.as_ref(), limit), expected, "{limit:?}");
        }
    }

    #[test]
    fn events_are_sorted_into_units() {
        let events = EventValues::of(
            [(2, 5.0), (0, 3.0), (2, 1.0)].map(|(unit, value)| (UnitIndex(unit), value)).to_vec(),
            4,
        );
        let found: Vec<&[f64]> = (0..4).map(|unit| events.of_unit(unit)).collect();
        assert_eq!(found, [&[3.0][..], &[], &[1.0, 5.0], &[]]);
    }
}
