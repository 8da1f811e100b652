//! From values to positions in a chart.

/// A line from a domain of values to a range of positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Maps `domain` to `range`; an empty domain is widened.
    pub(super) fn new(domain: (f64, f64), range: (f64, f64)) -> Self {
        let (low, high) = widened(domain);
        Self { low, high, from: range.0, to: range.1 }
    }

    /// The position of `value`, never outside the range.
    pub(super) fn at(&self, value: f64) -> f64 {
        let fraction = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.5 };
        self.from + fraction * (self.to - self.from)
    }

    /// Whether `value` lies within the domain.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The domain as used.
    pub(super) fn domain(&self) -> (f64, f64) {
        (self.low, self.high)
    }
}

/// The smallest and the largest finite value.
pub(super) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|value| value.is_finite()).fold(None, |extent, value| match extent {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// The domain with `share` of its length added on both sides.
pub(super) fn padded(domain: (f64, f64), share: f64) -> (f64, f64) {
    let (low, high) = widened(domain);
    let padding = (high * share - low * share).min(f64::MAX / 4.0);
    ((low - padding).max(f64::MIN / 2.0), (high + padding).min(f64::MAX / 2.0))
}

/// A domain that shows every usual value well: what lies far outside, and the ends of very wide intervals, are cut off.
pub(super) fn robust_domain(values: &[f64], intervals: &[(f64, f64)]) -> Option<(f64, f64)> {
    let all = extent(values.iter().copied())?;
    let bounds = extent(intervals.iter().flat_map(|(low, high)| [*low, *high])).unwrap_or(all);
    let width = quantile(intervals.iter().map(|(low, high)| high - low), 0.5).unwrap_or(0.0);
    let (first, third) = (quantile(values.iter().copied(), 0.25)?, quantile(values.iter().copied(), 0.75)?);
    let fence = 3.0 * f64::max(third - first, width);
    let usual = if values.len() >= 5 && fence > 0.0 {
        extent(values.iter().copied().filter(|value| (first - fence..=third + fence).contains(value)))
            .unwrap_or(all)
    } else {
        all
    };
    let reach = 1.5 * width;
    Some((usual.0.min(bounds.0.max(usual.0 - reach)), usual.1.max(bounds.1.min(usual.1 + reach))))
}

/// Round values within `domain`, about `count` of them, and the step between two.
pub(super) fn ticks(domain: (f64, f64), count: usize) -> (Vec<f64>, f64) {
    let (low, high) = widened(domain);
    let raw = (high / count as f64) - (low / count as f64);
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= raw * 0.999)
        .unwrap_or(raw);
    let first = (low / step).ceil();
    let marks = (0..=2 * count).map(|index| (first + index as f64) * step);
    (marks.take_while(|mark| *mark <= high + step * 1e-9).filter(|mark| mark.is_finite()).collect(), step)
}

fn widened((low, high): (f64, f64)) -> (f64, f64) {
    let margin = f64::max(high.abs().min(f64::MAX / 4.0) * 1e-9, f64::MIN_POSITIVE);
    if high - low > margin {
        (low, high)
    } else {
        let margin = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
        (low - margin, high + margin)
    }
}

fn quantile(values: impl Iterator<Item = f64>, share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let index = (share * sorted.len().checked_sub(1)? as f64).round() as usize;
    sorted.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_finite_and_inside() {
        for domain in [(0.0, 1.0), (3.0, 3.0), (0.0, 0.0), (-1e308, 1e308), (-5.0, -5.0), (1e300, 1e300)] {
            let scale = Scale::new(domain, (10.0, 20.0));
            for value in [-1e308, -1.0, 0.0, 3.0, 1e308, f64::NAN] {
                assert!((10.0..=20.0).contains(&scale.at(value)), "{value} in {domain:?}");
            }
        }
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks((31.2, 37.9), 3), (vec![32.5, 35.0, 37.5], 2.5));
        assert_eq!(ticks((-1.0, 1.0), 4).0, [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert!(ticks((-1e308, 1e308), 3).0.iter().all(|mark| mark.is_finite()));
    }

    #[test]
    fn outliers_do_not_squeeze_the_rest() {
        let values = [1.0, 1.1, 1.2, 1.3, 900.0];
        let intervals = [(0.9, 1.1), (1.0, 1.2), (1.1, 1.3), (1.2, 1.4), (-5000.0, 7000.0)];
        let (low, high) = robust_domain(&values, &intervals).unwrap_or_default();
        assert!(low > 0.0 && high < 3.0, "{low} to {high}");
        assert_eq!(robust_domain(&[], &intervals), None);
    }
}
