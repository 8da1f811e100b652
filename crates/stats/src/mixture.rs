//! The mixture sequential probability ratio test: p-values and intervals that hold at every look, for a known scale of effects.

use crate::distribution::{Normal, solve_tail};
use crate::{Alternative, Outcome, Reason};

/// A mixture sequential probability ratio test (mSPRT) of a normal mean.
///
/// Effects θ are mixed over N(0, τ²) around the null, or for a one-sided alternative over the half of it that the alternative
/// allows. With an estimate of variance V, z standard errors from the null, and g = τ²/V the likelihood ratio is
/// exp(z² g / 2(1 + g)) / √(1 + g), times 2Φ(z √(g / (1 + g))) for one side. Under the null it exceeds 1 / alpha at any time with a
/// chance of at most alpha. Source: Johari, Koomen, Pekelis and Walsh, Peeking at A/B tests (2017); Robbins, Statistical methods
/// related to the law of the iterated logarithm (1970).
///
/// Exact for normal data of known variance; with an estimated one it holds as samples grow.
///
/// Where the confidence sequence is tuned to a number of units, this is tuned to a size of effect. Two-sided they are the same
/// family: a confidence sequence of N units has g = N ρ².
///
/// ```
/// use tranche_stats::{Alternative, MixtureTest};
/// let Some(test) = MixtureTest::new(0.05, 0.1, Alternative::TwoSided).value() else { panic!() };
/// assert!((test.p_value(3.0, 0.01) - 0.149_057_012_838_996).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixtureTest {
    alpha: f64,
    scale: f64,
    alternative: Alternative,
}

impl MixtureTest {
    /// A test with error `alpha` and the mixture's standard deviation τ = `scale`, in the unit of the effect.
    pub fn new(alpha: f64, scale: f64, alternative: Alternative) -> Outcome<Self> {
        Self::checked(alpha, scale, alternative).into()
    }

    pub(crate) fn checked(alpha: f64, scale: f64, alternative: Alternative) -> Result<Self, Reason> {
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(Reason::AlphaOutOfRange);
        }
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Reason::ParameterNotPositive);
        }
        Ok(Self { alpha, scale, alternative })
    }

    /// The always-valid p-value min(1, 1 / likelihood ratio) of an estimate `z` standard errors above the null, whose variance is
    /// `variance`. The least of those seen so far is one too.
    pub fn p_value(&self, z: f64, variance: f64) -> f64 {
        self.reciprocal_ratio(self.alternative.evidence(z), self.scale * self.scale / variance).min(1.0)
    }

    /// What the standard error is multiplied by for the interval at the variance `variance`.
    pub fn critical(&self, variance: f64) -> f64 {
        let g = self.scale * self.scale / variance;
        let two_sided = (2.0 * (1.0 + 1.0 / g) * (0.5 * g.ln_1p() - self.alpha.ln())).sqrt();
        if self.alternative == Alternative::TwoSided {
            return two_sided;
        }
        let share = g / (1.0 + g);
        let slope = |z: f64| {
            let x = z * share.sqrt();
            let hazard = Normal.density(x) / Normal.cdf(x).max(f64::MIN_POSITIVE);
            self.reciprocal_ratio(z, g) * (z * share + share.sqrt() * hazard)
        };
        solve_tail(self.alpha, two_sided, -MOST_ERRORS, |z| self.reciprocal_ratio(z, g), slope)
    }

    fn reciprocal_ratio(&self, z: f64, g: f64) -> f64 {
        let share = g / (1.0 + g);
        let two_sided = (0.5 * g.ln_1p() - 0.5 * z * z * share).exp();
        if self.alternative == Alternative::TwoSided {
            two_sided
        } else {
            two_sided / (2.0 * Normal.cdf(z * share.sqrt()))
        }
    }
}

/// A one-sided critical value is sought above this many standard errors below the null.
const MOST_ERRORS: f64 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn test(alternative: Alternative) -> MixtureTest {
        MixtureTest::new(0.05, 0.1, alternative).value().unwrap_or_else(|| panic!("undefined"))
    }

    /// The likelihood ratio as an integral over the mixture, by the midpoint rule.
    #[test]
    fn the_ratio_is_the_mixture_of_likelihood_ratios() {
        for (z, variance) in [(2.0, 0.01), (3.5, 0.002), (-1.0, 0.05)] {
            let ratio = |from: f64, to: f64, weight: f64| {
                let (steps, estimate) = (20_000, z * f64::sqrt(variance));
                let width = (to - from) / f64::from(steps);
                let at = |i: i32| {
                    let theta = from + width * (f64::from(i) + 0.5);
                    let likelihood = ((theta * estimate - 0.5 * theta * theta) / variance).exp();
                    likelihood * Normal.density(theta / 0.1) / 0.1 * width * weight
                };
                (0..steps).map(at).sum::<f64>()
            };
            for (alternative, expected) in [
                (Alternative::TwoSided, ratio(-1.0, 1.0, 1.0)),
                (Alternative::Greater, ratio(0.0, 1.0, 2.0)),
                (Alternative::Less, ratio(-1.0, 0.0, 2.0)),
            ] {
                let p = test(alternative).p_value(z, variance);
                assert!(
                    (p - (1.0 / expected).min(1.0)).abs() < 1e-7,
                    "{alternative:?} {z}: {p}, not {}",
                    1.0 / expected
                );
            }
        }
    }

    #[test]
    fn the_p_value_meets_alpha_at_the_critical_value() {
        for alternative in [Alternative::TwoSided, Alternative::Greater, Alternative::Less] {
            for variance in [1e-6, 1e-3, 0.01, 1.0, 100.0] {
                let critical = test(alternative).critical(variance);
                let z = if alternative == Alternative::Less { -critical } else { critical };
                let p = test(alternative).p_value(z, variance);
                assert!((p - 0.05).abs() < 1e-12, "{alternative:?} {variance}: {critical} {p}");
            }
        }
        assert!(test(Alternative::Greater).critical(0.01) < test(Alternative::TwoSided).critical(0.01));
    }

    #[test]
    fn nonsense_has_a_reason() {
        assert_eq!(MixtureTest::new(0.0, 1.0, Alternative::Less).reason(), Some(Reason::AlphaOutOfRange));
        assert_eq!(
            MixtureTest::new(0.05, -1.0, Alternative::Less).reason(),
            Some(Reason::ParameterNotPositive)
        );
    }
}
