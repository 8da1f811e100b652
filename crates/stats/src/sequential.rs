//! Intervals that hold at every look at once.

use crate::{Alternative, Outcome, Reason};

/// An asymptotic confidence sequence: however often one looks, the chance that it ever misses the effect stays below alpha.
///
/// Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and asymptotic confidence sequences
/// (arXiv 2103.06476), eq. 9 for the width, 155 for the p-value and 161 for the parameter ρ; for one side their one-sided sequence,
/// with 2 alpha in place of alpha in ρ.
///
/// ```
/// use tranche_stats::ConfidenceSequence;
/// let Some(sequence) = ConfidenceSequence::tuned(0.05, 5000.0).value() else { panic!() };
/// assert!(sequence.critical(5000.0) > 1.96); // the price of looking at any time
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidenceSequence {
    alpha: f64,
    rho_squared: f64,
    alternative: Alternative,
}

impl ConfidenceSequence {
    /// The two-sided sequence that is about narrowest when `tuning` units have come in, both arms counted.
    ///
    /// ρ² = (-2 ln α + ln(-2 ln α + 1)) / tuning.
    pub fn tuned(alpha: f64, tuning: f64) -> Outcome<Self> {
        Self::towards(alpha, tuning, Alternative::TwoSided).into()
    }

    /// The sequence that bounds the effect on the side that `alternative` asks for. For one side alpha must be below 1/2.
    pub fn one_sided(alpha: f64, tuning: f64, alternative: Alternative) -> Outcome<Self> {
        Self::towards(alpha, tuning, alternative).into()
    }

    pub(crate) fn towards(alpha: f64, tuning: f64, alternative: Alternative) -> Result<Self, Reason> {
        let two_sided_alpha = 2.0 * alpha / alternative.sides();
        if !(two_sided_alpha > 0.0 && two_sided_alpha < 1.0) {
            return Err(Reason::AlphaOutOfRange);
        }
        if !(tuning > 0.0 && tuning.is_finite()) {
            return Err(Reason::ParameterNotPositive);
        }
        let surprise = -2.0 * two_sided_alpha.ln();
        Ok(Self { alpha, rho_squared: (surprise + surprise.ln_1p()) / tuning, alternative })
    }

    /// What the standard error is multiplied by when N units have come in: √(2 (Nρ² + 1) ln(√(Nρ² + 1) / α) / (Nρ²)).
    ///
    /// For one side the logarithm is that of 1 + √(Nρ² + 1) / 2α.
    pub fn critical(&self, units: f64) -> f64 {
        let grown = units * self.rho_squared;
        let log = match self.alternative {
            Alternative::TwoSided => 0.5 * grown.ln_1p() - self.alpha.ln(),
            _ => ((grown + 1.0).sqrt() / (2.0 * self.alpha)).ln_1p(),
        };
        (2.0 * (grown + 1.0) * log / grown).sqrt()
    }

    /// The always-valid p-value of an effect `z` standard errors above the null: min(1, √(Nρ² + 1) exp(-e)) with
    /// e = z² Nρ² / 2(Nρ² + 1).
    ///
    /// For one side min(1, √(Nρ² + 1) / 2(exp(e) - 1)), and 1 on the other. The least of those seen so far is one too.
    pub fn p_value(&self, z: f64, units: f64) -> f64 {
        let grown = units * self.rho_squared;
        let exponent = 0.5 * z * z * (grown / (grown + 1.0));
        match self.alternative {
            Alternative::TwoSided => (0.5 * grown.ln_1p() - exponent).exp().min(1.0),
            _ if self.alternative.evidence(z) <= 0.0 => 1.0,
            _ => (0.5 * (grown + 1.0).sqrt() / exponent.exp_m1()).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p_value_meets_alpha_at_the_critical_value() {
        let Ok(sequence) = ConfidenceSequence::towards(0.05, 5000.0, Alternative::TwoSided) else {
            panic!("undefined")
        };
        for units in [2.0, 100.0, 5000.0, 1e7] {
            assert!((sequence.p_value(sequence.critical(units), units) - 0.05).abs() < 1e-14);
            assert_eq!(sequence.p_value(0.0, units), 1.0);
        }
    }

    #[test]
    fn it_is_about_narrowest_where_it_is_tuned() {
        let width = |tuning| {
            ConfidenceSequence::tuned(0.05, tuning)
                .value()
                .map_or(f64::NAN, |sequence| sequence.critical(5000.0))
        };
        for tuning in [500.0, 2500.0, 10_000.0, 50_000.0] {
            assert!(width(5000.0) < width(tuning), "{tuning}");
        }
    }

    #[test]
    fn nonsense_has_a_reason() {
        assert_eq!(ConfidenceSequence::tuned(1.0, 5000.0).reason(), Some(Reason::AlphaOutOfRange));
        assert_eq!(ConfidenceSequence::tuned(0.05, 0.0).reason(), Some(Reason::ParameterNotPositive));
        assert_eq!(
            ConfidenceSequence::one_sided(0.5, 9.0, Alternative::Less).reason(),
            Some(Reason::AlphaOutOfRange)
        );
    }

    #[test]
    fn one_side_is_nearer_and_leaves_the_other() {
        let Some(two) = ConfidenceSequence::tuned(0.05, 5000.0).value() else { panic!("undefined") };
        for (alternative, sign) in [(Alternative::Greater, 1.0), (Alternative::Less, -1.0)] {
            let Some(one) = ConfidenceSequence::one_sided(0.05, 5000.0, alternative).value() else {
                panic!("undefined")
            };
            for units in [500.0, 5000.0, 1e6] {
                let critical = one.critical(units);
                assert!(critical < two.critical(units));
                assert!((one.p_value(sign * critical, units) - 0.05).abs() < 1e-14);
                assert_eq!(one.p_value(-sign * critical, units), 1.0);
            }
        }
    }
}
