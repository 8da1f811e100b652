//! Rows that come in clusters, such as visits of users, when it is clusters that were randomised.

use crate::distribution::Normal;
use crate::quantile::sample_quantile;
use crate::{Arm, CoMoments, UndefinedReason};

impl Arm {
    /// The mean over all rows of clustered units: Σ of the clusters' sums over Σ of their sizes.
    ///
    /// `clusters` holds one pair per cluster, its values' sum in x and its number of rows in y; n counts clusters. The mean is a ratio
    /// of means over clusters, and has the variance of [`Arm::ratio`]; that is the cluster-robust variance with the factor
    /// n / (n - 1). Source: Deng, Knoblich and Lu, Applying the delta method in metric analytics (2018), section 4.1.
    pub fn clustered_mean(clusters: &CoMoments) -> Self {
        Self::ratio(clusters)
    }

    /// A quantile over all rows of clustered units, in (0, 1); n counts clusters, of which some may have no rows.
    ///
    /// The density at the quantile is read from the order statistics at the ends of a 95 % interval, as [`ClusteredQuantile::arm`]
    /// says. Source: Deng, Knoblich and Lu (2018), section 4.2.
    pub fn clustered_quantile<'a>(clusters: impl Iterator<Item = &'a [f64]> + Clone, level: f64) -> Self {
        const ALPHA: f64 = 0.05;
        let mut rows: Vec<f64> = clusters.clone().flatten().copied().collect();
        rows.sort_unstable_by(f64::total_cmp);
        let n = clusters.clone().count() as u64;
        let Some(estimate) = sample_quantile(&rows, level) else {
            let reason = if n == 0 { UndefinedReason::NoUnits } else { UndefinedReason::NoRows };
            return Self { n, variance: Err(reason), ..Self::new(n, 0.0, 1.0) };
        };
        let below = |cluster: &[f64]| cluster.iter().filter(|value| **value <= estimate).count() as f64;
        let pairs = clusters.map(|cluster| (below(cluster), cluster.len() as f64));
        let quantile = ClusteredQuantile { level, estimate, below: CoMoments::from_pairs(pairs) };
        let at = |level: f64| sample_quantile(&rows, level).unwrap_or(estimate);
        match quantile.levels(ALPHA) {
            Ok([lower, upper]) => quantile.arm(at(lower), at(upper), ALPHA),
            Err(reason) => quantile.with_error(Err(reason)),
        }
    }
}

