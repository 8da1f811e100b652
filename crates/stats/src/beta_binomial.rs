//! The posterior of two shares of successes, exactly: beta priors, binomial data.

use serde::Serialize;
use statrs::function::beta::{beta_reg, ln_beta};

use crate::root::falling_root;
use crate::{Direction, Outcome, Proportion, Reason, UndefinedReason};

/// Beta(successes, failures), the prior of a share. The default, Beta(1, 1), is uniform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaPrior {
    /// As if this many successes had been seen; positive, not necessarily whole.
    pub successes: f64,
    /// As if this many failures had been seen; positive.
    pub failures: f64,
}

/// How to form the posterior. The default: alpha .05, uniform priors, higher is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShareOptions {
    /// Credible intervals hold 1 - alpha; in (0, 1).
    pub alpha: f64,
    /// The prior of each arm's share.
    pub prior: BetaPrior,
    /// Which way is better.
    pub direction: Direction,
}

/// The posterior of two shares. Intervals are central; differences are treatment minus control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SharePosterior {
    /// The control's share: posterior mean.
    pub control_mean: f64,
    /// The control's share: credible interval.
    pub control_interval: [f64; 2],
    /// The treatment's share: posterior mean.
    pub treatment_mean: f64,
    /// The treatment's share: credible interval.
    pub treatment_interval: [f64; 2],
    /// The standard deviation of the difference.
    pub difference_se: f64,
    /// The credible interval of the difference.
    pub difference_interval: [f64; 2],
    /// The lift's moments, where it has them.
    pub lift: Option<LiftPosterior>,
    /// The credible interval of the lift, difference / control.
    pub lift_interval: [f64; 2],
    /// The chance that the treatment is better.
    pub chance_to_win: f64,
    /// The expected loss of staying with the control.
    pub risk_control: f64,
    /// The expected loss of moving to the treatment.
    pub risk_treatment: f64,
    #[serde(skip)]
    control: Beta,
    #[serde(skip)]
    treatment: Beta,
}

/// The moments of the lift, (treatment - control) / control. There are none where fewer than three successes of the control have been
/// seen or presumed: the mean square of 1 / control is infinite then.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LiftPosterior {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation.
    pub se: f64,
    /// The expected loss of staying with the control, as a share of it.
    pub risk_control: f64,
    /// The expected loss of moving to the treatment, as a share of the control.
    pub risk_treatment: f64,
}

impl SharePosterior {
    /// The chance that the difference is greater than `value`.
    pub fn chance_difference_above(&self, value: f64) -> f64 {
        1.0 - chance_below(self.control, self.treatment, Shift { scale: 1.0, offset: value })
    }

    /// The chance that the lift is greater than `value`.
    pub fn chance_lift_above(&self, value: f64) -> f64 {
        1.0 - chance_below(self.control, self.treatment, Shift { scale: 1.0 + value, offset: 0.0 })
    }

    /// Twice the chance of the less probable sign: at most alpha when the central credible interval excludes 0.
    pub fn two_tailed(&self) -> f64 {
        (2.0 * self.chance_to_win.min(1.0 - self.chance_to_win)).clamp(0.0, 1.0)
    }
}

impl Default for BetaPrior {
    fn default() -> Self {
        Self { successes: 1.0, failures: 1.0 }
    }
}

impl Default for ShareOptions {
    fn default() -> Self {
        Self { alpha: 0.05, prior: BetaPrior::default(), direction: Direction::HigherIsBetter }
    }
}

/// The posterior of `treatment` over `control`, shares of successes with independent beta priors.
///
/// An arm's posterior is Beta(prior successes + successes, prior failures + failures). Chances, losses and the intervals of difference
/// and lift are integrals over it, to about 1e-9. Source: Gelman et al., Bayesian Data Analysis, 3rd edition, section 2.4; Stucchio,
/// Bayesian A/B testing at VWO (2015) for the losses.
pub fn share_posterior(
    control: &Proportion,
    treatment: &Proportion,
    options: &ShareOptions,
) -> Outcome<SharePosterior> {
    checked_posterior(control, treatment, options).into()
}

