//! Whether few units were split as they should have been: an exact test.

use statrs::function::beta::beta_reg;

use crate::{Outcome, Reason};

/// The p-value of `observed` counts against the `shares` that they should have, in any scale, however few they are.
///
/// Each variant is held against all others by the exact binomial test: twice the smaller tail, at most 1. The least of these
/// p-values is multiplied by the number of variants that expect units; two variants are one test. Where a chi-squared test of few
/// expected units raises false alarms far out in its tail, this one keeps its level. Right to about 1e-8 of its size.
///
/// Source: Clopper and Pearson, The use of confidence or fiducial limits (1934), for the tails; Bonferroni for the variants.
///
/// ```
/// let p = tranche_stats::exact_sample_ratio(&[0, 10], &[0.5, 0.5]).value();
/// assert!(p.is_some_and(|p| (p - 2.0 / 1024.0).abs() < 1e-12));
/// ```
pub fn exact_sample_ratio(observed: &[u64], shares: &[f64]) -> Outcome<f64> {
    let whole: f64 = shares.iter().sum();
    let fit = observed.len() == shares.len() && shares.iter().all(|share| *share >= 0.0) && whole.is_finite();
    let expecting: Vec<(u64, f64)> = observed
        .iter()
        .copied()
        .zip(shares.iter().map(|share| share / whole))
        .filter(|(_, share)| *share > 0.0)
        .collect();
    if !fit || expecting.len() < 2 {
        return Outcome::Undefined(Reason::SharesDoNotFit);
    }
    let total: u64 = expecting.iter().map(|(count, _)| count).sum();
    if total < observed.iter().sum() {
        return Outcome::Undefined(Reason::UnitsWithoutShare);
    }
    if total == 0 {
        return Outcome::Undefined(Reason::NoUnits);
    }
    let tests = if expecting.len() == 2 { 1.0 } else { expecting.len() as f64 };
    let least = expecting.iter().map(|(count, share)| two_sided(*count, total, *share)).fold(1.0, f64::min);
    Outcome::Defined((tests * least).min(1.0))
}

/// Twice the smaller tail of `count` successes in `trials`.
fn two_sided(count: u64, trials: u64, chance: f64) -> f64 {
    let above = at_least(count, trials, chance);
    let below = at_least(trials - count, trials, 1.0 - chance);
    (2.0 * above.min(below)).min(1.0)
}

/// P(X ≥ count), by the incomplete beta function.
fn at_least(count: u64, trials: u64, chance: f64) -> f64 {
    let (k, n) = (count as f64, trials as f64);
    if count == 0 { 1.0 } else { beta_reg(k, n - k + 1.0, chance) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_variants_are_one_binomial_test() {
        // 2 min(binom.cdf(k, n, q), binom.sf(k - 1, n, q)) of SciPy.
        for (count, trials, share, expected) in [
            (0, 10, 0.5, 0.001_953_125),
            (14, 50, 0.1, 0.000_570_240_605_338_54),
            (1000, 2200, 0.5, 2.181_702_640_791_419_4e-5),
            (44_700, 90_189, 0.5, 0.008_692_234_389_090_966),
            (5, 10, 0.5, 1.0),
            (3, 40, 0.25, 0.009_391_360_676_501_034),
        ] {
            for (observed, shares) in [
                ([count, trials - count], [share, 1.0 - share]),
                ([trials - count, count], [1.0 - share, share]),
            ] {
                let p = exact_sample_ratio(&observed, &shares).value();
                assert!(p.is_some_and(|p| (p / expected - 1.0).abs() < 1e-8), "{observed:?} {p:?}");
            }
        }
    }

    #[test]
    fn of_more_variants_the_least_likely_counts() {
        // The tails of 5, 20 and 35 of 60 at 20, 30 and 50 % are 0.0242, 0.66 and 0.245 by SciPy.
        let p = exact_sample_ratio(&[5, 20, 35], &[2.0, 3.0, 5.0]).value();
        assert!(p.is_some_and(|p| (p / 0.072_637_020_111_397_61 - 1.0).abs() < 1e-8), "{p:?}");
        assert_eq!(exact_sample_ratio(&[21_306, 21_307, 21_387], &[1.0; 3]).value(), Some(1.0));
    }

    /// Every count of 50 units at a share of 10 %, by its probability: at most alpha of them fail at alpha, where the chi-squared
    /// test fails far more often.
    #[test]
    fn a_false_alarm_is_as_rare_as_promised() {
        let alpha = 0.001 / 30.0;
        let chance = |count: u64| {
            let coefficient: f64 = (1..=count).map(|i| (51 - i) as f64 / i as f64).product();
            coefficient * 0.1f64.powi(count as i32) * 0.9f64.powi(50 - count as i32)
        };
        let rate = |p: &dyn Fn(&[u64]) -> Option<f64>| -> f64 {
            (0..=50).filter(|count| p(&[*count, 50 - count]).is_some_and(|p| p < alpha)).map(chance).sum()
        };
        let exact = rate(&|observed| exact_sample_ratio(observed, &[0.1, 0.9]).value());
        let chi_squared =
            rate(&|observed| crate::sample_ratio(observed, &[0.1, 0.9]).value().map(|ratio| ratio.p));
        assert!(exact > 0.0 && exact <= alpha, "{exact}");
        assert!(chi_squared > 5.0 * alpha, "{chi_squared}");
    }

    #[test]
    fn what_cannot_be_tested_has_a_reason() {
        for (observed, shares, reason) in [
            (&[0, 0][..], &[0.5, 0.5][..], Reason::NoUnits),
            (&[3], &[1.0], Reason::SharesDoNotFit),
            (&[3, 4], &[1.0], Reason::SharesDoNotFit),
            (&[3, 4], &[1.5, -0.5], Reason::SharesDoNotFit),
            (&[3, 4, 1], &[0.5, 0.5, 0.0], Reason::UnitsWithoutShare),
        ] {
            assert_eq!(exact_sample_ratio(observed, shares).reason(), Some(reason));
        }
    }
}
