//! Sample ratio mismatch that may be checked after every unit.

use serde::Serialize;
use statrs::function::gamma::ln_gamma;

use crate::{Outcome, Reason};

/// The evidence in counts against the split that was planned, valid at every look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SequentialSampleRatio {
    /// ln of the Bayes factor of "any split" over "the planned split".
    pub log_bayes_factor: f64,
    /// The always-valid p-value min(1, 1 / Bayes factor). The least of those seen so far is one too.
    pub p: f64,
}

/// Tests `observed` counts against the `shares` they should have, in any scale, at any time and as often as one likes.
///
/// Under the alternative shares are Dirichlet(`concentration` · planned shares): a small concentration finds gross mismatches, a large
/// one (10,000, say) small ones. The Bayes factor is Γ(a) / Γ(a + n) · Π Γ(aᵢ + nᵢ) / (Γ(aᵢ) πᵢ^nᵢ) with aᵢ = concentration · πᵢ; under
/// the planned split it ever exceeds 1 / alpha with a chance of at most alpha. Where [`sample_ratio`](crate::sample_ratio) may be
/// asked once, this may be asked daily. Source: Lindon and Malek, Anytime-valid inference for multinomial count data (2022).
///
/// ```
/// let ratio = tranche_stats::sequential_sample_ratio(&[30, 60], &[0.5, 0.5], 100.0).value();
/// assert!(ratio.is_some_and(|ratio| (ratio.p - 0.1263222956711657).abs() < 1e-9));
/// ```
pub fn sequential_sample_ratio(
    observed: &[u64],
    shares: &[f64],
    concentration: f64,
) -> Outcome<SequentialSampleRatio> {
    evidence(observed, shares, concentration).into()
}

fn evidence(observed: &[u64], shares: &[f64], concentration: f64) -> Result<SequentialSampleRatio, Reason> {
    let total_share: f64 = shares.iter().sum();
    let fit =
        observed.len() == shares.len() && shares.iter().all(|share| *share >= 0.0) && total_share.is_finite();
    if !fit || shares.iter().filter(|share| **share > 0.0).count() < 2 {
        return Err(Reason::SharesDoNotFit);
    }
    if !(concentration > 0.0 && concentration.is_finite()) {
        return Err(Reason::ParameterNotPositive);
    }
    let (mut total, mut log_bayes_factor) = (0.0, 0.0);
    for (count, share) in observed.iter().zip(shares) {
        let (count, share) = (*count as f64, share / total_share);
        if share > 0.0 {
            let prior = concentration * share;
            log_bayes_factor += ln_gamma(prior + count) - ln_gamma(prior) - count * share.ln();
        } else if count > 0.0 {
            return Err(Reason::UnitsWithoutShare);
        }
        total += count;
    }
    log_bayes_factor -= ln_gamma(concentration + total) - ln_gamma(concentration);
    Ok(SequentialSampleRatio { log_bayes_factor, p: (-log_bayes_factor).exp().min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mpmath with 40 digits.
    #[test]
    fn the_bayes_factor_keeps_its_digits() {
        for (observed, shares, concentration, expected, tolerance) in [
            (&[1000, 1200][..], &[0.5, 0.5][..], 100.0, 7.140_301_875_989_605, 1e-10),
            (&[44_700, 45_489], &[0.5, 0.5], 10_000.0, 1.954_537_237_438_253_7, 1e-9),
            (&[21_306, 21_307, 21_387], &[1.0, 1.0, 1.0], 2.0, -10.586_316_622_423_63, 1e-9),
            (&[5, 9], &[1.0, 3.0], 2.0, -0.931_804_444_442_385_1, 1e-11),
            (&[50_020_000, 49_980_000], &[0.5, 0.5], 10_000.0, 3.393_955_192_256_904, 5e-6),
        ] {
            let found = sequential_sample_ratio(observed, shares, concentration).value();
            assert!(
                found.is_some_and(|found| (found.log_bayes_factor - expected).abs() < tolerance),
                "{found:?}"
            );
        }
    }

    /// The ssrm-test package for Python, 0.1.5: the least p-value of ten looks, alternately of two days.
    #[test]
    fn the_least_p_value_is_that_of_ssrm() {
        let (mut counts, mut least) = ([0_u64; 3], 1.0_f64);
        let expected = [
            0.874_112_593_395_801_4,
            0.310_523_915_208_555_5,
            0.085_748_321_447_048_73,
            0.021_090_431_614_557_984,
            0.004_856_961_248_917_806,
            0.004_856_961_248_917_806,
            0.000_153_030_729_153_669_7,
            6.548_431_986_013_638e-7,
            7.904_334_542_668_864e-10,
            4.039_147_216_748_46e-13,
        ];
        for (day, expected) in expected.into_iter().enumerate() {
            let gained = if day < 5 { [10, 30, 20] } else { [30, 20, 31] };
            counts.iter_mut().zip(gained).for_each(|(count, gained)| *count += gained);
            let found = sequential_sample_ratio(&counts, &[0.25, 0.5, 0.25], 50.0).value();
            least = least.min(found.map_or(f64::NAN, |found| found.p));
            assert!((least / expected - 1.0).abs() < 1e-8, "day {day}: {least}, not {expected}");
        }
    }

    #[test]
    fn no_units_are_no_evidence_and_invalid_input_has_a_reason() {
        assert_eq!(
            sequential_sample_ratio(&[0, 0], &[1.0, 2.0], 10.0).value().map(|found| found.p),
            Some(1.0)
        );
        for (observed, shares, concentration, reason) in [
            (&[3][..], &[1.0][..], 1.0, Reason::SharesDoNotFit),
            (&[3, 4], &[1.0, -1.0], 1.0, Reason::SharesDoNotFit),
            (&[3, 4, 1], &[0.5, 0.5, 0.0], 1.0, Reason::UnitsWithoutShare),
            (&[3, 4], &[0.5, 0.5], 0.0, Reason::ParameterNotPositive),
        ] {
            assert_eq!(sequential_sample_ratio(observed, shares, concentration).reason(), Some(reason));
        }
    }
}
