//! What to believe of two shares of successes, exactly: beta priors, binomial data.

use serde::Serialize;
use statrs::function::beta::{beta_reg, ln_beta};

use crate::root::falling_root;
use crate::{Direction, Lack, Outcome, Proportion, Reason};

/// Beta(successes, failures), what was believed of a share before the data. The default, Beta(1, 1), is uniform.
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
    /// What was believed of each arm's share.
    pub prior: BetaPrior,
    /// Which way is better.
    pub direction: Direction,
}

/// The posterior of two shares. Intervals are central; differences are treatment minus control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ShareBeliefs {
    /// The control's share: posterior mean.
    pub control_mean: f64,
    /// The control's share: credible interval.
    pub control_interval: [f64; 2],
    /// The treatment's share: posterior mean.
    pub treatment_mean: f64,
    /// The treatment's share: credible interval.
    pub treatment_interval: [f64; 2],
    /// The credible interval of the difference.
    pub difference_interval: [f64; 2],
    /// The credible interval of the lift, difference / control.
    pub lift_interval: [f64; 2],
    /// The chance that the treatment is better.
    pub chance_to_win: f64,
    /// What is lost on average by staying with the control.
    pub risk_control: f64,
    /// What is lost on average by moving to the treatment.
    pub risk_treatment: f64,
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
pub fn believe_shares(control: &Proportion, treatment: &Proportion, options: &ShareOptions) -> Outcome<ShareBeliefs> {
    posterior(control, treatment, options).into()
}

