//! The posterior of an effect, given a prior and the data.

use schemars::JsonSchema;
use serde::Serialize;

use crate::distribution::Normal;
use crate::effect::Effect;
use crate::{Arm, Outcome, Reason};

/// The prior of the effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Prior {
    /// Nothing: every effect alike.
    Flat,
    /// N(mean, sd²), on the lift. For the absolute effect it is scaled by the control mean's absolute value.
    Normal {
        /// The expected lift.
        mean: f64,
        /// Its standard deviation.
        sd: f64,
    },
    /// N(mean, sd²), on the difference in the metric's unit. For the relative effect it is divided by the control mean's absolute
    /// value.
    NormalAbsolute {
        /// The expected difference.
        mean: f64,
        /// Its standard deviation.
        sd: f64,
    },
}

/// The scale of an effect, with the control mean's absolute value.
#[derive(Debug, Clone, Copy)]
enum Scale {
    Absolute(f64),
    Relative(f64),
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// More is better, as for revenue.
    #[default]
    HigherIsBetter,
    /// Less is better, as for unsubscribes.
    LowerIsBetter,
}

/// How to form a posterior. The default: alpha .05, a flat prior, higher is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BayesOptions {
    /// Credible intervals hold 1 - alpha; in (0, 1).
    pub alpha: f64,
    /// The prior.
    pub prior: Prior,
    /// Which way is better.
    pub direction: Direction,
}

impl Default for BayesOptions {
    fn default() -> Self {
        Self { alpha: 0.05, prior: Prior::Flat, direction: Direction::HigherIsBetter }
    }
}

/// A normal posterior of the effect.
///
/// Serialises as `{"effect", "se", "ci": [lo, hi], "chance_to_win", "risk_control_treatment": [control, treatment]}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(into = "PosteriorData")]
#[schemars(with = "PosteriorData")]
pub struct Posterior {
    /// Its mean.
    pub effect: f64,
    /// Its standard deviation.
    pub se: f64,
    /// The central credible interval.
    pub interval: [f64; 2],
    /// The chance that the treatment is better.
    pub chance_to_win: f64,
    /// The expected loss of staying with the control, in the effect's unit.
    pub risk_control: f64,
    /// The expected loss of moving to the treatment.
    pub risk_treatment: f64,
}

/// A posterior as it is written.
#[derive(Serialize, JsonSchema)]
struct PosteriorData {
    /// Its mean.
    effect: f64,
    /// Its standard deviation.
    se: f64,
    /// The central credible interval.
    ci: [f64; 2],
    /// The chance that the treatment is better.
    chance_to_win: f64,
    /// The expected losses, in the effect's unit: of staying with the control, and of moving to the treatment.
    risk_control_treatment: [f64; 2],
}

impl From<Posterior> for PosteriorData {
    fn from(posterior: Posterior) -> Self {
        Self {
            effect: posterior.effect,
            se: posterior.se,
            ci: posterior.interval,
            chance_to_win: posterior.chance_to_win,
            risk_control_treatment: [posterior.risk_control, posterior.risk_treatment],
        }
    }
}

/// The posteriors of both scales.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posteriors {
    /// Of treatment minus control.
    pub absolute: Outcome<Posterior>,
    /// Of the lift, with the delta method's variance.
    pub relative: Outcome<Posterior>,
}

/// The posterior of the effect of `treatment` over `control`.
///
/// The effect's likelihood is N(d, se²). With a prior N(m, s²) the posterior has the precision 1/se² + 1/s² and the mean
/// (d/se² + m/s²) / precision; with a flat one it is the likelihood. Chance to win: Φ(μ/σ). Risks: σ(φ(z) + zΦ(z)) at z = μ/σ for
/// the control and at -μ/σ for the treatment. Source: Gelman et al., Bayesian Data Analysis, 3rd edition, section 2.5; Stucchio,
/// Bayesian A/B testing at VWO (2015) for the risks.
pub fn posterior(control: &Arm, treatment: &Arm, options: &BayesOptions) -> Posteriors {
    let checked = check(options).and_then(|()| Effect::of(control, treatment));
    let absolute = |effect: Effect| {
        let scale = Scale::Absolute(effect.baseline.abs());
        normal_posterior(effect.difference, effect.variance, scale, options)
    };
    let relative = |effect: Effect| {
        let scale = Scale::Relative(effect.baseline.abs());
        effect.lift().and_then(|(lift, variance)| normal_posterior(lift, variance, scale, options))
    };
    Posteriors { absolute: checked.and_then(absolute).into(), relative: checked.and_then(relative).into() }
}

