//! Whether an effect differs between segments, and what to expect of each of them.

use crate::distribution::{ChiSquared, Normal};
use crate::root::falling_root;
use crate::{Outcome, Reason};

/// The effect in one segment. Segments are taken as independent: they share no units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SegmentEffect {
    /// The estimate.
    pub effect: f64,
    /// Its standard error, positive.
    pub se: f64,
}

/// How the variance between segments, τ², is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BetweenVariance {
    /// By moments of Q. Source: DerSimonian and Laird, Meta-analysis in clinical trials (1986).
    #[default]
    DerSimonianLaird,
    /// The τ² at which the generalised Q equals its degrees of freedom. Source: Paule and Mandel, Consensus values and weighting
    /// factors (1982).
    PauleMandel,
}

/// How much effects differ, and the effects drawn towards each other by as much as they do not.
#[derive(Debug, Clone, PartialEq)]
pub struct Heterogeneity {
    /// Cochran's Q = Σ w (effect - pooled)², w = 1 / se².
    pub q: f64,
    /// Segments less one.
    pub degrees_of_freedom: u64,
    /// P(χ² > Q): small when the effects differ.
    pub p: f64,
    /// I² = max(0, (Q - df) / Q): the share of the spread that chance does not explain. Source: Higgins and Thompson (2002).
    pub i_squared: f64,
    /// τ², the variance of the true effects.
    pub tau_squared: f64,
    /// The effect common to all if they do not differ, Σ w effect / Σ w.
    pub common: SegmentEffect,
    /// The mean of differing effects, weighted by 1 / (se² + τ²).
    pub mean: SegmentEffect,
    /// Each segment's effect, partially pooled: B mean + (1 - B) effect with B = se² / (se² + τ²), and its standard error
    /// √((1 - B) se² + B² se(mean)²). Source: Morris, Parametric empirical Bayes inference (1983).
    pub shrunken: Vec<SegmentEffect>,
}

/// One segment's effect less that in all others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// The difference of the two effects.
    pub difference: f64,
    /// Its standard error.
    pub se: f64,
    /// The two-sided p-value of "no difference", by the normal distribution.
    pub p: f64,
}

/// Compares the `effects` of two or more segments with each other.
pub fn heterogeneity(effects: &[SegmentEffect], between: BetweenVariance) -> Outcome<Heterogeneity> {
    analyse(effects, between).into()
}

/// Each segment against the rest: its effect less the others' common effect. Two or more segments.
pub fn against_the_rest(effects: &[SegmentEffect]) -> Outcome<Vec<Contrast>> {
    let contrast = |place: usize| {
        let rest: Vec<_> = effects
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place)
            .map(|(_, effect)| *effect)
            .collect();
        let (own, rest) = (effects[place], pooled(&rest, 0.0));
        let (difference, se) = (own.effect - rest.effect, own.se.hypot(rest.se));
        Contrast { difference, se, p: (2.0 * Normal.survival(difference.abs() / se)).min(1.0) }
    };
    check(effects).map(|()| (0..effects.len()).map(contrast).collect()).into()
}

fn check(effects: &[SegmentEffect]) -> Result<(), Reason> {
    if effects.len() < 2 {
        return Err(Reason::TooFewSegments);
    }
    let usable =
        effects.iter().all(|e| e.effect.is_finite() && e.se > 0.0 && (1.0 / (e.se * e.se)).is_normal());
    if usable { Ok(()) } else { Err(Reason::NotFinite) }
}

fn analyse(effects: &[SegmentEffect], between: BetweenVariance) -> Result<Heterogeneity, Reason> {
    check(effects)?;
    let common = pooled(effects, 0.0);
    let q = generalised_q(effects, 0.0);
    let degrees = (effects.len() - 1) as f64;
    let tau_squared = match between {
        BetweenVariance::DerSimonianLaird => {
            let weights = || effects.iter().map(|effect| weight(effect, 0.0));
            let (sum, squares) =
                (weights().sum::<f64>(), weights().map(|weight| weight * weight).sum::<f64>());
            ((q - degrees) / (sum - squares / sum)).max(0.0)
        }
        BetweenVariance::PauleMandel => {
            // At τ² = Σ (effect - common)² the generalised Q is below 1.
            let most = effects.iter().map(|effect| (effect.effect - common.effect).powi(2)).sum::<f64>();
            let least_variance =
                effects.iter().map(|effect| effect.se * effect.se).fold(f64::INFINITY, f64::min);
            falling_root((0.0, most), 1e-13 * least_variance.min(1.0), |tau| {
                Ok(generalised_q(effects, tau) - degrees)
            })?
        }
    };
    let mean = pooled(effects, tau_squared);
    let shrink = |own: &SegmentEffect| {
        let variance = own.se * own.se;
        let share = variance / (variance + tau_squared);
        let se = ((1.0 - share) * variance + (share * mean.se).powi(2)).sqrt();
        SegmentEffect { effect: share * mean.effect + (1.0 - share) * own.effect, se }
    };
    Ok(Heterogeneity {
        q,
        degrees_of_freedom: effects.len() as u64 - 1,
        p: ChiSquared { df: degrees }.survival(q),
        i_squared: if q > degrees { (q - degrees) / q } else { 0.0 },
        tau_squared,
        common,
        mean,
        shrunken: effects.iter().map(shrink).collect(),
    })
}

