//! Rows that come in clusters, such as visits of users, when it is clusters that were randomised.

use crate::distribution::Normal;
use crate::{Arm, CoMoments, Lack};

impl Arm {
    /// The mean over all rows of clustered units: Σ of the clusters' sums over Σ of their sizes.
    ///
    /// `clusters` holds one pair per cluster, its values' sum in x and its number of rows in y; n counts clusters. The mean is a ratio
    /// of means over clusters, and has the variance of [`Arm::ratio`]; that is the cluster-robust variance with the factor
    /// n / (n - 1). Source: Deng, Knoblich and Lu, Applying the delta method in metric analytics (2018), section 4.1.
    pub fn clustered_mean(clusters: &CoMoments) -> Self {
        Self::ratio(clusters)
    }
}

/// A sample quantile over the rows of clustered units.
///
/// The share of rows at or below the quantile is a ratio over clusters, whose variance the delta method gives. A quantile's interval
/// is that of the share, read back through the ranks: take [`ClusteredQuantile::levels`], look up the sample quantiles at these two
/// levels, and give them to [`ClusteredQuantile::arm`]. Source: Deng, Knoblich and Lu (2018), section 4.2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusteredQuantile {
    /// Which quantile, in (0, 1).
    pub level: f64,
    /// The sample quantile over all rows.
    pub estimate: f64,
    /// One pair per cluster: how many of its rows are at or below the estimate in x, how many it has in y.
    pub below: CoMoments,
}

impl ClusteredQuantile {
    /// The standard error of the share of rows at or below the quantile.
    pub fn share_se(&self) -> Result<f64, Lack> {
        Arm::ratio(&self.below).standard_error()
    }

    /// The levels level ± z se between which the quantile's interval of confidence 1 - `alpha` lies.
    ///
    /// An error where a level falls off the sample, or nothing varies between clusters.
    pub fn levels(&self, alpha: f64) -> Result<[f64; 2], Lack> {
        let reach = Normal.critical(0.5 * alpha) * self.share_se()?;
        let [lo, hi] = [self.level - reach, self.level + reach];
        if lo > 0.0 && hi < 1.0 { Ok([lo, hi]) } else { Err(Lack::TooFewForQuantile) }
    }

    /// The arm, from the sample quantiles `lower` and `upper` at the [`levels`](Self::levels) of `alpha`: se = (upper - lower) / 2z.
    pub fn arm(&self, lower: f64, upper: f64, alpha: f64) -> Arm {
        self.with_error(self.levels(alpha).map(|_| (upper - lower) / (2.0 * Normal.critical(0.5 * alpha))))
    }

    /// The arm, from the `density` of the rows' values at the quantile, in rows per unit of value: se = se of the share / density.
    pub fn arm_from_density(&self, density: f64) -> Arm {
        self.with_error(self.share_se().map(|se| se / density))
    }

    fn with_error(&self, se: Result<f64, Lack>) -> Arm {
        let n = self.below.n;
        match se {
            Ok(se) => Arm::new(n, self.estimate, se * se * n as f64),
            Err(lack) => Arm { variance: Err(lack), ..Arm::new(n, self.estimate, 1.0) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generator;

    /// statsmodels 0.15.0: OLS on a constant with `cov_type="cluster"`.
    #[test]
    fn the_error_of_a_mean_is_the_cluster_robust_one() {
        let rows = |cluster: usize, size: usize| {
            let value = |row: usize| ((cluster * 7 + row * 3) % 11) as f64 + 0.5 * cluster as f64;
            ((0..size).map(value).sum::<f64>(), size as f64)
        };
        let clusters = [3, 5, 1, 4, 2, 6, 2, 3].into_iter().enumerate().map(|(cluster, size)| rows(cluster, size));
        let arm = Arm::clustered_mean(&CoMoments::from_pairs(clusters));
        assert_eq!(arm.n, 8);
        assert!((arm.mean - 6.769_230_77).abs() < 5e-9);
        assert!(arm.standard_error().is_ok_and(|se| (se - 0.581_539_71).abs() < 5e-9), "{arm:?}");
    }

    #[test]
    fn clusters_of_one_row_are_rows() {
        let mut generator = Generator::seeded(3);
        let values: Vec<f64> = (0..2000).map(|_| generator.normal()).collect();
        let below = CoMoments::from_pairs(values.iter().map(|value| (f64::from(u8::from(*value <= 0.0)), 1.0)));
        let median = ClusteredQuantile { level: 0.5, estimate: 0.0, below };
        let se = median.share_se().unwrap_or_default();
        assert!((se - (0.25_f64 / 2000.0).sqrt()).abs() < 1e-5, "{se}");
        // The median of a normal distribution has the standard error √(π / 2n).
        let arm = median.arm_from_density(Normal.density(0.0));
        assert!(arm.standard_error().is_ok_and(|se| (se / (std::f64::consts::PI / 4000.0).sqrt() - 1.0).abs() < 1e-3));
        let [lo, hi] = median.levels(0.05).unwrap_or_default();
        let outer = median.arm(Normal.quantile(lo), Normal.quantile(hi), 0.05);
        assert!((outer.standard_error().unwrap_or_default() / arm.standard_error().unwrap_or_default() - 1.0).abs() < 2e-3);
    }

    #[test]
    fn what_has_no_interval_says_why() {
        let below = CoMoments::from_pairs([(1.0, 3.0), (3.0, 3.0), (2.0, 2.0)]);
        let quantile = ClusteredQuantile { level: 0.9, estimate: 3.0, below };
        assert_eq!(quantile.levels(0.05), Err(Lack::TooFewForQuantile));
        assert_eq!(quantile.arm(2.0, 4.0, 0.05).variance, Err(Lack::TooFewForQuantile));
        let one = ClusteredQuantile { below: CoMoments::from_pairs([(1.0, 3.0)]), ..quantile };
        assert_eq!(one.arm_from_density(0.5).variance, Err(Lack::OneUnit));
        let alike = ClusteredQuantile { below: CoMoments::from_pairs([(1.0, 2.0), (1.0, 2.0)]), ..quantile };
        assert_eq!(alike.share_se(), Err(Lack::NoVariance));
    }
}
