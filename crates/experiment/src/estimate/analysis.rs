//! The analysis of two arms by one metric: the inference that is declared, what it says, and what that means
//! for the metric.

use tranche_metric::Direction;
use tranche_scorecard::{Conclusion, Effect, EffectOutcome, Interval, NonInferiority};
use tranche_stats::{
    Alternative, BayesOptions, Comparison, Estimate, Inference, Margin, Options, Outcome, Posterior,
    RelativeMethod, ShareOptions, compare, posterior,
};

use super::arms::Arms;
use super::shares;

/// How two arms are analysed by one metric.
#[derive(Debug, Clone)]
pub(crate) struct Analysis {
    /// Which way the metric is better.
    pub(crate) better: Direction,
    /// The direction of the test.
    pub(crate) alternative: Alternative,
    /// The chance of a false alarm.
    pub(crate) alpha: f64,
    /// By what inference.
    pub(crate) method: InferenceMethod,
}

/// By what two arms are compared.
#[derive(Debug, Clone)]
pub(crate) enum InferenceMethod {
    /// A test and its interval.
    Test(Inference, RelativeMethod),
    /// A normal posterior; its alpha is the analysis's.
    Posterior(BayesOptions),
    /// A posterior of two shares, counted exactly; its alpha is the analysis's.
    SharePosterior(ShareOptions),
    /// No effect may be shown yet, and why.
    Withheld(String),
}

/// What two arms show.
#[derive(Debug, Clone)]
pub(crate) struct Effects {
    /// The difference of means, in the metric's unit.
    pub(crate) absolute: EffectOutcome,
    /// The lift.
    pub(crate) relative: EffectOutcome,
}

impl Effects {
    /// No effect in either scale.
    fn undefined(reason: &str) -> Self {
        Self { absolute: EffectOutcome::undefined(reason), relative: EffectOutcome::undefined(reason) }
    }
}

impl Analysis {
    /// The effect, absolute and relative, with intervals at `alpha`.
    pub(crate) fn effects(&self, arms: &Arms, alpha: f64) -> Effects {
        let Arms { control, treatment, .. } = arms;
        match &self.method {
            InferenceMethod::Test(inference, relative) => {
                let test =
                    Test { inference, relative: *relative, alternative: self.alternative, margin: None };
                let Comparison { absolute, relative } = test.compare(arms, alpha);
                Effects { absolute: tested(absolute), relative: tested(relative) }
            }
            InferenceMethod::Posterior(options) => {
                let posterior = posterior(control, treatment, &BayesOptions { alpha, ..*options });
                Effects {
                    absolute: of_posterior(posterior.absolute),
                    relative: of_posterior(posterior.relative),
                }
            }
            InferenceMethod::SharePosterior(options) => {
                match shares::posterior(arms, &ShareOptions { alpha, ..*options }) {
                    Ok(posterior) => Effects {
                        absolute: shares::difference(&posterior),
                        relative: shares::lift(&posterior),
                    },
                    Err(reason) => Effects::undefined(&reason),
                }
            }
            InferenceMethod::Withheld(reason) => Effects::undefined(reason),
        }
    }

    /// Whether the treatment is worse by `margin` or more, tested in the metric's direction at the analysis's
    /// alpha.
    pub(crate) fn non_inferiority(&self, arms: &Arms, margin: Margin) -> NonInferiority {
        let (size, scale) = match margin {
            Margin::Absolute(size) => (size, "absolute"),
            Margin::Relative(size) => (size, "relative"),
        };
        let found = self.loss(arms, margin);
        let (bound, p) = match &found {
            Ok(loss) => (Some(loss.bound).filter(|bound| bound.is_finite()), Some(loss.p)),
            Err(_) => (None, None),
        };
        NonInferiority {
            margin: size,
            scale: scale.to_owned(),
            bound,
            p,
            holds: p.is_some_and(|p| p <= self.alpha),
            undefined: found.err(),
        }
    }

    /// The worst effect that is not ruled out, and the p-value of "worse by `margin` or more"; or why neither
    /// is known.
    fn loss(&self, arms: &Arms, margin: Margin) -> Result<Loss, String> {
        let Arms { control, treatment, .. } = arms;
        let (Margin::Absolute(size) | Margin::Relative(size)) = margin;
        match &self.method {
            InferenceMethod::Test(inference, relative) => {
                let (alternative, margin) = (not_worse(self.better), Some(margin));
                let test = Test { inference, relative: *relative, alternative, margin };
                let estimate: Estimate = in_scale(margin, test.compare(arms, self.alpha))?;
                let bound = match alternative {
                    Alternative::Less => estimate.interval.hi(),
                    _ => estimate.interval.lo(),
                };
                Ok(Loss { bound, p: estimate.p })
            }
            InferenceMethod::Posterior(options) => {
                let found = posterior(control, treatment, options);
                let posterior = match margin {
                    Margin::Absolute(_) => found.absolute,
                    Margin::Relative(_) => found.relative,
                };
                let posterior: Posterior = defined(posterior)?;
                let [low, high] = posterior.one_sided_bounds(self.alpha);
                Ok(match self.better {
                    Direction::Increase => Loss { bound: low, p: 1.0 - posterior.chance_above(-size) },
                    Direction::Decrease => Loss { bound: high, p: posterior.chance_above(size) },
                })
            }
            InferenceMethod::SharePosterior(options) => {
                let (bound, p) = shares::loss_ruled_out(arms, options, self.better, margin)?;
                Ok(Loss { bound, p })
            }
            InferenceMethod::Withheld(reason) => Err(reason.clone()),
        }
    }

