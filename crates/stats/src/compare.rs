//! Two arms in, an absolute and a relative estimate out.

use schemars::JsonSchema;
use serde::Serialize;

use crate::effect::Effect;
use crate::fieller::fieller_towards;
use crate::hypothesis::Null;
use crate::options::{Options, RelativeMethod};
use crate::significance::Significance;
use crate::{Alternative, Arm, Interval, Outcome, Reason};

/// What two arms say about the treatment's effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Treatment minus control, in the metric's unit.
    pub absolute: Outcome<Estimate>,
    /// The lift: the same, over the absolute value of the control mean; .1 is 10 %.
    pub relative: Outcome<Estimate>,
}

/// An effect with its interval and p-value.
///
/// Serialises as `{"effect", "se", "ci": [lo, hi], "p"}`. Where an interval has no bound, its ends are infinite (null in JSON),
/// `unbounded` says why, and `gap` holds the values that are excluded all the same, if any are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(into = "EstimateData")]
#[schemars(with = "EstimateData")]
pub struct Estimate {
    /// The point estimate.
    pub effect: f64,
    /// Its standard error; for a lift by the delta method.
    pub se: f64,
    /// The values not rejected at alpha.
    pub interval: Interval,
    /// The p-value of the null: "no effect", or "worse by the margin or more".
    pub p: f64,
}

/// An estimate as it is written.
#[derive(Serialize, JsonSchema)]
struct EstimateData {
    /// The point estimate.
    effect: f64,
    /// Its standard error; for a lift by the delta method.
    se: f64,
    /// The values not rejected at alpha, from the least to the greatest; `null` where there is no bound.
    ci: [Option<f64>; 2],
    /// The p-value of the null: "no effect", or "worse by the margin or more".
    p: f64,
    /// Why the interval has no bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    unbounded: Option<&'static str>,
    /// The values that are rejected although the interval has no bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<[f64; 2]>,
}

impl From<Estimate> for EstimateData {
    fn from(Estimate { effect, se, interval, p }: Estimate) -> Self {
        let gap = match interval {
            Interval::Outside { lo, hi } => Some([lo, hi]),
            _ => None,
        };
        let ci = interval.ends().map(|end| Some(end).filter(|end| end.is_finite()));
        Self { effect, se, ci, p, unbounded: interval.unbounded_reason(), gap }
    }
}

/// Compares `treatment` with `control`.
///
/// Absolute: D = mB - mA, se = √(vA + vB), D ± t se and p = 2 P(T > |D| / se), with Welch and Satterthwaite's degrees of freedom;
/// for other [`Inference`](crate::Inference)s their own multiplier and p-value. Source: Welch, The generalization of Student's problem (1947).
///
/// Relative: D / |mA|, its interval by [`Options::relative`]. Fieller's critical value is that of t below 1000 degrees of freedom
/// and the normal one from there on. As that is smaller by up to .0024, Fieller's set could leave out the null in a sliver where
/// the absolute test allows it; there the set is widened to reach it. The other way round cannot happen.
///
/// A margin in the metric's unit asks of D whether it is beyond the margin; a relative one, L, asks it of D - L |mA|, whose variance
/// takes in that of mA. Both scales have the p-value of that one question, but for the delta method's with a relative margin or
/// none, which asks it of the lift.
pub fn compare(control: &Arm, treatment: &Arm, options: &Options) -> Comparison {
    match Question::new(control, treatment, options) {
        Ok(question) => Comparison {
            absolute: question.absolute().into(),
            relative: question.relative(options.relative).into(),
        },
        Err(reason) => {
            Comparison { absolute: Outcome::Undefined(reason), relative: Outcome::Undefined(reason) }
        }
    }
}

/// An effect and the test put to it.
struct Question<'a> {
    effect: Effect,
    null: Null,
    test: Significance<'a>,
    alternative: Alternative,
}

impl<'a> Question<'a> {
    fn new(control: &Arm, treatment: &Arm, options: &'a Options) -> Result<Self, Reason> {
        let null = options.alternative.null(options.margin)?;
        let effect = Effect::of(control, treatment)?;
        let test = Significance::of(&effect, options)?;
        Ok(Self { effect, null, test, alternative: options.alternative })
    }

    fn absolute(&self) -> Result<Estimate, Reason> {
        let se = self.effect.variance.sqrt();
        let interval = self.around(self.effect.difference, se);
        finite(Estimate { effect: self.effect.difference, se, interval, p: self.test.p_value(self.z())? })
    }

    fn relative(&self, method: RelativeMethod) -> Result<Estimate, Reason> {
        let (lift, variance) = self.effect.lift()?;
        let se = variance.sqrt();
        match method {
            RelativeMethod::Delta => {
                let z = match self.null {
                    Null::Difference(0.0) => lift / se,
                    Null::Difference(_) => self.z(),
                    Null::Lift(null) => (lift - null) / se,
                };
                finite(Estimate {
                    effect: lift,
                    se,
                    interval: self.around(lift, se),
                    p: self.test.p_value(z)?,
                })
            }
            RelativeMethod::Fieller => {
                let absolute = self.absolute()?;
                let mut set = fieller_towards(&self.effect, self.test.fieller_critical, self.alternative);
                if absolute.interval.contains(0.0) {
                    set = set.reaching(0.0);
                }
                if let Null::Lift(null) = self.null
                    && self.test.allows(self.z())
                {
                    set = set.reaching(null);
                }
                finite(Estimate { effect: lift, se, interval: set, p: absolute.p })
            }
        }
    }

    /// How many standard errors the difference is above its null.
    fn z(&self) -> f64 {
        let (distance, variance) = match self.null {
            Null::Difference(null) => (self.effect.difference - null, self.effect.variance),
            Null::Lift(null) => self.effect.beyond_lift(null),
        };
        distance / variance.sqrt()
    }

    fn around(&self, effect: f64, se: f64) -> Interval {
        let reach = self.test.critical * se;
        match self.alternative {
            Alternative::TwoSided => Interval::around(effect, reach),
            Alternative::Greater => Interval::AtLeast(effect - reach),
            Alternative::Less => Interval::AtMost(effect + reach),
        }
    }
}

fn finite(estimate: Estimate) -> Result<Estimate, Reason> {
    let Estimate { effect, se, interval, p } = &estimate;
    let usable = effect.is_finite() && se.is_finite() && p.is_finite() && !interval.is_nan();
    if usable { Ok(estimate) } else { Err(Reason::NotFinite) }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
