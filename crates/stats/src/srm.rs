//! Sample ratio mismatch: whether units were split as they should have been.

use serde::Serialize;

use crate::distribution::ChiSquared;
use crate::{Outcome, Reason};

/// Observed against expected counts. A small p says that the split is broken, and with it every comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleRatio {
    /// X² = Σ (observed - expected)² / expected.
    pub chi_squared: f64,
    /// Variants that expect units, less one.
    pub degrees_of_freedom: u64,
    /// P(χ² > X²).
    pub p: f64,
    /// The expected counts, in the order of the observed ones.
    pub expected: Vec<f64>,
}

/// Tests `observed` counts against the `shares` they should have, in any scale: `[1.0, 1.0]` is half and half.
///
/// Source: Pearson's chi-squared test; Fabijan et al., Diagnosing sample ratio mismatch in online controlled experiments (2019).
///
/// ```
/// let ratio = tranche_stats::sample_ratio(&[1000, 1200], &[0.5, 0.5]);
/// assert!(ratio.value().is_some_and(|ratio| (ratio.p - 2.007865612e-5).abs() < 1e-14));
/// ```
pub fn sample_ratio(observed: &[u64], shares: &[f64]) -> Outcome<SampleRatio> {
    let total_share: f64 = shares.iter().sum();
    let fit =
        observed.len() == shares.len() && shares.iter().all(|share| *share >= 0.0) && total_share.is_finite();
    let expecting = shares.iter().filter(|share| **share > 0.0).count();
    if !fit || expecting < 2 {
        return Outcome::Undefined(Reason::SharesDoNotFit);
    }
    let total = observed.iter().map(|count| *count as f64).sum::<f64>();
    if total == 0.0 {
        return Outcome::Undefined(Reason::NoUnits);
    }
    let expected: Vec<f64> = shares.iter().map(|share| share / total_share * total).collect();
    let mut chi_squared = 0.0;
    for (count, expected) in observed.iter().zip(&expected) {
        if *expected > 0.0 {
            chi_squared += (*count as f64 - expected).powi(2) / expected;
        } else if *count > 0 {
            return Outcome::Undefined(Reason::UnitsWithoutShare);
        }
    }
    let degrees_of_freedom = expecting as u64 - 1;
    let p = ChiSquared { df: degrees_of_freedom as f64 }.survival(chi_squared);
    Outcome::Defined(SampleRatio { chi_squared, degrees_of_freedom, p, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_splits() {
        for (observed, shares, p) in [
            (vec![1000, 1200], vec![0.5, 0.5], 2.007_865_612e-5),
            (vec![44_700, 45_489], vec![0.5, 0.5], 0.008_607_987_8),
            (vec![21_306, 21_307, 21_387], vec![1.0, 1.0, 1.0], 0.903_692_957_6),
        ] {
            let ratio = sample_ratio(&observed, &shares).value();
            assert!(ratio.as_ref().is_some_and(|ratio| (ratio.p / p - 1.0).abs() < 5e-9), "{ratio:?}");
        }
    }

    #[test]
    fn a_variant_that_is_switched_off_does_not_count() {
        let without = sample_ratio(&[1000, 1200], &[0.5, 0.5]).value();
        let with = sample_ratio(&[1000, 0, 1200], &[0.5, 0.0, 0.5]).value();
        assert_eq!(with.map(|ratio| (ratio.p, ratio.degrees_of_freedom)), without.map(|ratio| (ratio.p, 1)));
    }

    #[test]
    fn what_cannot_be_tested_has_a_reason() {
        for (observed, shares, reason) in [
            (&[0, 0][..], &[0.5, 0.5][..], Reason::NoUnits),
            (&[3], &[1.0], Reason::SharesDoNotFit),
            (&[3, 4], &[1.0], Reason::SharesDoNotFit),
            (&[3, 4], &[1.5, -0.5], Reason::SharesDoNotFit),
            (&[3, 4, 1], &[0.5, 0.5, 0.0], Reason::UnitsWithoutShare),
            (&[3, 4], &[0.5, f64::NAN], Reason::SharesDoNotFit),
        ] {
            assert_eq!(sample_ratio(observed, shares).reason(), Some(reason));
        }
    }
}
