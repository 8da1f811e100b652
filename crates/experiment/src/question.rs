//! What two arms are asked, and the answer as a result keeps it.

mod shares;

use serde_json::{Value, json};
use tranche_metric::Direction;
use tranche_stats::{
    Alternative, BayesOptions, Estimate, Inference, Margin, Options, Outcome, Posterior, RelativeMethod,
    ShareOptions, believe, compare,
};

use crate::arms::Arms;
use crate::result::{Conclusion, NonInferiority};

/// What two arms are asked about one metric.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Which way the metric is better.
    pub(crate) better: Direction,
    /// The direction of the test.
    pub(crate) alternative: Alternative,
    /// The chance of a false alarm.
    pub(crate) alpha: f64,
    /// By what it is answered.
    pub(crate) lens: Lens,
}

/// By what a question is answered.
#[derive(Debug, Clone)]
pub(crate) enum Lens {
    /// A test and its interval.
    Test(Inference, RelativeMethod),
    /// A posterior; its alpha is the question's.
    Belief(BayesOptions),
    /// A posterior of two shares, counted exactly; its alpha is the question's.
    Shares(ShareOptions),
    /// Nothing may be said yet, and why.
    NotYet(String),
}

/// What two arms say.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) absolute: Value,
    pub(crate) relative: Value,
    /// Why there is no effect, if there is none.
    pub(crate) undefined: Option<String>,
}

impl Question {
    /// The effect, absolute and relative, with intervals at `alpha`.
    pub(crate) fn answer(&self, arms: &Arms, alpha: f64) -> Answer {
        let Arms { control, treatment, .. } = arms;
        match &self.lens {
            Lens::Test(..) => {
                let found = self
                    .options(alpha, self.alternative, None)
                    .map(|options| compare(control, treatment, &options));
                let Some(found) = found else { return self.nothing("no test is asked for") };
                Answer {
                    undefined: found.absolute.reason().map(|reason| reason.to_string()),
                    absolute: json!(found.absolute),
                    relative: json!(found.relative),
                }
            }
            Lens::Belief(options) => {
                let beliefs = believe(control, treatment, &BayesOptions { alpha, ..*options });
                Answer {
                    undefined: beliefs.absolute.reason().map(|reason| reason.to_string()),
                    absolute: belief(beliefs.absolute),
                    relative: belief(beliefs.relative),
                }
            }
            Lens::Shares(options) => match shares::believed(arms, &ShareOptions { alpha, ..*options }) {
                Ok(beliefs) => Answer {
                    absolute: shares::absolute(&beliefs),
                    relative: shares::relative(&beliefs),
                    undefined: None,
                },
                Err(reason) => self.nothing(&reason),
            },
            Lens::NotYet(reason) => self.nothing(reason),
        }
    }

    #[expect(clippy::unused_self, reason = "reads as one of the answers to the question")]
    fn nothing(&self, reason: &str) -> Answer {
        let none = json!({"undefined": reason});
        Answer { absolute: none.clone(), relative: none, undefined: Some(reason.to_owned()) }
    }

