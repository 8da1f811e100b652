//! A few looks that share one alpha: group-sequential designs.

mod recursion;
mod spending;

use schemars::JsonSchema;
use serde::Serialize;

use crate::distribution::Normal;
use crate::root::falling_root;
use crate::{Alternative, Outcome, Reason};
use recursion::Continuation;
pub use spending::Spending;

/// The looks taken so far, and how alpha is spent on them.
///
/// Looks need not be those that were planned: a boundary depends only on the information that earlier looks did have. Source: Lan
/// and DeMets (1983); Jennison and Turnbull, Group sequential methods with applications to clinical trials (2000), chapter 7.
///
/// ```
/// use tranche_stats::{Alternative, GroupSequential, Spending};
/// let looks = GroupSequential { spending: Spending::OBrienFleming, fractions: vec![0.5, 1.0], is_final: false };
/// let looks = looks.looks(0.05, Alternative::TwoSided).value().unwrap_or_default();
/// assert!((looks[0].critical - 2.9626).abs() < 1e-4 && (looks[1].critical - 1.9686).abs() < 1e-4);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSequential {
    /// When how much of alpha may be spent.
    pub spending: Spending,
    /// The information at each look so far, the present one last, over that planned for the end: usually units seen over units
    /// planned. Positive and rising; beyond 1 where more came in than was planned.
    pub fractions: Vec<f64>,
    /// Whether the present look is the last one, so that it may spend what is left though less came in than was planned.
    pub is_final: bool,
}

/// One look of a group-sequential design.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Look {
    /// Which look it is, from 1.
    pub number: usize,
    /// Its information fraction.
    pub fraction: f64,
    /// Stop when the effect is this many standard errors from the null, in the direction of the alternative. The repeated
    /// confidence interval is the estimate ± this many standard errors.
    pub critical: f64,
    /// The part of alpha spent up to and with this look.
    pub spent: f64,
}

impl GroupSequential {
    /// `count` equally spaced looks, the last with all the information planned.
    pub fn evenly(spending: Spending, count: u32) -> Self {
        let fractions = (1..=count).map(|look| f64::from(look) / f64::from(count)).collect();
        Self { spending, fractions, is_final: false }
    }

    /// Every look with its critical value, to about 1e-9. With two sides each spends `alpha` / 2.
    ///
    /// Undefined when alpha is not in (0, 1), the fractions do not rise from above 0, or the power family's exponent is not
    /// positive.
    pub fn looks(&self, alpha: f64, alternative: Alternative) -> Outcome<Vec<Look>> {
        self.boundary(alpha, alternative).into()
    }

    /// The repeated p-value of an effect of `z` standard errors at the present look: the least alpha at which a design of the same
    /// spending would stop here. It holds at every look at once.
    ///
    /// Source: Jennison and Turnbull (2000), section 9.4.
    pub fn p_value(&self, z: f64, alternative: Alternative) -> Outcome<f64> {
        self.repeated_p(alternative.evidence(z), alternative).into()
    }

    /// The power of stopping at any of the looks, the expected z being `drift` at an information fraction of 1.
    pub fn power(&self, alpha: f64, alternative: Alternative, drift: f64) -> Outcome<f64> {
        let drift = if alternative == Alternative::Less { -drift } else { drift };
        let power = |looks: Vec<Look>| {
            let mut power = 0.0;
            self.walk(&looks, alternative, drift, |paths, look| {
                power += paths.above(look.fraction, look.critical);
                if alternative == Alternative::TwoSided {
                    power += paths.below(look.fraction, -look.critical);
                }
            });
            power
        };
        self.looks(alpha, alternative).map(power)
    }

    pub(crate) fn critical(&self, alpha: f64, alternative: Alternative) -> Result<f64, Reason> {
        let looks = self.boundary(alpha, alternative)?;
        looks.last().map(|look| look.critical).ok_or(Reason::LooksDoNotRise)
    }

    pub(crate) fn repeated_p(&self, z: f64, alternative: Alternative) -> Result<f64, Reason> {
        // Over the normal quantile of alpha the boundary is almost a line, so that false position takes few steps.
        let excess = |quantile: f64| {
            let alpha = alternative.sides() * Normal.survival(quantile);
            Ok(z - self.critical(alpha, alternative)?.min(MOST_ERRORS))
        };
        let least = Normal.critical(LARGEST_P / alternative.sides());
        let quantile = falling_root((least, MOST_QUANTILE), 1e-10, excess)?;
        Ok(if quantile <= least { 1.0 } else { alternative.sides() * Normal.survival(quantile) })
    }

    fn boundary(&self, alpha: f64, alternative: Alternative) -> Result<Vec<Look>, Reason> {
        self.spending.check()?;
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(Reason::AlphaOutOfRange);
        }
        let rising = std::iter::once(&0.0)
            .chain(&self.fractions)
            .zip(&self.fractions)
            .all(|(before, now)| now - before > 1e-9);
        if self.fractions.is_empty() || !rising || !self.fractions.iter().all(|fraction| fraction.is_finite())
        {
            return Err(Reason::LooksDoNotRise);
        }
        let tail = alpha / alternative.sides();
        let mut looks: Vec<Look> = Vec::with_capacity(self.fractions.len());
        let mut paths = Continuation::start(0.0);
        let mut before = 0.0;
        let schedule = self.spending.schedule(tail);
        for (index, &fraction) in self.fractions.iter().enumerate() {
            let is_last = index + 1 == self.fractions.len();
            let time = if is_last && self.is_final { 1.0 } else { fraction };
            let spent = schedule(time);
            let critical =
                if spent > before { paths.critical(fraction, spent - before) } else { f64::INFINITY };
            looks.push(Look { number: index + 1, fraction, critical, spent: spent * alternative.sides() });
            before = spent;
            if !is_last {
                paths = paths.advance(
                    fraction,
                    lowest(critical, alternative),
                    critical,
                    self.fractions[index + 1] - fraction,
                );
            }
        }
        Ok(looks)
    }

    fn walk(
        &self,
        looks: &[Look],
        alternative: Alternative,
        drift: f64,
        mut at: impl FnMut(&Continuation, &Look),
    ) {
        let mut paths = Continuation::start(drift);
        for (index, look) in looks.iter().enumerate() {
            at(&paths, look);
            if let Some(next) = looks.get(index + 1) {
                let lo = lowest(look.critical, alternative);
                paths = paths.advance(look.fraction, lo, look.critical, next.fraction - look.fraction);
            }
        }
    }
}

/// Repeated p-values are not distinguished above this normal quantile, 1e-285.
const MOST_QUANTILE: f64 = 36.0;
/// From here on a repeated p-value is given as 1: an alpha near 1 is spent at the first look.
const LARGEST_P: f64 = 0.9;
/// Where a boundary that spends nothing is put, in standard errors.
const MOST_ERRORS: f64 = 400.0;

/// Where the continuation region begins: a one-sided test does not stop for futility.
fn lowest(critical: f64, alternative: Alternative) -> f64 {
    if alternative == Alternative::TwoSided { -critical } else { f64::NEG_INFINITY }
}

#[cfg(test)]
#[path = "group_sequential/tests.rs"]
mod tests;