fn check(options: &BayesOptions) -> Result<(), Reason> {
    if !(options.alpha > 0.0 && options.alpha < 1.0) {
        return Err(Reason::AlphaOutOfRange);
    }
    match options.prior {
        Prior::Normal { mean, sd } | Prior::NormalAbsolute { mean, sd }
            if !(sd > 0.0 && sd.is_finite() && mean.is_finite()) =>
        {
            Err(Reason::ParameterNotPositive)
        }
        _ => Ok(()),
    }
}

impl Prior {
    /// The prior's mean and standard deviation on a scale; None for a flat one.
    fn on(self, scale: Scale) -> Result<Option<(f64, f64)>, Reason> {
        match (self, scale) {
            (Self::Flat, _) => Ok(None),
            (Self::Normal { .. }, Scale::Absolute(0.0)) => Err(Reason::ControlMeanZero),
            (Self::Normal { mean, sd }, Scale::Absolute(baseline)) => {
                Ok(Some((mean * baseline, sd * baseline)))
            }
            (Self::Normal { mean, sd }, Scale::Relative(_))
            | (Self::NormalAbsolute { mean, sd }, Scale::Absolute(_)) => Ok(Some((mean, sd))),
            (Self::NormalAbsolute { mean, sd }, Scale::Relative(baseline)) => {
                Ok(Some((mean / baseline, sd / baseline)))
            }
        }
    }
}

fn normal_posterior(
    effect: f64,
    variance: f64,
    scale: Scale,
    options: &BayesOptions,
) -> Result<Posterior, Reason> {
    let (mean, variance) = match options.prior.on(scale)? {
        None => (effect, variance),
        Some((mean, sd)) => {
            let precision = 1.0 / variance + 1.0 / (sd * sd);
            ((effect / variance + mean / (sd * sd)) / precision, 1.0 / precision)
        }
    };
    let sd = variance.sqrt();
    let half_width = Normal.critical(0.5 * options.alpha) * sd;
    let z = mean / sd;
    let (gain_below, gain_above) = (sd * Normal.expected_excess(z), sd * Normal.expected_excess(-z));
    let (chance_to_win, risk_control, risk_treatment) = match options.direction {
        Direction::HigherIsBetter => (Normal.cdf(z), gain_above, gain_below),
        Direction::LowerIsBetter => (Normal.survival(z), gain_below, gain_above),
    };
    let interval = [mean - half_width, mean + half_width];
    let usable = z.is_finite() && interval.iter().all(|end| end.is_finite());
    let posterior = Posterior { effect: mean, se: sd, interval, chance_to_win, risk_control, risk_treatment };
    if usable { Ok(posterior) } else { Err(Reason::NotFinite) }
}

impl Posterior {
    /// The chance that the effect is greater than `value`, Φ((μ - value) / σ).
    ///
    /// ```
    /// use tranche_stats::{Arm, BayesOptions, posterior};
    /// let (control, treatment) = (Arm::new(1000, 10.0, 25.0), Arm::new(1000, 10.2, 25.0));
    /// let Some(posterior) = posterior(&control, &treatment, &BayesOptions::default()).absolute.value() else { panic!() };
    /// assert_eq!(posterior.chance_above(0.0), posterior.chance_to_win);
    /// assert!((posterior.chance_above(0.2) - 0.5).abs() < 1e-9);
    /// ```
    pub fn chance_above(&self, value: f64) -> f64 {
        Normal.survival((value - self.effect) / self.se)
    }

    /// Twice the chance of the less probable sign: at most alpha when the central credible interval excludes 0. With a flat prior the
    /// two-sided p-value of a z-test.
    pub fn two_tailed(&self) -> f64 {
        (2.0 * Normal.survival((self.effect / self.se).abs())).min(1.0)
    }

