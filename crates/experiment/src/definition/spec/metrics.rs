//! `metrics:` of an experiment, as its author wrote it.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tranche_project::Spanned;

use super::variance::VarianceSchema;
use super::{AlternativeSpec, NumberOrText, VarianceSpec};

/// `metrics:` of an experiment.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricsSpec {
    /// The metrics that decide the experiment.
    #[serde(default)]
    #[schemars(with = "Vec<MetricSchema>")]
    pub goal: Vec<Spanned<MetricChoiceSpec>>,
    /// Metrics that help to understand the result.
    #[serde(default)]
    #[schemars(with = "Vec<MetricSchema>")]
    pub secondary: Vec<Spanned<MetricChoiceSpec>>,
    /// Metrics that must not get worse by more than a margin.
    #[serde(default)]
    #[schemars(with = "Vec<MetricSchema>")]
    pub guardrail: Vec<Spanned<MetricChoiceSpec>>,
}

/// A metric of an experiment: its name, or `{metric, margin, alternative, variance}`.
#[derive(Debug, Clone)]
pub struct MetricChoiceSpec {
    /// The metric.
    pub metric: String,
    /// The loss that a guardrail tolerates: absolute, in the metric's unit, or a share of the control mean
    /// such as `2%`.
    pub margin: Option<NumberOrText>,
    /// The direction of the test, when not that of `statistics`.
    pub alternative: Option<AlternativeSpec>,
    /// Where its variance comes from, when not as `statistics` says.
    pub variance: Option<VarianceSpec>,
}

/// How an editor sees [`MetricChoiceSpec`].
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its JSON Schema is used")]
enum MetricSchema {
    /// The metric's name.
    Name(String),
    /// The metric with how it is tested.
    Tested {
        /// The metric's name.
        metric: String,
        /// A guardrail's loss that is tolerated: absolute, in the metric's unit, or a share of the control
        /// mean such as `2%`.
        margin: Option<NumberOrText>,
        /// The direction of the test, when not that of `statistics`.
        alternative: Option<AlternativeSpec>,
        /// Where its variance comes from, when not as `statistics` says.
        variance: Option<VarianceSchema>,
    },
}

impl<'de> Deserialize<'de> for MetricChoiceSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoiceVisitor;
        impl<'de> Visitor<'de> for ChoiceVisitor {
            type Value = MetricChoiceSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a metric's name, or {metric: name, margin: number}")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(MetricChoiceSpec {
                    metric: name.to_owned(),
                    margin: None,
                    alternative: None,
                    variance: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Tested {
                    metric: String,
                    #[serde(default)]
                    margin: Option<NumberOrText>,
                    #[serde(default)]
                    alternative: Option<AlternativeSpec>,
                    #[serde(default)]
                    variance: Option<VarianceSpec>,
                }
                let Tested { metric, margin, alternative, variance } =
                    Tested::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(MetricChoiceSpec { metric, margin, alternative, variance })
            }
        }
        deserializer.deserialize_any(ChoiceVisitor)
    }
}