fn checked_posterior(
    control: &Proportion,
    treatment: &Proportion,
    options: &ShareOptions,
) -> Result<SharePosterior, Reason> {
    let ShareOptions { alpha, prior, direction } = *options;
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Reason::AlphaOutOfRange);
    }
    if ![prior.successes, prior.failures].iter().all(|count| *count > 0.0 && count.is_finite()) {
        return Err(Reason::ParameterNotPositive);
    }
    let beta = |arm: &Proportion| {
        let failures = arm.n.checked_sub(arm.successes).ok_or(UndefinedReason::MoreSuccessesThanUnits)?;
        Ok(Beta { a: prior.successes + arm.successes as f64, b: prior.failures + failures as f64 })
    };
    let (c, t) = (beta(control).map_err(Reason::Control)?, beta(treatment).map_err(Reason::Treatment)?);
    let levels = [0.5 * alpha, 1.0 - 0.5 * alpha];
    let quantiles = |least, most, cdf: &dyn Fn(f64) -> f64| -> Result<[f64; 2], Reason> {
        let [lo, hi] = levels.map(|level| falling_root((least, most), 1e-13, |x| Ok(level - cdf(x))));
        Ok([lo?, hi?])
    };
    let gain = t.expected(|share| share * c.cdf(share)) - c.expected(|share| share * t.survival(share));
    let (gain, loss) = (gain.max(0.0), (gain - (t.mean() - c.mean())).max(0.0));
    let above = 1.0 - chance_below(c, t, Shift { scale: 1.0, offset: 0.0 });
    let (chance_to_win, risk_control, risk_treatment) = match direction {
        Direction::HigherIsBetter => (above, gain, loss),
        Direction::LowerIsBetter => (1.0 - above, loss, gain),
    };
    let difference_se = (c.variance() + t.variance()).sqrt();
    // Over x = ratio / (1 + ratio), which lies in (0, 1).
    let ratio_interval =
        quantiles(0.0, 1.0, &|x| chance_below(c, t, Shift { scale: x / (1.0 - x), offset: 0.0 }))?;
    Ok(SharePosterior {
        control_mean: c.mean(),
        control_interval: quantiles(0.0, 1.0, &|x| c.cdf(x))?,
        treatment_mean: t.mean(),
        treatment_interval: quantiles(0.0, 1.0, &|x| t.cdf(x))?,
        difference_se,
        lift: lift(c, t, direction),
        difference_interval: quantiles(-1.0, 1.0, &|x| chance_below(c, t, Shift { scale: 1.0, offset: x }))?,
        lift_interval: ratio_interval.map(|x| x / (1.0 - x) - 1.0),
        chance_to_win,
        risk_control,
        risk_treatment,
        control: c,
        treatment: t,
    })
}

/// E(1 / c) = (a + b - 1) / (a - 1) and E(1 / c²) = (a + b - 1)(a + b - 2) / ((a - 1)(a - 2)) for the control c; the loss is
/// E max(c - t, 0) / c, over the control and in closed form over the treatment t.
fn lift(control: Beta, treatment: Beta, direction: Direction) -> Option<LiftPosterior> {
    if control.a <= 2.0 {
        return None;
    }
    let total = control.a + control.b;
    let inverse = (total - 1.0) / (control.a - 1.0);
    let inverse_square = inverse * (total - 2.0) / (control.a - 2.0);
    let mean = treatment.mean() * inverse - 1.0;
    let square = (treatment.variance() + treatment.mean().powi(2)) * inverse_square;
    let one_more = Beta { a: treatment.a + 1.0, b: treatment.b };
    let loss = control
        .expected(|share| treatment.cdf(share) - treatment.mean() * one_more.cdf(share) / share)
        .max(0.0);
    let gain = (loss + mean).max(0.0);
    let (risk_control, risk_treatment) = match direction {
        Direction::HigherIsBetter => (gain, loss),
        Direction::LowerIsBetter => (loss, gain),
    };
    Some(LiftPosterior {
        mean,
        se: (square - (mean + 1.0).powi(2)).max(0.0).sqrt(),
        risk_control,
        risk_treatment,
    })
}

/// A rising line, from a share of the control to one of the treatment.
#[derive(Clone, Copy)]
struct Shift {
    scale: f64,
    offset: f64,
}

