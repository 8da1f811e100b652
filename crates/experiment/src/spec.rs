//! An experiment, `experiments/<experiment>.yaml`, as its author wrote it.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tranche_project::Spanned;

/// An experiment: who was exposed to what, and what it did.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tranche experiment")]
pub struct ExperimentSpec {
    /// The edition of this format: 1.
    #[schemars(with = "u32")]
    pub version: Spanned<u32>,
    /// The experiment's name.
    #[schemars(with = "String")]
    pub experiment: Spanned<String>,
    /// What it is meant to show.
    #[serde(default)]
    pub hypothesis: Option<String>,
    /// Anything else worth knowing.
    #[serde(default)]
    pub description: Option<String>,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// What is randomised.
    #[schemars(with = "String")]
    pub entity: Spanned<String>,
    /// The events that say who was exposed to which variant.
    pub exposure: ExposureSpec,
    /// The variants and their planned shares, in any scale.
    #[schemars(with = "BTreeMap<String, f64>")]
    pub variants: Spanned<IndexMap<String, f64>>,
    /// The variant that others are compared with.
    #[schemars(with = "String")]
    pub control: Spanned<String>,
    /// The first instant of exposures that count, and the first that does not any more.
    pub period: PeriodSpec,
    /// How long after its first exposure a unit's facts count, such as `14 days` (default: up to as_of).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub conversion_window: Option<Spanned<String>>,
    /// What is measured.
    pub metrics: MetricsSpec,
    /// Segments to break results down by, as of first exposure: names, `set/label`, `set/*`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub segments: Vec<Spanned<String>>,
    /// How effects are estimated.
    #[serde(default)]
    pub statistics: StatisticsSpec,
}

/// `exposure:` of an experiment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExposureSpec {
    /// The event table.
    #[schemars(with = "String")]
    pub table: Spanned<String>,
    /// Which of its events are exposures, as SQL over the row.
    #[serde(default, rename = "where")]
    #[schemars(with = "Option<String>")]
    pub filter: Option<Spanned<String>>,
    /// The column with the variant.
    #[schemars(with = "String")]
    pub variant: Spanned<String>,
    /// The column with the instant (default: the table's event time).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub at: Option<Spanned<String>>,
}

/// `period:` of an experiment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeriodSpec {
    /// The first instant that counts.
    #[schemars(with = "String")]
    pub from: Spanned<String>,
    /// The first instant that does not.
    #[schemars(with = "String")]
    pub to: Spanned<String>,
}

/// `metrics:` of an experiment.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricsSpec {
    /// What the experiment is decided by.
    #[serde(default)]
    #[schemars(with = "Vec<MetricSchema>")]
    pub goal: Vec<Spanned<MetricChoiceSpec>>,
    /// What helps to understand it.
    #[serde(default)]
    #[schemars(with = "Vec<MetricSchema>")]
    pub secondary: Vec<Spanned<MetricChoiceSpec>>,
    /// What must not get worse by more than a margin.
    #[serde(default)]
    #[schemars(with = "Vec<MetricSchema>")]
    pub guardrail: Vec<Spanned<MetricChoiceSpec>>,
}

/// A metric of an experiment: its name, or `{metric, margin}`.
#[derive(Debug, Clone)]
pub struct MetricChoiceSpec {
    /// The metric.
    pub metric: String,
    /// The loss that a guardrail tolerates, absolute, in the metric's unit.
    pub margin: Option<f64>,
}

/// How an editor sees [`MetricChoiceSpec`].
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its JSON Schema is used")]
enum MetricSchema {
    /// The metric's name.
    Name(String),
    /// The metric with the loss that a guardrail tolerates.
    WithMargin {
        /// The metric's name.
        metric: String,
        /// The loss that is tolerated, absolute, in the metric's unit.
        margin: Option<f64>,
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
                Ok(MetricChoiceSpec { metric: name.to_owned(), margin: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct WithMargin {
                    metric: String,
                    #[serde(default)]
                    margin: Option<f64>,
                }
                let spec = WithMargin::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(MetricChoiceSpec { metric: spec.metric, margin: spec.margin })
            }
        }
        deserializer.deserialize_any(ChoiceVisitor)
    }
}

/// `statistics:` of an experiment.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatisticsSpec {
    /// The chance of a false alarm (default 0.05).
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub alpha: Option<Spanned<f64>>,
    /// fixed (one look) or sequential (any number of looks; default fixed).
    #[serde(default)]
    #[schemars(with = "Option<InferenceSpec>")]
    pub inference: Option<Spanned<InferenceSpec>>,
    /// Sequential: the number of units at which intervals are narrowest (default 5000).
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub tuning: Option<Spanned<f64>>,
    /// Where relative intervals come from (default fieller).
    #[serde(default)]
    pub relative: Option<RelativeSpec>,
    /// Takes out what units did before exposure.
    #[serde(default)]
    pub cuped: Option<CupedSpec>,
    /// How p-values are adjusted over the metrics, variants and segments of one role (default none).
    #[serde(default)]
    pub adjust: Option<AdjustSpec>,
}

/// `inference:` of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InferenceSpec {
    /// One look, at a time fixed beforehand.
    Fixed,
    /// Any number of looks.
    Sequential,
    /// Not available yet.
    GroupSequential,
    /// Not available yet.
    Bayes,
}

/// `relative:` of an experiment.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RelativeSpec {
    /// Never contradicts the absolute interval.
    Fieller,
    /// As other tools do it.
    Delta,
}

/// `cuped:` of an experiment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CupedSpec {
    /// How long before its first exposure a unit's facts are the covariate, such as `28 days`.
    #[schemars(with = "String")]
    pub lookback: Spanned<String>,
}

/// `adjust:` of an experiment.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdjustSpec {
    /// Not at all.
    None,
    /// Family-wise error, any dependence.
    Bonferroni,
    /// Family-wise error, any dependence, never weaker.
    Holm,
    /// Family-wise error under positive dependence.
    Hochberg,
    /// False discovery rate under positive dependence.
    BenjaminiHochberg,
    /// False discovery rate under any dependence.
    BenjaminiYekutieli,
}