    /// What the effect means for the metric: by the adjusted p-value where there is one. A one-sided test is
    /// put the other way round as well, so that harm is found too.
    pub(crate) fn conclusion(&self, arms: &Arms, effect: &EffectOutcome) -> Option<Conclusion> {
        let effect = effect.effect()?;
        let p = effect.p_adjusted.or(effect.p)?;
        let shown = if (effect.effect > 0.0) == (self.better == Direction::Increase) {
            Conclusion::Better
        } else {
            Conclusion::Worse
        };
        if p <= self.alpha {
            return Some(shown);
        }
        let opposite = match self.alternative {
            Alternative::TwoSided => return Some(Conclusion::Unclear),
            Alternative::Greater => Alternative::Less,
            Alternative::Less => Alternative::Greater,
        };
        let InferenceMethod::Test(inference, relative) = &self.method else {
            return Some(Conclusion::Unclear);
        };
        let test = Test { inference, relative: *relative, alternative: opposite, margin: None };
        let found = test.compare(arms, self.alpha).absolute.value();
        let is_shown = found.is_some_and(|estimate| estimate.p <= self.alpha);
        Some(if is_shown { shown } else { Conclusion::Unclear })
    }
}

/// The worst effect that is not ruled out, and the p-value of a loss beyond the margin.
struct Loss {
    bound: f64,
    p: f64,
}

/// A test of two arms, but for its alpha.
struct Test<'a> {
    inference: &'a Inference,
    relative: RelativeMethod,
    alternative: Alternative,
    margin: Option<Margin>,
}

impl Test<'_> {
    fn compare(&self, arms: &Arms, alpha: f64) -> Comparison {
        let Self { inference, relative, alternative, margin } = *self;
        let options = Options { alpha, inference: inference.clone(), relative, alternative, margin };
        compare(&arms.control, &arms.treatment, &options)
    }
}

/// The alternative of a treatment that is not worse.
fn not_worse(better: Direction) -> Alternative {
    match better {
        Direction::Increase => Alternative::Greater,
        Direction::Decrease => Alternative::Less,
    }
}

/// The estimate in the margin's scale.
fn in_scale(margin: Option<Margin>, found: Comparison) -> Result<Estimate, String> {
    defined(match margin {
        Some(Margin::Relative(_)) => found.relative,
        _ => found.absolute,
    })
}

fn defined<T>(outcome: Outcome<T>) -> Result<T, String> {
    outcome.into_result().map_err(|reason| reason.to_string())
}

fn tested(outcome: Outcome<Estimate>) -> EffectOutcome {
    match outcome {
        Outcome::Undefined(reason) => EffectOutcome::undefined(reason.to_string()),
        Outcome::Defined(estimate) => {
            let [low, high] = estimate.interval.ends();
            EffectOutcome::Effect(Effect {
                se: Some(estimate.se),
                ci: Interval::new(low, high),
                p: Some(estimate.p),
                gap: match estimate.interval {
                    tranche_stats::Interval::Outside { lo, hi } => Some(Interval::new(lo, hi)),
                    _ => None,
                },
                unbounded: estimate.interval.unbounded_reason().map(str::to_owned),
                ..Effect::of(estimate.effect)
            })
        }
    }
}

/// A posterior with the numbers of an estimate and its own: `p` is twice the chance of the less probable
/// sign.
fn of_posterior(outcome: Outcome<Posterior>) -> EffectOutcome {
    match outcome {
        Outcome::Undefined(reason) => EffectOutcome::undefined(reason.to_string()),
        Outcome::Defined(posterior) => EffectOutcome::Effect(Effect {
            se: Some(posterior.se),
            ci: Interval::new(posterior.interval[0], posterior.interval[1]),
            p: Some(posterior.two_tailed()),
            chance_to_win: Some(posterior.chance_to_win),
            risk: Some(posterior.risk_treatment),
            risk_control: Some(posterior.risk_control),
            ..Effect::of(posterior.effect)
        }),
    }
}

#[cfg(test)]
#[path = "analysis_tests.rs"]
mod tests;
