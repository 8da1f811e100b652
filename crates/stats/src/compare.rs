//! Two arms in, an absolute and a relative estimate out.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::distribution::{Normal, StudentT};
use crate::effect::Effect;
use crate::fieller::fieller;
use crate::sequential::ConfidenceSequence;
use crate::{Arm, Interval, Outcome, Reason};

/// How to compare two arms. The default: alpha .05, one look, Fieller's relative interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The chance of a false alarm, in (0, 1); intervals cover 1 - alpha.
    pub alpha: f64,
    /// How often the result may be looked at.
    pub inference: Inference,
    /// Where relative intervals come from.
    pub relative: RelativeMethod,
}

impl Default for Options {
    fn default() -> Self {
        Self { alpha: 0.05, inference: Inference::Fixed, relative: RelativeMethod::Fieller }
    }
}

/// How often the result may be looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Inference {
    /// Once, at a time fixed beforehand: Welch's t-test.
    Fixed,
    /// At any time, as often as one likes: see [`ConfidenceSequence`].
    Sequential {
        /// The number of units, of both arms together, at which the interval shall be about narrowest.
        tuning: f64,
    },
}

/// Where relative intervals come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelativeMethod {
    /// Fieller's set, with the p-value of the absolute estimate: "no lift" and "no difference" are one hypothesis, so the two
    /// estimates never contradict each other.
    Fieller,
    /// The delta method, symmetric around the lift, with a p-value of its own, as GrowthBook's. It may contradict the absolute
    /// estimate.
    Delta,
}

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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The point estimate.
    pub effect: f64,
    /// Its standard error; for a lift by the delta method.
    pub se: f64,
    /// The values not rejected at alpha.
    pub interval: Interval,
    /// The two-sided p-value of "no effect".
    pub p: f64,
}

/// Compares `treatment` with `control`.
///
/// Absolute: D = mB - mA, se = √(vA + vB), D ± t se and p = 2 P(T > |D| / se), with Welch and Satterthwaite's degrees of freedom;
/// sequentially the multiplier and p-value of [`ConfidenceSequence`]. Source: Welch, The generalization of Student's problem
/// (1947).
///
/// Relative: D / |mA|, its interval by [`Options::relative`]. Fieller's critical value is that of t below 1000 degrees of freedom
/// and the normal one from there on. As that is smaller by up to .0024, Fieller's set could leave out 0 in a sliver where the
/// absolute interval holds it; there the set is widened to reach 0. The other way round cannot happen.
pub fn compare(control: &Arm, treatment: &Arm, options: &Options) -> Comparison {
    match Question::new(control, treatment, options) {
        Ok(question) => Comparison { absolute: question.absolute().into(), relative: question.relative(options.relative).into() },
        Err(reason) => Comparison { absolute: Outcome::Undefined(reason), relative: Outcome::Undefined(reason) },
    }
}

/// An effect and the test put to it.
struct Question {
    effect: Effect,
    test: Test,
    critical: f64,
    fieller_critical: f64,
}

enum Test {
    Student(StudentT),
    Sequence(ConfidenceSequence),
}

const NORMAL_FROM_DEGREES: f64 = 1000.0;

impl Question {
    fn new(control: &Arm, treatment: &Arm, options: &Options) -> Result<Self, Reason> {
        let tail = 0.5 * options.alpha;
        if !(tail > 0.0 && tail < 0.5) {
            return Err(Reason::AlphaOutOfRange);
        }
        let effect = Effect::of(control, treatment)?;
        Ok(match options.inference {
            Inference::Fixed => {
                let student = StudentT { df: effect.degrees_of_freedom };
                let critical = student.critical(tail);
                let fieller_critical = if student.df < NORMAL_FROM_DEGREES { critical } else { Normal.critical(tail) };
                Self { effect, test: Test::Student(student), critical, fieller_critical }
            }
            Inference::Sequential { tuning } => {
                let sequence = ConfidenceSequence::new(options.alpha, tuning)?;
                let critical = sequence.critical(effect.units);
                Self { effect, test: Test::Sequence(sequence), critical, fieller_critical: critical }
            }
        })
    }

    fn absolute(&self) -> Result<Estimate, Reason> {
        self.symmetric(self.effect.difference, self.effect.variance)
    }

    fn relative(&self, method: RelativeMethod) -> Result<Estimate, Reason> {
        let (lift, variance) = self.effect.lift()?;
        let delta = self.symmetric(lift, variance)?;
        match method {
            RelativeMethod::Delta => Ok(delta),
            RelativeMethod::Fieller => {
                let absolute = self.absolute()?;
                let set = fieller(&self.effect, self.fieller_critical);
                let interval = if absolute.interval.contains(0.0) { set.reaching_zero() } else { set };
                finite(Estimate { interval, p: absolute.p, ..delta })
            }
        }
    }

    fn symmetric(&self, effect: f64, variance: f64) -> Result<Estimate, Reason> {
        let se = variance.sqrt();
        let z = effect.abs() / se;
        let p = match &self.test {
            Test::Student(student) => (2.0 * student.survival(z)).min(1.0),
            Test::Sequence(sequence) => sequence.p_value(z, self.effect.units),
        };
        finite(Estimate { effect, se, interval: Interval::around(effect, self.critical * se), p })
    }
}

fn finite(estimate: Estimate) -> Result<Estimate, Reason> {
    let Estimate { effect, se, interval, p } = &estimate;
    let usable = effect.is_finite() && se.is_finite() && p.is_finite() && !interval.is_nan();
    if usable { Ok(estimate) } else { Err(Reason::NotFinite) }
}

impl Serialize for Estimate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let gap = match self.interval {
            Interval::Outside { lo, hi } => Some([lo, hi]),
            _ => None,
        };
        let unbounded = self.interval.unbounded_reason();
        let fields = 4 + usize::from(unbounded.is_some()) + usize::from(gap.is_some());
        let mut object = serializer.serialize_struct("Estimate", fields)?;
        object.serialize_field("effect", &self.effect)?;
        object.serialize_field("se", &self.se)?;
        object.serialize_field("ci", &self.interval.ends())?;
        object.serialize_field("p", &self.p)?;
        if let Some(reason) = unbounded {
            object.serialize_field("unbounded", reason)?;
        }
        if let Some(gap) = gap {
            object.serialize_field("gap", &gap)?;
        }
        object.end()
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
