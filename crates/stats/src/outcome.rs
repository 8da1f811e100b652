//! What a question about numbers returns: an answer, or the reason why there is none.

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// An answer, or why the numbers hold none. Never NaN.
///
/// Serialises as the answer's own fields, or as `{"undefined": "<reason>"}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "{T}Outcome")]
pub enum Outcome<T> {
    /// The answer.
    Defined(T),
    /// There is no answer.
    Undefined(
        #[serde(serialize_with = "undefined")]
        #[schemars(with = "Undefined")]
        Reason,
    ),
}

/// No answer, as it is written.
#[derive(Serialize, JsonSchema)]
struct Undefined {
    /// Why there is none, as a clause.
    undefined: String,
}

fn undefined<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    Undefined { undefined: reason.to_string() }.serialize(serializer)
}

impl<T> Outcome<T> {
    /// The answer, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Defined(value) => Some(value),
            Self::Undefined(_) => None,
        }
    }

    /// The answer, or why there is none.
    pub fn into_result(self) -> Result<T, Reason> {
        match self {
            Self::Defined(value) => Ok(value),
            Self::Undefined(reason) => Err(reason),
        }
    }

    /// Borrows the answer.
    pub fn as_ref(&self) -> Outcome<&T> {
        match self {
            Self::Defined(value) => Outcome::Defined(value),
            Self::Undefined(reason) => Outcome::Undefined(*reason),
        }
    }

    /// Why there is no answer.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Defined(_) => None,
            Self::Undefined(reason) => Some(*reason),
        }
    }

    /// The answer through `f`; a reason stays what it is.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Defined(value) => Outcome::Defined(f(value)),
            Self::Undefined(reason) => Outcome::Undefined(reason),
        }
    }
}

impl<T> From<Result<T, Reason>> for Outcome<T> {
    fn from(result: Result<T, Reason>) -> Self {
        match result {
            Ok(value) => Self::Defined(value),
            Err(reason) => Self::Undefined(reason),
        }
    }
}

/// Why a question has no answer. Displays as a clause for a person to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The control arm says nothing about its own uncertainty.
    Control(UndefinedReason),
    /// The treatment arm says nothing about its own uncertainty.
    Treatment(UndefinedReason),
    /// There is nothing to be relative to.
    ControlMeanZero,
    /// The significance level is not strictly between 0 and 1.
    AlphaOutOfRange,
    /// A parameter that has to be a positive number is not: a tuning, a scale, a variance, a ratio, a count.
    ParameterNotPositive,
    /// A margin is negative or not finite.
    MarginOutOfRange,
    /// A margin needs a direction in which the treatment may be worse, and the alternative is two-sided.
    MarginWithoutDirection,
    /// The information at the looks of a group-sequential design does not rise from above 0.
    LooksDoNotRise,
    /// A power is not strictly between the significance level and 1.
    PowerOutOfRange,
    /// An effect to be found lies on the other side of the null than the alternative, or on it.
    EffectNotTowardsAlternative,
    /// A variance reduction is not a share from 0 up to, but not including, 1.
    ReductionOutOfRange,
    /// Rows or samples differ in their number of columns, or have fewer than the question needs.
    ColumnsDiffer,
    /// A comparison between segments needs two or more of them.
    TooFewSegments,
    /// Strata need one weight each, none negative and not all zero.
    WeightsDoNotFit,
    /// A stratum that counts has no two units in both arms.
    StratumTooSmall,
    /// A statistic has no value on too many of the resamples.
    ResamplesUndefined,
    /// Numbers too large or too small for a 64-bit float came up on the way.
    NotFinite,
    /// No unit was observed in any variant.
    NoUnits,
    /// A sample ratio needs two or more variants, one expected share for each, with a positive sum and none negative.
    SharesDoNotFit,
    /// Units were observed in a variant whose expected share is zero.
    UnitsWithoutShare,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control(reason) => return write!(f, "the control arm {reason}"),
            Self::Treatment(reason) => return write!(f, "the treatment arm {reason}"),
            Self::ControlMeanZero => "the control mean is zero, so nothing can be relative to it",
            Self::AlphaOutOfRange => "alpha must lie between 0 and 1",
            Self::ParameterNotPositive => {
                "a tuning parameter, scale, variance, ratio or count must be a positive number"
            }
            Self::MarginOutOfRange => "a margin must be a number of at least zero",
            Self::MarginWithoutDirection => "a margin needs a one-sided alternative, greater or less",
            Self::LooksDoNotRise => "the information fractions of the looks must rise from above zero",
            Self::PowerOutOfRange => "the power must lie between the significance level and 1",
            Self::EffectNotTowardsAlternative => {
                "the effect does not lie in the direction of the alternative"
            }
            Self::ReductionOutOfRange => {
                "the variance reduction must be a share from 0 up to, but not including, 1"
            }
            Self::ColumnsDiffer => "rows and samples must have the same columns, and enough of them",
            Self::TooFewSegments => "two or more segments are needed",
            Self::WeightsDoNotFit => "strata need one weight each, none negative and not all zero",
            Self::StratumTooSmall => "every stratum needs two or more units in both arms",
            Self::ResamplesUndefined => "the statistic has no value on some of the resamples",
            Self::NotFinite => "the numbers are too large or too small to compute with",
            Self::NoUnits => "no unit was observed",
            Self::SharesDoNotFit => {
                "two or more variants need one expected share each, none negative and not all zero"
            }
            Self::UnitsWithoutShare => "units were observed in a variant whose expected share is zero",
        })
    }
}

/// Why an arm has no variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UndefinedReason {
    /// n = 0.
    NoUnits,
    /// n = 1, where n - 1 is needed.
    OneUnit,
    /// All units are alike, to the precision of the numbers.
    NoVariance,
    /// More successes than units.
    MoreSuccessesThanUnits,
    /// A ratio's denominators sum to zero.
    ZeroDenominator,
    /// Units, but no rows to take a quantile of.
    NoRows,
    /// Too few units to place both ends of the quantile's interval.
    TooFewForQuantile,
    /// The estimate has no value on some of the resamples.
    ResampleUndefined,
    /// A sum, mean or variance is infinite or not a number.
    NotFinite,
}

impl fmt::Display for UndefinedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUnits => "has no units",
            Self::OneUnit => "has one unit only",
            Self::NoVariance => "has no variance",
            Self::MoreSuccessesThanUnits => "has more successes than units",
            Self::ZeroDenominator => "has a denominator of zero",
            Self::NoRows => "has no rows to take a quantile of",
            Self::TooFewForQuantile => "has too few units for this quantile",
            Self::ResampleUndefined => "has no value on some of its resamples",
            Self::NotFinite => "has a mean or variance that is not finite",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_as_a_clause() {
        assert_eq!(
            Reason::Treatment(UndefinedReason::OneUnit).to_string(),
            "the treatment arm has one unit only"
        );
    }

    #[test]
    fn an_outcome_serialises_as_its_answer_or_its_reason() -> Result<(), serde_json::Error> {
        assert_eq!(serde_json::to_string(&Outcome::Defined(1.5))?, "1.5");
        let undefined = Outcome::<f64>::Undefined(Reason::NoUnits);
        assert_eq!(serde_json::to_string(&undefined)?, r#"{"undefined":"no unit was observed"}"#);
        Ok(())
    }
}
