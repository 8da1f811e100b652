//! `prior:` of Bayesian inference, as its author wrote it.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// `prior:` of Bayesian inference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriorSpec {
    /// Of effects.
    pub effect: EffectPriorSpec,
    /// Of the shares that proportions compare, when these are counted exactly.
    pub beta: Option<BetaSpec>,
}

/// The prior of effects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EffectPriorSpec {
    /// Every effect alike.
    Flat,
    /// Normal, on the lift.
    Relative(NormalSpec),
    /// Normal, on the difference in the metric's unit.
    Absolute(NormalSpec),
}

/// A normal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NormalSpec {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation, more than 0.
    pub sd: f64,
}

/// A beta distribution.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BetaSpec {
    /// The pseudo-count of successes, more than 0.
    pub alpha: f64,
    /// The pseudo-count of failures, more than 0.
    pub beta: f64,
}

/// How an editor sees [`PriorSpec`].
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its JSON Schema is used")]
pub(super) enum PriorSchema {
    /// Every effect alike.
    Flat(FlatSchema),
    /// By scale.
    Of(PriorKeys),
}

/// The word for a prior that is the same everywhere.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its JSON Schema is used")]
pub(super) enum FlatSchema {
    /// Every effect alike.
    Flat,
}

/// `relative` or `absolute`, and `beta`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PriorKeys {
    /// Normal, on the lift.
    #[serde(default)]
    relative: Option<NormalSpec>,
    /// Normal, on the difference in the metric's unit.
    #[serde(default)]
    absolute: Option<NormalSpec>,
    /// Beta, on each arm's share: proportions are counted exactly, and other metrics have the other prior, or
    /// a flat one.
    #[serde(default)]
    beta: Option<BetaSpec>,
}

impl<'de> Deserialize<'de> for PriorSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PriorVisitor;
        impl<'de> Visitor<'de> for PriorVisitor {
            type Value = PriorSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`flat`, {relative: {mean, sd}}, {absolute: {mean, sd}} or {beta: {alpha, beta}}")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                match name {
                    "flat" => Ok(PriorSpec { effect: EffectPriorSpec::Flat, beta: None }),
                    other => Err(E::unknown_variant(other, &["flat", "relative", "absolute", "beta"])),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let keys = PriorKeys::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                let effect = match (keys.relative, keys.absolute) {
                    (Some(_), Some(_)) => {
                        return Err(A::Error::custom("a prior is `relative` or `absolute`; leave one out"));
                    }
                    (Some(normal), None) => EffectPriorSpec::Relative(normal),
                    (None, Some(normal)) => EffectPriorSpec::Absolute(normal),
                    (None, None) if keys.beta.is_none() => {
                        return Err(A::Error::custom(
                            "an empty prior; write `flat`, `relative`, `absolute` or `beta`",
                        ));
                    }
                    (None, None) => EffectPriorSpec::Flat,
                };
                Ok(PriorSpec { effect, beta: keys.beta })
            }
        }
        deserializer.deserialize_any(PriorVisitor)
    }
}