/// One pair a cluster that says of its rows what an arm's quantile says: sums of linearised values, and how many rows there are.
///
/// A row of value x counts as q + s (p - [x ≤ q]), q the quantile and p the share of rows at or below it. The ratio of the pairs' sums is
/// q, and s is such that it has the variance of `arm`: 1 / s is the density that the arm's variance implies. So covariates, clusters
/// and strata may be taken into account as for a ratio. Source: Deng, Knoblich and Lu (2018), section 4.2, with the influence
/// function of a quantile (Huber, Robust statistics, 1981, section 3.3.1).
///
/// None where the arm, or the share, has no variance.
pub fn quantile_rows<'a>(
    arm: &Arm,
    clusters: impl Iterator<Item = &'a [f64]> + Clone,
) -> Option<Vec<[f64; 2]>> {
    let below = |cluster: &[f64]| cluster.iter().filter(|value| **value <= arm.mean).count() as f64;
    let pairs = CoMoments::from_pairs(clusters.clone().map(|cluster| (below(cluster), cluster.len() as f64)));
    let share = Arm::ratio(&pairs);
    let scale = (arm.variance.ok()? / share.variance.ok()?).sqrt();
    let row = |cluster: &[f64]| {
        let rows = cluster.len() as f64;
        [arm.mean * rows + scale * (share.mean * rows - below(cluster)), rows]
    };
    Some(clusters.map(row).collect())
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
    pub fn share_se(&self) -> Result<f64, UndefinedReason> {
        Arm::ratio(&self.below).standard_error()
    }

    /// The levels level ± z se between which the quantile's interval of confidence 1 - `alpha` lies.
    ///
    /// An error where a level falls off the sample, or nothing varies between clusters.
    pub fn levels(&self, alpha: f64) -> Result<[f64; 2], UndefinedReason> {
        let reach = Normal.critical(0.5 * alpha) * self.share_se()?;
        let [lo, hi] = [self.level - reach, self.level + reach];
        if lo > 0.0 && hi < 1.0 { Ok([lo, hi]) } else { Err(UndefinedReason::TooFewForQuantile) }
    }

    /// The arm, from the sample quantiles `lower` and `upper` at the [`levels`](Self::levels) of `alpha`: se = (upper - lower) / 2z.
    pub fn arm(&self, lower: f64, upper: f64, alpha: f64) -> Arm {
        self.with_error(self.levels(alpha).map(|_| (upper - lower) / (2.0 * Normal.critical(0.5 * alpha))))
    }

    /// The arm, from the `density` of the rows' values at the quantile, in rows per unit of value: se = se of the share / density.
    pub fn arm_from_density(&self, density: f64) -> Arm {
        self.with_error(self.share_se().map(|se| se / density))
    }

    fn with_error(&self, se: Result<f64, UndefinedReason>) -> Arm {
        let n = self.below.n;
        match se {
            Ok(se) => Arm::new(n, self.estimate, se * se * n as f64),
            Err(reason) => Arm { variance: Err(reason), ..Arm::new(n, self.estimate, 1.0) },
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
        let clusters =
            [3, 5, 1, 4, 2, 6, 2, 3].into_iter().enumerate().map(|(cluster, size)| rows(cluster, size));
        let arm = Arm::clustered_mean(&CoMoments::from_pairs(clusters));
        assert_eq!(arm.n, 8);
        assert!((arm.mean - 6.769_230_77).abs() < 5e-9);
        assert!(arm.standard_error().is_ok_and(|se| (se - 0.581_539_71).abs() < 5e-9), "{arm:?}");
    }

    #[test]
    fn rows_of_a_quantile_are_its_arm() {
        let mut generator = Generator::seeded(13);
        let rows: Vec<Vec<f64>> =
            (0..300).map(|_| (0..generator.below(4)).map(|_| generator.normal()).collect()).collect();
        let clusters = || rows.iter().map(Vec::as_slice);
        let arm = Arm::clustered_quantile(clusters(), 0.8);
        let Some(found) = quantile_rows(&arm, clusters()) else { panic!("no rows") };
        let ratio =
            Arm::ratio(&CoMoments::from_pairs(found.into_iter().map(|[above, below]| (above, below))));
        assert_eq!(ratio.n, arm.n);
        assert!((ratio.mean - arm.mean).abs() < 1e-12, "{ratio:?} {arm:?}");
        let variances = (ratio.variance.unwrap_or_default(), arm.variance.unwrap_or_default());
        assert!((variances.0 / variances.1 - 1.0).abs() < 1e-12, "{variances:?}");
        assert_eq!(
            quantile_rows(&Arm::clustered_quantile(clusters().take(1), 0.8), clusters().take(1)),
            None
        );
    }

    #[test]
    fn clusters_of_one_row_are_rows() {
        let mut generator = Generator::seeded(3);
        let values: Vec<f64> = (0..2000).map(|_| generator.normal()).collect();
        let below =
            CoMoments::from_pairs(values.iter().map(|value| (f64::from(u8::from(*value <= 0.0)), 1.0)));
        let median = ClusteredQuantile { level: 0.5, estimate: 0.0, below };
        let se = median.share_se().unwrap_or_default();
        assert!((se - (0.25_f64 / 2000.0).sqrt()).abs() < 1e-5, "{se}");
        // The median of a normal distribution has the standard error √(π / 2n).
        let arm = median.arm_from_density(Normal.density(0.0));
        assert!(
            arm.standard_error()
                .is_ok_and(|se| (se / (std::f64::consts::PI / 4000.0).sqrt() - 1.0).abs() < 1e-3)
        );
        let [lo, hi] = median.levels(0.05).unwrap_or_default();
        let outer = median.arm(Normal.quantile(lo), Normal.quantile(hi), 0.05);
        assert!(
            (outer.standard_error().unwrap_or_default() / arm.standard_error().unwrap_or_default() - 1.0)
                .abs()
                < 2e-3
        );
    }

    /// Rows of a unit share its level, so that a unit with many rows says little more than one with few: over 2000 samples the
    /// interval of a 75th percentile covers the true one, √2 Φ⁻¹(0.75), and without regard to clusters it does not.
    #[test]
    fn the_interval_of_a_clustered_quantile_covers() {
        let (samples, units, truth) = (2000, 150, std::f64::consts::SQRT_2 * Normal.quantile(0.75));
        let mut generator = Generator::seeded(29);
        let (mut covered, mut naively) = (0, 0);
        for _ in 0..samples {
            let clusters: Vec<Vec<f64>> = (0..units)
                .map(|unit| {
                    let level = generator.normal();
                    (0..1 + unit % 9).map(|_| level + generator.normal()).collect()
                })
                .collect();
            let covers = |arm: Arm| {
                arm.standard_error().is_ok_and(|se| (arm.mean - truth).abs() <= Normal.critical(0.025) * se)
            };
            covered += u32::from(covers(Arm::clustered_quantile(clusters.iter().map(Vec::as_slice), 0.75)));
            naively += u32::from(covers(Arm::clustered_quantile(
                clusters.iter().flatten().map(std::slice::from_ref),
                0.75,
            )));
        }
        let shares = [covered, naively].map(|count| f64::from(count) / f64::from(samples));
        assert!((shares[0] - 0.95).abs() < 0.015, "{shares:?}");
        assert!(shares[1] < 0.85, "{shares:?}");
    }

    /// With one row a cluster, the delta method gives √(level (1 - level) / n) / density.
    #[test]
    fn a_quantile_of_single_rows_has_the_error_of_the_formula() {
        let mut generator = Generator::seeded(31);
        let rows: Vec<f64> = (0..50_000).map(|_| generator.normal()).collect();
        for level in [0.1, 0.5, 0.9] {
            let arm = Arm::clustered_quantile(rows.iter().map(std::slice::from_ref), level);
            let expected =
                (level * (1.0 - level) / 50_000.0_f64).sqrt() / Normal.density(Normal.quantile(level));
            let se = arm.standard_error().unwrap_or_default();
            assert!((se / expected - 1.0).abs() < 0.06, "{level}: {se} {expected}");
            assert!((arm.mean - Normal.quantile(level)).abs() < 4.0 * se);
        }
    }

    #[test]
    fn clusters_without_rows_count_and_say_nothing() {
        let rows: Vec<Vec<f64>> =
            (0..200).map(|i| (0..i % 3).map(|row| f64::from(i * 7 % 31 + row)).collect()).collect();
        let arm = Arm::clustered_quantile(rows.iter().map(Vec::as_slice), 0.5);
        assert_eq!(arm.n, 200);
        assert!(arm.standard_error().is_ok());
        let empty: [Vec<f64>; 3] = Default::default();
        let nothing = Arm::clustered_quantile(empty.iter().map(Vec::as_slice), 0.5);
        assert_eq!(nothing.variance, Err(UndefinedReason::NoRows));
        assert!(!nothing.has_value());
        assert_eq!(Arm::clustered_quantile(std::iter::empty(), 0.5).variance, Err(UndefinedReason::NoUnits));
    }

    #[test]
    fn what_has_no_interval_says_why() {
        let below = CoMoments::from_pairs([(1.0, 3.0), (3.0, 3.0), (2.0, 2.0)]);
        let quantile = ClusteredQuantile { level: 0.9, estimate: 3.0, below };
        assert_eq!(quantile.levels(0.05), Err(UndefinedReason::TooFewForQuantile));
        assert_eq!(quantile.arm(2.0, 4.0, 0.05).variance, Err(UndefinedReason::TooFewForQuantile));
        let one = ClusteredQuantile { below: CoMoments::from_pairs([(1.0, 3.0)]), ..quantile };
        assert_eq!(one.arm_from_density(0.5).variance, Err(UndefinedReason::OneUnit));
        let alike = ClusteredQuantile { below: CoMoments::from_pairs([(1.0, 2.0), (1.0, 2.0)]), ..quantile };
        assert_eq!(alike.share_se(), Err(UndefinedReason::NoVariance));
    }
}
