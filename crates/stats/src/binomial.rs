//! How sure a share of trials is.

use statrs::function::beta::beta_reg;

use crate::root::falling_root;
use crate::{Outcome, Reason};

/// The exact interval of a chance that came true in `successes` of `trials`: it covers with at least 1 - `alpha`, whatever the chance.
///
/// The lower end is the chance at which so many or more successes have probability alpha / 2, the upper one that at which so many or
/// fewer have; in terms of the incomplete beta function, I(low; k, n - k + 1) = alpha / 2 and I(high; k + 1, n - k) = 1 - alpha / 2.
/// To within 1e-12. Undefined without trials, with more successes than trials, and for an alpha outside of (0, 1). Source: Clopper and
/// Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial (1934).
///
/// ```
/// let interval = tranche_stats::binomial_interval(8, 100, 0.05).value().unwrap_or_default();
/// assert!((interval[0] - 0.035172).abs() < 1e-6 && (interval[1] - 0.151558).abs() < 1e-6);
/// ```
pub fn binomial_interval(successes: u64, trials: u64, alpha: f64) -> Outcome<[f64; 2]> {
    ends(successes, trials, alpha).into()
}

fn ends(successes: u64, trials: u64, alpha: f64) -> Result<[f64; 2], Reason> {
    if trials == 0 {
        return Err(Reason::NoUnits);
    }
    if successes > trials {
        return Err(Reason::SharesDoNotFit);
    }
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Reason::AlphaOutOfRange);
    }
    let (k, n) = (successes as f64, trials as f64);
    let low = match successes {
        0 => 0.0,
        _ => falling_root((0.0, 1.0), 1e-13, |p| Ok((0.5 * alpha).ln() - beta_reg(k, n - k + 1.0, p).ln()))?,
    };
    let high = match trials - successes {
        0 => 1.0,
        // 1 - I(p; a, b) is I(1 - p; b, a): the tail itself, not what is left of 1.
        _ => falling_root((0.0, 1.0), 1e-13, |p| {
            Ok(beta_reg(n - k, k + 1.0, 1.0 - p).ln() - (0.5 * alpha).ln())
        })?,
    };
    Ok([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17: `binomtest(k, n).proportion_ci(1 - alpha, method="exact")`.
    #[test]
    fn ends_are_those_of_scipy() {
        for (successes, trials, alpha, expected) in [
            (100, 2000, 0.01, [0.03828164593718005, 0.06391385430167484]),
            (100, 2000, 0.0001, [0.03313265842828816, 0.07162826192352506]),
            (0, 2000, 0.01, [0.0, 0.002645652759009521]),
            (2000, 2000, 0.01, [0.9973543472409905, 1.0]),
            (1, 7, 0.05, [0.0036102968619008097, 0.5787231970431982]),
            (1900, 2000, 0.0002, [0.9294084342984357, 0.9662232206834059]),
            (51234, 1000000, 0.01, [0.05066773094244526, 0.05180454348250319]),
            (1, 1, 0.3, [0.15000000000000002, 1.0]),
        ] {
            let found = binomial_interval(successes, trials, alpha).value().unwrap_or_default();
            let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-11);
            assert!(near, "{successes} of {trials}: {found:?}, not {expected:?}");
        }
    }

    #[test]
    fn nonsense_has_a_reason() {
        assert_eq!(binomial_interval(0, 0, 0.05).reason(), Some(Reason::NoUnits));
        assert_eq!(binomial_interval(3, 2, 0.05).reason(), Some(Reason::SharesDoNotFit));
        assert_eq!(binomial_interval(1, 2, 0.0).reason(), Some(Reason::AlphaOutOfRange));
    }
}
