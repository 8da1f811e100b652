//! A KPI from values per entity: its value, its interval, and whether it changed by more than chance.

use tranche_metric::{Metric, MetricKind, UnitValues, Values};
use tranche_stats::distribution::StudentT;
use tranche_stats::{Arm, CoMoments, Moments, Options, QuantileSummary, compare};

use crate::document::{Interval, Measurement, ValueKind};

/// What intervals cover.
pub(crate) const CONFIDENCE: f64 = 0.95;

/// The unit of a ratio that is a share of something, to be read in percent.
const SHARE: &str = "share";

/// How the values of a metric are to be read.
pub(crate) fn kind(metric: &Metric) -> ValueKind {
    match metric.kind {
        MetricKind::Ratio { .. } if metric.unit.as_deref() == Some(SHARE) => ValueKind::Proportion,
        MetricKind::Mean(_) => ValueKind::Mean,
        MetricKind::Quantile { .. } => ValueKind::Quantile,
        MetricKind::Proportion(_) | MetricKind::Retention { .. } | MetricKind::Funnel { .. } => {
            ValueKind::Proportion
        }
        MetricKind::Ratio { .. } => ValueKind::Ratio,
        MetricKind::Count(_) => ValueKind::Count,
    }
}

/// The entities with these places among the values, as an arm; those that do not count for the metric are left out.
pub(crate) fn arm_of(
    values: &UnitValues,
    metric: &Metric,
    units: impl Iterator<Item = usize>,
) -> Option<Arm> {
    let counted = values.counted(metric);
    Some(arm(values.of(metric)?, units.filter(|&unit| counted.is_none_or(|counted| counted.value(unit)))))
}

fn arm(values: Values<'_>, units: impl Iterator<Item = usize>) -> Arm {
    match values {
        Values::Single(values) => Arm::mean(&Moments::from_values(units.map(|unit| values[unit]))),
        Values::Ratio(above, below) => {
            Arm::ratio(&CoMoments::from_pairs(units.map(|unit| (above[unit], below[unit]))))
        }
        Values::Quantile(values, level) => {
            Arm::quantile(&QuantileSummary::of_values(units.map(|unit| values[unit]).collect(), level))
        }
        Values::EventQuantile(events, level) => {
            let units: Vec<usize> = units.collect();
            Arm::clustered_quantile(units.iter().map(|&unit| events.of_unit(unit)), level)
        }
    }
}

/// The KPI's value with its interval; a count is a total, everything else a mean.
#[expect(clippy::cast_precision_loss, reason = "counts of entities")]
pub(crate) fn measurement(arm: &Arm, kind: ValueKind) -> Measurement {
    let n = arm.n as f64;
    let scale = if kind == ValueKind::Count { n } else { 1.0 };
    let value = arm.has_value().then_some(arm.mean * scale);
    let interval = match (value, arm.standard_error()) {
        (Some(value), Ok(se)) if arm.n > 1 => {
            let reach = StudentT { df: n - 1.0 }.critical((1.0 - CONFIDENCE) / 2.0) * se * scale;
            Some(Interval::new(value - reach, value + reach))
        }
        _ => None,
    };
    Measurement { n: arm.n, value, interval }
}

/// Whether two arms differ by more than chance.
pub(crate) fn differs(previous: &Arm, current: &Arm) -> bool {
    let options = Options { alpha: 1.0 - CONFIDENCE, ..Options::default() };
    compare(previous, current, &options)
        .absolute
        .value()
        .is_some_and(|estimate| estimate.p < 1.0 - CONFIDENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_total_with_the_interval_of_a_total() {
        let values = [0.0, 2.0, 4.0];
        let arm = arm(Values::Single(&values), 0..3);
        let mean = measurement(&arm, ValueKind::Mean);
        let total = measurement(&arm, ValueKind::Count);
        assert_eq!((mean.value, total.value), (Some(2.0), Some(6.0)));
        let (low, high) = mean.interval.and_then(|i| i.bounds()).unwrap();
        let (total_low, total_high) = total.interval.and_then(|i| i.bounds()).unwrap();
        assert!((low * 3.0 - total_low).abs() < 1e-12 && (high * 3.0 - total_high).abs() < 1e-12);
        // t(2) at 97.5 % is 4.302652729911275, the standard error 2 / sqrt(3).
        assert!((high - (2.0 + 4.302_652_729_911_275 * 2.0 / 3.0_f64.sqrt())).abs() < 1e-9);
    }

    #[test]
    fn nobody_has_no_value() {
        let found = measurement(&arm(Values::Single(&[]), 0..0), ValueKind::Mean);
        assert_eq!(found, Measurement { n: 0, value: None, interval: None });
        let found = measurement(&arm(Values::Ratio(&[0.0, 0.0], &[0.0, 0.0]), 0..2), ValueKind::Ratio);
        assert_eq!(found, Measurement { n: 2, value: None, interval: None });
    }
}
