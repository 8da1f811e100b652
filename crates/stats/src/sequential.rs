//! Intervals that hold at every look at once.

use crate::{Outcome, Reason};

/// An asymptotic confidence sequence: however often one looks, the chance that it ever misses the effect stays below alpha.
///
/// Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and asymptotic confidence sequences
/// (arXiv 2103.06476), eq. 9 for the width, 155 for the p-value and 161 for the parameter ρ.
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
}

impl ConfidenceSequence {
    /// The sequence that is about narrowest when `tuning` units have come in, both arms counted.
    ///
    /// ρ² = (-2 ln α + ln(-2 ln α + 1)) / tuning.
    pub fn tuned(alpha: f64, tuning: f64) -> Outcome<Self> {
        Self::new(alpha, tuning).into()
    }

    pub(crate) fn new(alpha: f64, tuning: f64) -> Result<Self, Reason> {
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(Reason::AlphaOutOfRange);
        }
        if !(tuning > 0.0 && tuning.is_finite()) {
            return Err(Reason::ParameterNotPositive);
        }
        let surprise = -2.0 * alpha.ln();
        Ok(Self { alpha, rho_squared: (surprise + surprise.ln_1p()) / tuning })
    }

    /// What the standard error is multiplied by when N units have come in: √(2 (Nρ² + 1) ln(√(Nρ² + 1) / α) / (Nρ²)).
    pub fn critical(&self, units: f64) -> f64 {
        let grown = units * self.rho_squared;
        (2.0 * (grown + 1.0) * (0.5 * grown.ln_1p() - self.alpha.ln()) / grown).sqrt()
    }

    /// The always-valid p-value of an effect of `z` standard errors: min(1, √(Nρ² + 1) exp(-z² Nρ² / 2(Nρ² + 1))).
    pub fn p_value(&self, z: f64, units: f64) -> f64 {
        let grown = units * self.rho_squared;
        (0.5 * grown.ln_1p() - 0.5 * z * z * (grown / (grown + 1.0))).exp().min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p_value_meets_alpha_at_the_critical_value() {
        let Ok(sequence) = ConfidenceSequence::new(0.05, 5000.0) else { panic!("undefined") };
        for units in [2.0, 100.0, 5000.0, 1e7] {
            assert!((sequence.p_value(sequence.critical(units), units) - 0.05).abs() < 1e-14);
            assert_eq!(sequence.p_value(0.0, units), 1.0);
        }
    }

    #[test]
    fn it_is_about_narrowest_where_it_is_tuned() {
        let width = |tuning| ConfidenceSequence::new(0.05, tuning).map_or(f64::NAN, |sequence| sequence.critical(5000.0));
        for tuning in [500.0, 2500.0, 10_000.0, 50_000.0] {
            assert!(width(5000.0) < width(tuning), "{tuning}");
        }
    }

    #[test]
    fn nonsense_has_a_reason() {
        assert_eq!(ConfidenceSequence::new(1.0, 5000.0), Err(Reason::AlphaOutOfRange));
        assert_eq!(ConfidenceSequence::new(0.05, 0.0), Err(Reason::ParameterNotPositive));
    }
}
