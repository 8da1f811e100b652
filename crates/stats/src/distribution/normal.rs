//! The standard normal distribution.

use std::f64::consts::{SQRT_2, TAU};

use statrs::function::erf::erfc_inv;

use super::{exponential_mean, rising_series, solve_tail};

/// The standard normal distribution N(0, 1).
///
/// ```
/// use tranche_stats::distribution::Normal;
/// assert!((Normal.critical(0.025) - 1.959963984540054).abs() < 1e-15);
/// assert!((Normal.survival(10.0) / 7.619853024160525e-24 - 1.0).abs() < 1e-13);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normal;

impl Normal {
    /// φ(z) = exp(-z²/2) / √(2π).
    pub fn density(self, z: f64) -> f64 {
        (-0.5 * z * z).exp() / TAU.sqrt()
    }

    /// P(Z > z) = φ(z) ∫ exp(-w) / √(z² + 2w) dw over w > 0, for z ≥ 1; mirrored below 0.
    ///
    /// Up to 1 it is 1/2 - φ(z) (z + z³/3 + z⁵/(3·5) + ...), Abramowitz and Stegun 26.2.11.
    pub fn survival(self, z: f64) -> f64 {
        if z < 0.0 {
            return 1.0 - self.survival(-z);
        }
        let density = self.density(z);
        if z < 1.0 {
            return 0.5 - density * z * rising_series(|k| z * z / (2.0 * k + 3.0));
        }
        if density == 0.0 { 0.0 } else { density * exponential_mean(|w| 1.0 / (z * z + 2.0 * w).sqrt()) }
    }

    /// P(Z ≤ z).
    pub fn cdf(self, z: f64) -> f64 {
        self.survival(-z)
    }

    /// The z with P(Z > z) = `tail`, for a tail in (0, 1).
    pub fn critical(self, tail: f64) -> f64 {
        if tail > 0.5 {
            return -self.critical(1.0 - tail);
        }
        if tail == 0.5 {
            return 0.0;
        }
        let start = SQRT_2 * erfc_inv(2.0 * tail);
        solve_tail(tail, start, 0.0, |z| self.survival(z), |z| self.density(z))
    }

    /// The z with P(Z ≤ z) = `probability`, in (0, 1).
    pub fn quantile(self, probability: f64) -> f64 {
        -self.critical(probability)
    }

    /// E\[max(Z - z, 0)\] = φ(z) - z P(Z > z): what is lost on average beyond z.
    pub fn expected_excess(self, z: f64) -> f64 {
        (self.density(z) - z * self.survival(z)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values: mpmath, 40 digits.
    #[test]
    fn tails_keep_their_digits() {
        for (z, tail) in [
            (3e-6, 0.499_998_803_173_158_8),
            (0.5, 0.308_537_538_725_986_9),
            (0.999, 0.158_897_345_641_318_3),
            (1.0, 0.158_655_253_931_457_05),
            (1.959_963_984_540_054, 0.025_000_000_000_000_01),
            (5.0, 2.866_515_718_791_939e-7),
            (20.0, 2.753_624_118_606_233_6e-89),
        ] {
            assert!(
                (Normal.survival(z) / tail - 1.0).abs() < 1e-13,
                "survival({z}) = {}",
                Normal.survival(z)
            );
            assert!(
                (Normal.critical(tail) - z).abs() < 1e-14 * z.max(1.0),
                "critical({tail}) = {}",
                Normal.critical(tail)
            );
        }
    }

    #[test]
    fn both_sides_mirror_each_other() {
        assert!((Normal.quantile(0.975) - Normal.critical(0.025)).abs() < 1e-14);
        assert!((Normal.quantile(0.025) + Normal.critical(0.025)).abs() < 1e-15);
        assert_eq!(Normal.cdf(1.25), Normal.survival(-1.25));
    }
}