/// P(treatment ≤ scale · control + offset), integrated over the narrower of the two, along which the other's chance is smooth.
fn chance_below(control: Beta, treatment: Beta, Shift { scale, offset }: Shift) -> f64 {
    if scale <= 0.0 {
        return 0.0;
    }
    let inverse = |share: f64| (share - offset) / scale;
    if control.variance() < treatment.variance() || scale > 1e6 {
        let (from, to) = (inverse(0.0).clamp(0.0, 1.0), inverse(1.0).clamp(0.0, 1.0));
        control.expected_within(from, to, |share| treatment.cdf(scale * share + offset))
            + control.survival(to)
    } else {
        let (from, to) = (offset.clamp(0.0, 1.0), (scale + offset).clamp(0.0, 1.0));
        treatment.cdf(from) + treatment.expected_within(from, to, |share| control.survival(inverse(share)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Beta {
    a: f64,
    b: f64,
}

/// What is integrated reaches to where the density has fallen by exp(-REACH).
const REACH: f64 = 45.0;
/// The double exponential rule ends where its weights have fallen below 1e-36.
const END: f64 = 4.0;
/// The distance of its nodes over s, in the middle, is at most 2π/4 of this: well within the distance π at which the kernel has poles.
const SPACING: f64 = 0.25;
const LARGEST_STEP: f64 = 1.0 / 32.0;

impl Beta {
    fn mean(self) -> f64 {
        self.a / (self.a + self.b)
    }

    fn variance(self) -> f64 {
        let total = self.a + self.b;
        self.a * self.b / (total * total * (total + 1.0))
    }

    fn cdf(self, share: f64) -> f64 {
        if share <= 0.0 || share >= 1.0 {
            f64::from(u8::from(share >= 1.0))
        } else {
            beta_reg(self.a, self.b, share)
        }
    }

    fn survival(self, share: f64) -> f64 {
        if share <= 0.0 || share >= 1.0 {
            f64::from(u8::from(share <= 0.0))
        } else {
            beta_reg(self.b, self.a, 1.0 - share)
        }
    }

    fn expected(self, f: impl Fn(f64) -> f64) -> f64 {
        self.expected_within(0.0, 1.0, f)
    }

    /// ∫ density · f from one share to another.
    ///
    /// Over s = ln(x / (1 - x)) the density xᵃ(1 - x)ᵇ / B has one peak and no singular end. The double exponential rule (Takahasi
    /// and Mori 1974) takes what is left of it between the limits.
    fn expected_within(self, from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
        let logit = |share: f64| share.ln() - (-share).ln_1p();
        let (lo, hi) = (self.reach(-1.0).max(logit(from)), self.reach(1.0).min(logit(to)));
        if lo >= hi {
            return 0.0;
        }
        let (half, log_beta) = (0.5 * (hi - lo), ln_beta(self.a, self.b));
        let step = LARGEST_STEP.min(SPACING / half);
        let nodes = (END / step).ceil() as i32;
        let node = |index: i32| {
            let t = f64::from(index) * step;
            let angle = std::f64::consts::FRAC_PI_2 * t.sinh();
            let s = 0.5 * (lo + hi) + half * angle.tanh();
            let weight = std::f64::consts::FRAC_PI_2 * t.cosh() / angle.cosh().powi(2);
            let density = (self.log_kernel(s) - log_beta).exp();
            if weight == 0.0 || density == 0.0 { 0.0 } else { weight * density * f(1.0 / (1.0 + (-s).exp())) }
        };
        half * step * (-nodes..=nodes).map(node).sum::<f64>()
    }

    fn log_kernel(self, s: f64) -> f64 {
        -self.a * (-s).exp().ln_1p() - self.b * s.exp().ln_1p()
    }

    /// The s below (-1) or above (1) the peak beyond which nothing counts.
    fn reach(self, side: f64) -> f64 {
        let peak = (self.a / self.b).ln();
        let least = self.log_kernel(peak) - REACH;
        let mut distance = ((self.a + self.b) / (self.a * self.b)).sqrt();
        while self.log_kernel(peak + side * distance) > least {
            distance *= 1.25;
        }
        peak + side * distance
    }
}

#[cfg(test)]
#[path = "beta_binomial_tests.rs"]
mod tests;
