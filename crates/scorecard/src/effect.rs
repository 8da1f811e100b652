//! Effects: how much, how sure, or why neither can be said.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::ser::Error;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// An effect of a treatment in one scale, with its interval and p-value.
///
/// A posterior has `chance_to_win` and the expected losses too; its `p` is twice the chance of the less
/// probable sign.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// The effect: absolute in the metric's unit, relative as a ratio of control's mean.
    pub effect: f64,
    /// Its standard error; none where it has none.
    pub se: Option<f64>,
    /// The values that are not excluded.
    pub ci: Interval,
    /// Its p-value, not adjusted.
    pub p: Option<f64>,
    /// The p-value adjusted over its family, where an adjustment is declared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p_adjusted: Option<f64>,
    /// The interval that keeps the family's error rate, where the adjustment has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ci_adjusted: Option<Interval>,
    /// The chance that the treatment is better.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chance_to_win: Option<f64>,
    /// The expected loss of moving to the treatment, in the effect's scale.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub risk: Option<f64>,
    /// The expected loss of staying with control, in the effect's scale.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub risk_control: Option<f64>,
    /// The values that are excluded by an interval without bounds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gap: Option<Interval>,
    /// Why the interval has no bounds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unbounded: Option<String>,
}

/// An effect, or the reason why there is none.
///
/// Serialises as the effect's own fields in alphabetical order, or as `{"undefined": "<reason>"}`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EffectOutcome {
    /// The effect.
    Effect(Effect),
    /// There is none.
    Undefined {
        /// Why not, as a clause.
        #[serde(default)]
        undefined: String,
    },
}

/// Two bounds, written `[low, high]`; a side without a bound is `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval(Option<f64>, Option<f64>);

impl Effect {
    /// An effect of which nothing else is known.
    #[must_use]
    pub fn of(effect: f64) -> Self {
        Self { effect, ..Self::default() }
    }

    /// The effect, its standard error, its interval and its p-value, without what only some methods have.
    #[must_use]
    pub fn plain(&self) -> Self {
        Self { effect: self.effect, se: self.se, ci: self.ci, p: self.p, ..Self::default() }
    }
}

impl EffectOutcome {
    /// No effect, for this reason.
    #[must_use]
    pub fn undefined(reason: impl Into<String>) -> Self {
        Self::Undefined { undefined: reason.into() }
    }

    /// The effect, if there is one.
    #[must_use]
    pub fn effect(&self) -> Option<&Effect> {
        match self {
            Self::Effect(effect) => Some(effect),
            Self::Undefined { .. } => None,
        }
    }

    /// The effect, if there is one, to be judged further.
    pub fn effect_mut(&mut self) -> Option<&mut Effect> {
        match self {
            Self::Effect(effect) => Some(effect),
            Self::Undefined { .. } => None,
        }
    }

    /// Why there is no effect, if there is none.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Effect(_) => None,
            Self::Undefined { undefined } => Some(undefined),
        }
    }
}

impl Serialize for EffectOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields: BTreeMap<String, Value> = match self {
            Self::Undefined { undefined } => {
                [("undefined".to_owned(), Value::from(undefined.as_str()))].into()
            }
            Self::Effect(effect) => match serde_json::to_value(effect).map_err(S::Error::custom)? {
                Value::Object(fields) => fields.into_iter().collect(),
                other => return other.serialize(serializer),
            },
        };
        fields.serialize(serializer)
    }
}

impl Interval {
    /// From `low` to `high`; a bound that is not finite is no bound.
    #[must_use]
    pub fn new(low: f64, high: f64) -> Self {
        Self(Some(low).filter(|bound| bound.is_finite()), Some(high).filter(|bound| bound.is_finite()))
    }

    /// From `low` to `high`, each where there is one.
    #[must_use]
    pub fn between(low: Option<f64>, high: Option<f64>) -> Self {
        Self(low, high)
    }

    /// The lower bound, if there is one.
    #[must_use]
    pub fn low(&self) -> Option<f64> {
        self.0
    }

    /// The upper bound, if there is one.
    #[must_use]
    pub fn high(&self) -> Option<f64> {
        self.1
    }

    /// Both bounds, if there are two.
    #[must_use]
    pub fn bounds(&self) -> Option<(f64, f64)> {
        self.0.zip(self.1)
    }

    /// Whether `value` lies within, bounds included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.0.is_none_or(|low| low <= value) && self.1.is_none_or(|high| value <= high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(outcome: &EffectOutcome) -> String {
        let text = serde_json::to_string(outcome).unwrap();
        assert_eq!(serde_json::from_str::<EffectOutcome>(&text).unwrap(), *outcome, "reads back: {text}");
        text
    }

    #[test]
    fn an_effect_is_written_with_what_it_has() {
        let plain = Effect {
            se: Some(0.5),
            ci: Interval::new(-1.0, f64::INFINITY),
            p: Some(0.04),
            ..Effect::of(1.0)
        };
        assert_eq!(
            written(&EffectOutcome::Effect(plain.clone())),
            r#"{"ci":[-1.0,null],"effect":1.0,"p":0.04,"se":0.5}"#
        );
        assert_eq!(
            serde_json::to_string(&plain).unwrap(),
            r#"{"effect":1.0,"se":0.5,"ci":[-1.0,null],"p":0.04}"#
        );
        let judged = Effect {
            p_adjusted: Some(0.08),
            ci_adjusted: Some(Interval::new(-2.0, 4.0)),
            chance_to_win: Some(0.9),
            risk: Some(0.1),
            risk_control: Some(0.2),
            gap: Some(Interval::new(0.0, 1.0)),
            unbounded: Some("the control mean may be zero".to_owned()),
            ..plain.clone()
        };
        assert_eq!(
            written(&EffectOutcome::Effect(judged.clone())),
            concat!(
                r#"{"chance_to_win":0.9,"ci":[-1.0,null],"ci_adjusted":[-2.0,4.0],"effect":1.0,"gap":[0.0,1.0],"p":0.04,"#,
                r#""p_adjusted":0.08,"risk":0.1,"risk_control":0.2,"se":0.5,"unbounded":"the control mean may be zero"}"#
            )
        );
        assert_eq!(judged.plain(), plain);
        let none = EffectOutcome::undefined("the control arm has no units");
        assert_eq!(written(&none), r#"{"undefined":"the control arm has no units"}"#);
        assert_eq!((none.effect(), none.reason()), (None, Some("the control arm has no units")));
    }

    #[test]
    fn a_side_without_a_bound_excludes_nothing() {
        let at_most = Interval::new(f64::NEG_INFINITY, 3.0);
        assert!(at_most.contains(-1e300) && at_most.contains(3.0) && !at_most.contains(3.1));
        assert_eq!((at_most.low(), at_most.high(), at_most.bounds()), (None, Some(3.0), None));
    }
}
