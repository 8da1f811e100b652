//! What is known of a quantile of one arm: its estimate and the interval of its ranks.

use crate::distribution::Normal;

/// A sample quantile with its 95 % interval, from which its variance is read.
///
/// The interval comes from order statistics: its ends are the sample quantiles at level ± z √(level (1 - level) / n_interval).
/// Source: Deng, Knoblich and Lu, Applying the delta method in metric analytics (2018), section 4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantileSummary {
    /// How many units.
    pub n: u64,
    /// The sample size for which the interval's ends were read; usually `n`, less where ranks were capped.
    pub n_interval: u64,
    /// Which quantile, in (0, 1); .9 is the 90th percentile.
    pub level: f64,
    /// The sample quantile.
    pub estimate: f64,
    /// The lower end of its 95 % interval.
    pub lower: f64,
    /// The upper end of its 95 % interval.
    pub upper: f64,
}

/// From this size on a quantile of tied values counts as known to within [`LEAST_VARIANCE`] rather than as having no variance.
const LARGE: u64 = 1000;
/// The variance has this floor from [`FLOOR_FROM`] units on, as in gbstats, so that ties do not make certainty.
const LEAST_VARIANCE: f64 = 1e-5;
const FLOOR_FROM: u64 = 100;

impl QuantileSummary {
    /// The quantile of `values`, one a unit, in any order; `level` lies in (0, 1).
    pub fn of_values(mut values: Vec<f64>, level: f64) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let n = values.len() as u64;
        let reach = Normal.critical(0.025) * (level * (1.0 - level) / n.max(1) as f64).sqrt();
        let at = |level: f64| sample_quantile(&values, level.clamp(0.0, 1.0)).unwrap_or(0.0);
        Self {
            n,
            n_interval: n,
            level,
            estimate: at(level),
            lower: at(level - reach),
            upper: at(level + reach),
        }
    }

    /// The variance per unit: (n_interval / n) (n - 1) ((upper - lower) / 2z)², such that variance / n is that of the estimate.
    ///
    /// None when n ≤ z² max(level / (1 - level), (1 - level) / level), where an end of the interval falls off the sample, or when
    /// the interval is empty and n < 1000. From 100 units on it is at least 1e-5.
    pub fn variance(&self) -> Option<f64> {
        let z = Normal.critical(0.025);
        let n = self.n as f64;
        let odds = self.level / (1.0 - self.level);
        let placed = self.level > 0.0 && self.level < 1.0 && n > z * z * odds.max(1.0 / odds);
        if !placed || self.n < 2 {
            return None;
        }
        let variance =
            (self.n_interval as f64 / n) * (n - 1.0) * ((self.upper - self.lower) / (2.0 * z)).powi(2);
        if variance <= 0.0 && self.n < LARGE {
            return None;
        }
        Some(if self.n < FLOOR_FROM { variance } else { variance.max(LEAST_VARIANCE) })
    }
}

/// The sample quantile of sorted values: linear between the closest ranks, (n - 1) level from the first. None without values.
///
/// Source: Hyndman and Fan, Sample quantiles in statistical packages (1996), definition 7.
pub(crate) fn sample_quantile(sorted: &[f64], level: f64) -> Option<f64> {
    let rank = level * (sorted.len().checked_sub(1)? as f64);
    let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    Some(low + (high - low) * (rank - rank.floor()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arm, Generator};

    /// numpy 2.3: `quantile([9, 1, 7, 3, 4, 12, 5, 8, 2, 6], [.5, .9, .1])`.
    #[test]
    fn sample_quantiles_lie_between_ranks() {
        let values = vec![9.0, 1.0, 7.0, 3.0, 4.0, 12.0, 5.0, 8.0, 2.0, 6.0];
        for (level, expected) in [(0.5, 5.5), (0.9, 9.3), (0.1, 1.9)] {
            let found = QuantileSummary::of_values(values.clone(), level);
            assert!((found.estimate - expected).abs() < 1e-12, "{level}: {found:?}");
        }
        assert_eq!(QuantileSummary::of_values(Vec::new(), 0.5).n, 0);
    }

    /// The standard error of the median of n values with the density f there is 1 / (2 f √n).
    #[test]
    fn the_error_of_a_median_is_that_of_its_formula() {
        let mut generator = Generator::seeded(11);
        let arm = Arm::quantile(&QuantileSummary::of_values(
            (0..40_000).map(|_| generator.normal()).collect(),
            0.5,
        ));
        let expected = 1.0 / (2.0 * Normal.density(0.0) * 200.0);
        let se = arm.standard_error().unwrap_or_default();
        assert!((se / expected - 1.0).abs() < 0.05, "{se} {expected}");
    }

    const MEDIAN: QuantileSummary =
        QuantileSummary { n: 50, n_interval: 50, level: 0.5, estimate: 3.0, lower: 2.0, upper: 4.0 };

    #[test]
    fn the_variance_is_that_of_the_interval() {
        let se = (MEDIAN.variance().unwrap_or_default() / 49.0).sqrt();
        assert!((se - 2.0 / (2.0 * 1.959_963_984_540_054)).abs() < 1e-14, "{se}");
    }

    #[test]
    fn an_interval_off_the_sample_is_none() {
        assert_eq!(QuantileSummary { n: 34, level: 0.9, ..MEDIAN }.variance(), None);
        assert!(QuantileSummary { n: 35, level: 0.9, ..MEDIAN }.variance().is_some());
        assert_eq!(QuantileSummary { n: 34, level: 0.1, ..MEDIAN }.variance(), None);
        assert_eq!(QuantileSummary { level: 1.0, ..MEDIAN }.variance(), None);
    }

    #[test]
    fn ties_are_certain_of_nothing() {
        let tied = QuantileSummary { lower: 3.0, upper: 3.0, ..MEDIAN };
        assert_eq!(tied.variance(), None);
        assert_eq!(QuantileSummary { n: 999, ..tied }.variance(), None);
        assert_eq!(QuantileSummary { n: 1000, ..tied }.variance(), Some(1e-5));
    }
}
