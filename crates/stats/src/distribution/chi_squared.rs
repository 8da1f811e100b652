//! The chi-squared distribution.

use statrs::function::gamma::{checked_gamma_lr, checked_gamma_ur, ln_gamma};

use super::{Normal, solve_tail};

/// The chi-squared distribution with `df` > 0 degrees of freedom.
///
/// ```
/// use tranche_stats::distribution::ChiSquared;
/// assert!((ChiSquared { df: 1.0 }.critical(0.05) - 3.841458820694124).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquared {
    /// Degrees of freedom.
    pub df: f64,
}

impl ChiSquared {
    /// f(x) = x^(k/2 - 1) exp(-x/2) / (2^(k/2) Γ(k/2)).
    pub fn density(self, x: f64) -> f64 {
        let half = 0.5 * self.df;
        ((half - 1.0) * (0.5 * x).ln() - 0.5 * x - ln_gamma(half)).exp() * 0.5
    }

    /// P(X > x) = Q(k/2, x/2), the regularised upper incomplete gamma function; for one degree of freedom 2 P(Z > √x).
    pub fn survival(self, x: f64) -> f64 {
        if x <= 0.0 {
            return 1.0;
        }
        if self.df == 1.0 {
            return 2.0 * Normal.survival(x.sqrt());
        }
        checked_gamma_ur(0.5 * self.df, 0.5 * x).unwrap_or(0.0)
    }

    /// P(X ≤ x) = P(k/2, x/2).
    pub fn cdf(self, x: f64) -> f64 {
        if x <= 0.0 { 0.0 } else { checked_gamma_lr(0.5 * self.df, 0.5 * x).unwrap_or(1.0) }
    }

    /// The x with P(X > x) = `tail`, for a tail in (0, 1). Newton's method from Wilson and Hilferty's cube (1931).
    pub fn critical(self, tail: f64) -> f64 {
        let spread = 2.0 / (9.0 * self.df);
        let cube = (1.0 - spread + Normal.critical(tail) * spread.sqrt()).powi(3);
        let start = (self.df * cube).max(1e-3 * self.df);
        solve_tail(tail, start, 0.0, |x| self.survival(x), |x| self.density(x))
    }

    /// The x with P(X ≤ x) = `probability`, in (0, 1).
    pub fn quantile(self, probability: f64) -> f64 {
        self.critical(1.0 - probability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values: mpmath, 40 digits.
    #[test]
    fn tails_keep_their_digits() {
        for (df, x, tail) in CASES {
            let chi = ChiSquared { df };
            assert!(
                (chi.survival(x) / tail - 1.0).abs() < 1e-12,
                "survival({x}; {df}) = {:e}, not {tail:e}",
                chi.survival(x)
            );
            assert!(
                (chi.critical(tail) / x - 1.0).abs() < 1e-12,
                "critical({tail}; {df}) = {}",
                chi.critical(tail)
            );
            assert!((chi.cdf(x) + tail - 1.0).abs() < 1e-12);
        }
    }

    /// (df, x, P(X > x)).
    const CASES: [(f64, f64, f64); 20] = [
        (1.0, 0.5, 0.479_500_122_186_953_5),
        (1.0, 3.0, 0.083_264_516_663_550_4),
        (1.0, 12.0, 0.000_532_005_505_139_249_7),
        (1.0, 60.0, 9.485_737_571_073_848e-15),
        (2.0, 0.5, 0.778_800_783_071_404_9),
        (2.0, 3.0, 0.223_130_160_148_429_82),
        (2.0, 12.0, 0.002_478_752_176_666_358_5),
        (2.0, 60.0, 9.357_622_968_840_175e-14),
        (3.0, 0.5, 0.918_891_411_654_675_8),
        (3.0, 3.0, 0.391_625_176_271_088_95),
        (3.0, 12.0, 0.007_383_160_505_359_769),
        (3.0, 60.0, 5.878_230_727_906_912e-13),
        (5.0, 0.5, 0.992_123_293_232_629_6),
        (5.0, 3.0, 0.699_985_835_878_627_5),
        (5.0, 12.0, 0.034_787_780_506_241_85),
        (5.0, 60.0, 1.215_456_977_718_304e-11),
        (10.0, 3.0, 0.981_424_063_777_859_3),
        (10.0, 12.0, 0.285_056_500_316_631_2),
        (10.0, 60.0, 3.624_300_952_061_488e-9),
        (49.0, 60.0, 0.134_864_346_525_320_73),
    ];
}
