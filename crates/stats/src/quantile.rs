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
        let variance = (self.n_interval as f64 / n) * (n - 1.0) * ((self.upper - self.lower) / (2.0 * z)).powi(2);
        if variance <= 0.0 && self.n < LARGE {
            return None;
        }
        Some(if self.n < FLOOR_FROM { variance } else { variance.max(LEAST_VARIANCE) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEDIAN: QuantileSummary = QuantileSummary { n: 50, n_interval: 50, level: 0.5, estimate: 3.0, lower: 2.0, upper: 4.0 };

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