fn posterior(control: &Proportion, treatment: &Proportion, options: &ShareOptions) -> Result<ShareBeliefs, Reason> {
    let ShareOptions { alpha, prior, direction } = *options;
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Reason::AlphaOutOfRange);
    }
    if ![prior.successes, prior.failures].iter().all(|count| *count > 0.0 && count.is_finite()) {
        return Err(Reason::ParameterNotPositive);
    }
    let beta = |arm: &Proportion| {
        let failures = arm.n.checked_sub(arm.successes).ok_or(Lack::MoreSuccessesThanUnits)?;
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
    // Over x = ratio / (1 + ratio), which lies in (0, 1).
    let ratio_interval = quantiles(0.0, 1.0, &|x| chance_below(c, t, Shift { scale: x / (1.0 - x), offset: 0.0 }))?;
    Ok(ShareBeliefs {
        control_mean: c.mean(),
        control_interval: quantiles(0.0, 1.0, &|x| c.cdf(x))?,
        treatment_mean: t.mean(),
        treatment_interval: quantiles(0.0, 1.0, &|x| t.cdf(x))?,
        difference_interval: quantiles(-1.0, 1.0, &|x| chance_below(c, t, Shift { scale: 1.0, offset: x }))?,
        lift_interval: ratio_interval.map(|x| x / (1.0 - x) - 1.0),
        chance_to_win,
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
        control.expected_within(from, to, |share| treatment.cdf(scale * share + offset)) + control.survival(to)
    } else {
        let (from, to) = (offset.clamp(0.0, 1.0), (scale + offset).clamp(0.0, 1.0));
        treatment.cdf(from) + treatment.expected_within(from, to, |share| control.survival(inverse(share)))
    }
}

#[derive(Debug, Clone, Copy)]
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
        if share <= 0.0 || share >= 1.0 { f64::from(u8::from(share >= 1.0)) } else { beta_reg(self.a, self.b, share) }
    }

    fn survival(self, share: f64) -> f64 {
        if share <= 0.0 || share >= 1.0 { f64::from(u8::from(share <= 0.0)) } else { beta_reg(self.b, self.a, 1.0 - share) }
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
mod tests {
    use super::*;

    fn believed(control: (u64, u64), treatment: (u64, u64), prior: BetaPrior) -> ShareBeliefs {
        let arm = |(n, successes)| Proportion::from_counts(n, successes);
        let options = ShareOptions { prior, ..ShareOptions::default() };
        believe_shares(&arm(control), &arm(treatment), &options).value().unwrap_or_else(|| panic!("undefined"))
    }

    /// scipy 1.17.1: `beta` and `quad` with 1e-13, `brentq` for the ends.
    #[test]
    fn it_agrees_with_adaptive_quadrature() {
        let check = |control, treatment, [win, gain, loss]: [f64; 3], intervals: [[f64; 2]; 4]| {
            let found = believed(control, treatment, BetaPrior::default());
            let near = |found: f64, expected: f64| assert!((found - expected).abs() < 2e-8, "{found}, not {expected}");
            near(found.chance_to_win, win);
            near(found.risk_control, gain);
            near(found.risk_treatment, loss);
            let ends = [found.difference_interval, found.lift_interval, found.control_interval, found.treatment_interval];
            for (found, expected) in ends.iter().zip(intervals) {
                assert!(
                    (found[0] - expected[0]).abs() < 1e-6 && (found[1] - expected[1]).abs() < 1e-6,
                    "{found:?}, not {expected:?}"
                );
            }
        };
        check(
            (1000, 100),
            (1000, 120),
            [0.923_183_438_973_559_3, 0.020_444_693_766_675_796, 0.000_484_613_926_356_443_87],
            [
                [-0.007_470_692_707_560_913, 0.047_469_692_724_217_555],
                [-0.065_360_432_110_982_89, 0.540_838_193_099_649_4],
                [0.082_936_4, 0.120_169_13],
                [0.101_323_42, 0.141_627],
            ],
        );
        check(
            (20, 2),
            (20, 5),
            [0.881_040_515_186_856_4, 0.143_411_102_855_232_2, 0.007_047_466_491_595_815],
            [
                [-0.093_870_320_723_233_79, 0.368_812_262_829_933_5],
                [-0.382_403_642_615_278_8, 8.650_141_551_129_945],
                [0.030_488_97, 0.303_774_41],
                [0.112_809_4, 0.471_659_83],
            ],
        );
        check(
            (44_700, 8_502),
            (45_489, 8_279),
            [0.000_777_338_664_576_230_2, 5.478_131_606_408_351e-7, 0.008_201_725_960_210_992],
            [
                [-0.013_281_711_160_118_633, -0.003_121_210_070_438_758_3],
                [-0.068_890_213_768_980_37, -0.016_634_010_795_454_755],
                [0.186_590_16, 0.193_866_5],
                [0.178_481_57, 0.185_572_96],
            ],
        );
        check(
            (0, 0),
            (4, 3),
            [0.666_666_666_666_666_7, 0.238_095_238_095_238_08, 0.071_428_571_428_571_42],
            [
                [-0.479_252_336_188_986_6, 0.780_827_811_893_726_1],
                [-0.567_023_503_125_317_8, 25.666_666_666_666_533],
                [0.025, 0.975],
                [0.283_582_06, 0.947_254_95],
            ],
        );
    }

    #[test]
    fn arms_may_differ_in_size_by_far() {
        let found = believed((50, 10), (10_000_000, 2_000_000), BetaPrior { successes: 0.5, failures: 0.5 });
        let mirrored = believed((10_000_000, 2_000_000), (50, 10), BetaPrior { successes: 0.5, failures: 0.5 });
        assert!((found.chance_to_win + mirrored.chance_to_win - 1.0).abs() < 1e-8);
        assert!((found.difference_interval[0] + mirrored.difference_interval[1]).abs() < 1e-8);
        assert!((found.risk_control - mirrored.risk_treatment).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_posterior_says_why() {
        let (control, broken) = (Proportion::from_counts(10, 3), Proportion::from_counts(3, 10));
        let reason = |treatment, options| believe_shares(&control, &treatment, &options).reason();
        assert_eq!(reason(broken, ShareOptions::default()), Some(Reason::Treatment(Lack::MoreSuccessesThanUnits)));
        let prior = BetaPrior { successes: 0.0, failures: 1.0 };
        assert_eq!(reason(control, ShareOptions { prior, ..ShareOptions::default() }), Some(Reason::ParameterNotPositive));
        assert_eq!(reason(control, ShareOptions { alpha: 0.0, ..ShareOptions::default() }), Some(Reason::AlphaOutOfRange));
        let lower = ShareOptions { direction: Direction::LowerIsBetter, ..ShareOptions::default() };
        let found = believe_shares(&control, &control, &lower).value();
        assert!(found.is_some_and(|found| (found.chance_to_win - 0.5).abs() < 1e-9));
    }
}