    /// Whether the treatment is worse by `margin` or more, tested in the metric's direction at the question's alpha.
    pub(crate) fn non_inferiority(&self, arms: &Arms, margin: Margin) -> NonInferiority {
        let Arms { control, treatment, .. } = arms;
        let not_worse = match self.better {
            Direction::Increase => Alternative::Greater,
            Direction::Decrease => Alternative::Less,
        };
        let (size, scale) = match margin {
            Margin::Absolute(size) => (size, "absolute"),
            Margin::Relative(size) => (size, "relative"),
        };
        let judged = |found: Result<(f64, f64), String>| {
            let (bound, p) = found
                .as_ref()
                .map_or((None, None), |(bound, p)| (Some(*bound).filter(|b| b.is_finite()), Some(*p)));
            NonInferiority {
                margin: size,
                scale: scale.to_owned(),
                bound,
                p,
                holds: p.is_some_and(|p| p <= self.alpha),
                undefined: found.err(),
            }
        };
        match &self.lens {
            Lens::Test(..) => {
                let Some(options) = self.options(self.alpha, not_worse, Some(margin)) else {
                    return judged(Err("no test is asked for".to_owned()));
                };
                let found = compare(control, treatment, &options);
                let estimate = if scale == "absolute" { found.absolute } else { found.relative };
                let bound = |estimate: Estimate| match not_worse {
                    Alternative::Less => estimate.interval.hi(),
                    _ => estimate.interval.lo(),
                };
                judged(defined(estimate).map(|estimate| (bound(estimate), estimate.p)))
            }
            Lens::Belief(options) => {
                let beliefs = believe(control, treatment, options);
                let posterior = if scale == "absolute" { beliefs.absolute } else { beliefs.relative };
                judged(defined(posterior).map(|posterior| {
                    let [low, high] = posterior.one_sided_bounds(self.alpha);
                    match self.better {
                        Direction::Increase => (low, 1.0 - posterior.chance_above(-size)),
                        Direction::Decrease => (high, posterior.chance_above(size)),
                    }
                }))
            }
            Lens::Shares(options) => judged(shares::loss_ruled_out(arms, options, self.better, margin)),
            Lens::NotYet(reason) => judged(Err(reason.clone())),
        }
    }

    /// What the answer means for the metric: by the adjusted p-value where there is one. A one-sided test is asked the other way
    /// round as well, so that harm is found too.
    pub(crate) fn conclusion(&self, arms: &Arms, answer: &Value) -> Option<Conclusion> {
        let number = |name: &str| answer.get(name).and_then(Value::as_f64);
        let (effect, p) = (number("effect")?, number("p_adjusted").or_else(|| number("p"))?);
        let of = |positive: bool| {
            if positive == (self.better == Direction::Increase) {
                Conclusion::Better
            } else {
                Conclusion::Worse
            }
        };
        if p <= self.alpha {
            return Some(of(effect > 0.0));
        }
        let opposite = match self.alternative {
            Alternative::TwoSided => return Some(Conclusion::Unclear),
            Alternative::Greater => Alternative::Less,
            Alternative::Less => Alternative::Greater,
        };
        let found = self
            .options(self.alpha, opposite, None)
            .map(|options| compare(&arms.control, &arms.treatment, &options));
        let shown =
            found.and_then(|found| found.absolute.value()).is_some_and(|estimate| estimate.p <= self.alpha);
        Some(if shown { of(effect > 0.0) } else { Conclusion::Unclear })
    }

    fn options(&self, alpha: f64, alternative: Alternative, margin: Option<Margin>) -> Option<Options> {
        match &self.lens {
            Lens::Test(inference, relative) => Some(Options {
                alpha,
                inference: inference.clone(),
                relative: *relative,
                alternative,
                margin,
            }),
            _ => None,
        }
    }
}

fn defined<T>(outcome: Outcome<T>) -> Result<T, String> {
    match outcome {
        Outcome::Defined(value) => Ok(value),
        Outcome::Undefined(reason) => Err(reason.to_string()),
    }
}

/// A posterior with the fields of an estimate and its own: `p` is twice the chance of the less probable sign, `risk` what is lost on
/// average by moving to the treatment, `risk_control` by staying with the control.
fn belief(posterior: Outcome<Posterior>) -> Value {
    match posterior {
        Outcome::Defined(posterior) => json!({
            "effect": posterior.effect,
            "se": posterior.se,
            "ci": posterior.interval,
            "p": posterior.two_tailed(),
            "chance_to_win": posterior.chance_to_win,
            "risk": posterior.risk_treatment,
            "risk_control": posterior.risk_control,
        }),
        Outcome::Undefined(reason) => json!({"undefined": reason.to_string()}),
    }
}

#[cfg(test)]
#[path = "question_tests.rs"]
mod tests;