    /// The values that the effect is below, and above, with a chance of `alpha`.
    pub fn one_sided_bounds(&self, alpha: f64) -> [f64; 2] {
        let reach = Normal.critical(alpha) * self.se;
        [self.effect - reach, self.effect + reach]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arms() -> (Arm, Arm) {
        (Arm::new(1000, 10.0, 25.0), Arm::new(1000, 10.2, 25.0))
    }

    fn found(options: &BayesOptions) -> Posterior {
        let (control, treatment) = arms();
        posterior(&control, &treatment, options).absolute.value().unwrap_or_else(|| panic!("undefined"))
    }

    #[test]
    fn risks_differ_by_the_effect() {
        let posterior = found(&BayesOptions::default());
        assert!((posterior.risk_control - posterior.risk_treatment - posterior.effect).abs() < 1e-15);
        assert!((posterior.effect - 0.2).abs() < 1e-12);
    }

    #[test]
    fn a_prior_draws_towards_its_mean_and_a_wide_one_does_not() {
        let narrow =
            found(&BayesOptions { prior: Prior::Normal { mean: 0.0, sd: 0.01 }, ..BayesOptions::default() });
        let wide =
            found(&BayesOptions { prior: Prior::Normal { mean: 0.0, sd: 1e6 }, ..BayesOptions::default() });
        assert!(narrow.effect < 0.1 && narrow.se < wide.se);
        assert!((wide.effect - 0.2).abs() < 1e-12);
    }

    /// An effect of 0.2 with se² .05 and a prior N(.1, .05): equal weights, so halfway, with half the variance.
    #[test]
    fn a_prior_on_the_difference_stands_on_its_own_scale() {
        let prior = Prior::NormalAbsolute { mean: 0.1, sd: f64::sqrt(0.05) };
        let halfway = found(&BayesOptions { prior, ..BayesOptions::default() });
        assert!((halfway.effect - 0.15).abs() < 1e-12 && (halfway.se - f64::sqrt(0.025)).abs() < 1e-12);
        let lift = Prior::Normal { mean: 0.01, sd: f64::sqrt(0.05) / 10.0 };
        assert!(
            (found(&BayesOptions { prior: lift, ..BayesOptions::default() }).effect - 0.15).abs() < 1e-12
        );
        let (control, treatment) = arms();
        let relative = |prior| {
            posterior(&control, &treatment, &BayesOptions { prior, ..BayesOptions::default() })
                .relative
                .value()
        };
        let (one, other) = (relative(prior), relative(lift));
        assert!(
            one.zip(other).is_some_and(|(one, other)| (one.effect - other.effect).abs() < 1e-15),
            "{one:?} {other:?}"
        );
    }

    #[test]
    fn the_other_direction_mirrors() {
        let higher = found(&BayesOptions::default());
        let lower = found(&BayesOptions { direction: Direction::LowerIsBetter, ..BayesOptions::default() });
        assert!((higher.chance_to_win + lower.chance_to_win - 1.0).abs() < 1e-15);
        assert_eq!([higher.risk_control, higher.risk_treatment], [lower.risk_treatment, lower.risk_control]);
    }

    #[test]
    fn tails_agree_with_intervals() {
        let posterior = found(&BayesOptions::default());
        let at = |alpha| found(&BayesOptions { alpha, ..BayesOptions::default() }).interval[0];
        assert!(at(posterior.two_tailed()).abs() < 1e-9, "the interval at this alpha ends at zero");
        let [low, high] = posterior.one_sided_bounds(0.05);
        assert!(
            (posterior.chance_above(low) - 0.95).abs() < 1e-9
                && (posterior.chance_above(high) - 0.05).abs() < 1e-9
        );
    }

    #[test]
    fn a_prior_on_the_lift_needs_a_control_mean() {
        let (zero, treatment) = (Arm::new(1000, 0.0, 25.0), arms().1);
        let prior = Prior::Normal { mean: 0.0, sd: 0.3 };
        let posteriors = posterior(&zero, &treatment, &BayesOptions { prior, ..BayesOptions::default() });
        assert_eq!(posteriors.absolute.reason(), Some(Reason::ControlMeanZero));
        assert_eq!(posteriors.relative.reason(), Some(Reason::ControlMeanZero));
        assert!(posterior(&zero, &treatment, &BayesOptions::default()).absolute.value().is_some());
    }
}