fn weight(effect: &SegmentEffect, tau_squared: f64) -> f64 {
    1.0 / (effect.se * effect.se + tau_squared)
}

fn pooled(effects: &[SegmentEffect], tau_squared: f64) -> SegmentEffect {
    let total: f64 = effects.iter().map(|effect| weight(effect, tau_squared)).sum();
    let effect = effects.iter().map(|effect| weight(effect, tau_squared) / total * effect.effect).sum();
    SegmentEffect { effect, se: total.sqrt().recip() }
}

fn generalised_q(effects: &[SegmentEffect], tau_squared: f64) -> f64 {
    let mean = pooled(effects, tau_squared).effect;
    effects.iter().map(|effect| weight(effect, tau_squared) * (effect.effect - mean).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects() -> Vec<SegmentEffect> {
        [(0.12, 0.05), (-0.05, 0.08), (0.30, 0.10), (0.08, 0.04), (0.02, 0.06)]
            .map(|(effect, se)| SegmentEffect { effect, se })
            .to_vec()
    }

    fn analysed(between: BetweenVariance) -> Heterogeneity {
        heterogeneity(&effects(), between).value().unwrap_or_else(|| panic!("undefined"))
    }

    /// statsmodels 0.15.0, `combine_effects` with `method_re` "chi2" and "iterated"; p by scipy 1.17.1.
    #[test]
    fn it_is_that_of_statsmodels() {
        for (between, tau_squared, mean, se) in [
            (
                BetweenVariance::DerSimonianLaird,
                0.004_513_853_600_109_956,
                0.082_635_492_645_793_91,
                0.041_172_478_776_651_35,
            ),
            (
                BetweenVariance::PauleMandel,
                0.009_255_085_065_288_271,
                0.085_007_933_989_473_48,
                0.051_931_842_680_359_476,
            ),
        ] {
            let found = analysed(between);
            assert!((found.tau_squared - tau_squared).abs() < 1e-11, "{found:?}");
            assert!(
                (found.mean.effect - mean).abs() < 1e-9 && (found.mean.se - se).abs() < 1e-9,
                "{found:?}"
            );
            assert!((found.q - 9.119_956_570_155_901).abs() < 1e-12 && found.degrees_of_freedom == 4);
            assert!((found.p - 0.058_170_083_687_776_85).abs() < 1e-13);
            assert!((found.i_squared - 0.561_401_420_146_058_6).abs() < 1e-13);
            assert!((found.common.effect - 0.080_654_788_418_708_23).abs() < 1e-14);
            assert!((found.common.se - 0.025_326_377_351_587_635).abs() < 1e-14);
        }
    }

    #[test]
    fn imprecise_effects_are_drawn_furthest() {
        let found = analysed(BetweenVariance::DerSimonianLaird);
        for (own, shrunken) in effects().iter().zip(&found.shrunken) {
            let share = (shrunken.effect - own.effect) / (found.mean.effect - own.effect);
            let expected = own.se * own.se / (own.se * own.se + found.tau_squared);
            assert!((share - expected).abs() < 1e-9, "{own:?} {shrunken:?}");
            assert!(shrunken.se < own.se);
        }
    }

    #[test]
    fn effects_that_do_not_differ_are_pooled_wholly() {
        let alike = [0.10, 0.11, 0.09].map(|effect| SegmentEffect { effect, se: 0.05 });
        for between in [BetweenVariance::DerSimonianLaird, BetweenVariance::PauleMandel] {
            let found = heterogeneity(&alike, between).value().unwrap_or_else(|| panic!("undefined"));
            assert_eq!([found.tau_squared, found.i_squared], [0.0, 0.0]);
            assert!(found.shrunken.iter().all(|shrunken| (shrunken.effect - 0.1).abs() < 1e-15), "{found:?}");
        }
    }

    #[test]
    fn of_two_segments_each_is_the_rest_of_the_other() {
        let contrasts = against_the_rest(&effects()[..2]).value().unwrap_or_default();
        assert!(
            (contrasts[0].difference - 0.17).abs() < 1e-15 && (contrasts[1].difference + 0.17).abs() < 1e-15
        );
        let q = heterogeneity(&effects()[..2], BetweenVariance::DerSimonianLaird).value();
        assert!(q.is_some_and(
            |found| (found.p - contrasts[0].p).abs() < 1e-14 && contrasts[1].p == contrasts[0].p
        ));
    }

    #[test]
    fn what_cannot_be_compared_has_a_reason() {
        assert_eq!(
            heterogeneity(&effects()[..1], BetweenVariance::PauleMandel).reason(),
            Some(Reason::TooFewSegments)
        );
        let certain = [SegmentEffect { effect: 0.1, se: 0.0 }; 2];
        assert_eq!(against_the_rest(&certain).reason(), Some(Reason::NotFinite));
    }
}
