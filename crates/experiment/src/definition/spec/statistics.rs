//! `statistics:` of an experiment, as its author wrote it.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tranche_project::Spanned;

use super::prior::PriorSchema;
use super::variance::VarianceSchema;
use super::{AdjustSpec, FamilySpec, NumberOrText, PriorSpec, VarianceSpec};

/// `statistics:` of an experiment.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatisticsSpec {
    /// The chance of a false alarm (default 0.05).
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub alpha: Option<Spanned<f64>>,
    /// How often the result may be looked at, and what an interval means (default fixed).
    #[serde(default)]
    #[schemars(with = "Option<InferenceSpec>")]
    pub inference: Option<Spanned<InferenceSpec>>,
    /// Sequential: the number of units at which intervals are narrowest (default 5000).
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub tuning: Option<Spanned<f64>>,
    /// Mixture: the standard deviation of plausible effects, in the metric's unit; one number, or one for
    /// each metric.
    #[serde(default)]
    #[schemars(with = "Option<ScaleSchema>")]
    pub scale: Option<Spanned<ScaleSpec>>,
    /// Group-sequential: the planned looks, as rising shares of `planned_units`, the last 1, or as rising
    /// instants.
    #[serde(default)]
    #[schemars(with = "Option<Vec<NumberOrText>>")]
    pub looks: Option<Spanned<Vec<Spanned<NumberOrText>>>>,
    /// Group-sequential: the units, all variants together, that are planned for the last look.
    #[serde(default)]
    #[schemars(with = "Option<u64>")]
    pub planned_units: Option<Spanned<u64>>,
    /// Group-sequential: how much of alpha may be spent by when (default `obrien_fleming`).
    #[serde(default)]
    #[schemars(with = "Option<SpendingSpec>")]
    pub spending: Option<Spanned<SpendingSpec>>,
    /// Bayes: the prior of effects.
    #[serde(default)]
    #[schemars(with = "Option<PriorSchema>")]
    pub prior: Option<Spanned<PriorSpec>>,
    /// The direction of tests (default `two_sided`).
    #[serde(default)]
    #[schemars(with = "Option<AlternativeSpec>")]
    pub alternative: Option<Spanned<AlternativeSpec>>,
    /// Where relative intervals come from (default fieller).
    #[serde(default)]
    pub relative: Option<RelativeSpec>,
    /// Reduces variance by the behaviour of units before exposure.
    #[serde(default)]
    pub cuped: Option<CupedSpec>,
    /// Segments and sets that units are weighed by, as they were at first exposure: names, `set/*`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub strata: Vec<Spanned<String>>,
    /// Where the variances of estimates come from (default analytic).
    #[serde(default)]
    #[schemars(with = "Option<VarianceSchema>")]
    pub variance: Option<Spanned<VarianceSpec>>,
    /// How p-values are adjusted over the metrics, variants and segments of one role, those of `families`
    /// left out (default none).
    #[serde(default)]
    #[schemars(with = "Option<AdjustSpec>")]
    pub adjust: Option<Spanned<AdjustSpec>>,
    /// Families of comparisons that are judged together, by name; a comparison is in one of them at most.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, FamilySpec>")]
    pub families: IndexMap<String, Spanned<FamilySpec>>,
}

/// `inference:` of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InferenceSpec {
    /// One look, at a time fixed beforehand.
    Fixed,
    /// Any number of looks: a confidence sequence, tuned to a number of units.
    Sequential,
    /// Any number of looks: a mixture sequential probability ratio test, tuned to a size of effects.
    Mixture,
    /// A few planned looks that share one alpha.
    GroupSequential,
    /// The posterior of an effect, given a prior.
    Bayes,
}

/// `scale:` of a mixture: one number, or one for each metric.
#[derive(Debug, Clone, PartialEq)]
pub enum ScaleSpec {
    /// For every metric.
    One(f64),
    /// By metric.
    Each(IndexMap<String, f64>),
}

/// How an editor sees [`ScaleSpec`].
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its JSON Schema is used")]
enum ScaleSchema {
    /// For every metric.
    One(f64),
    /// By metric.
    Each(BTreeMap<String, f64>),
}

#[expect(clippy::cast_precision_loss, reason = "numbers that a person writes")]
impl<'de> Deserialize<'de> for ScaleSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScaleVisitor;
        impl<'de> Visitor<'de> for ScaleVisitor {
            type Value = ScaleSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or {metric: number} for every metric")
            }

            fn visit_f64<E>(self, scale: f64) -> Result<Self::Value, E> {
                Ok(ScaleSpec::One(scale))
            }

            fn visit_u64<E>(self, scale: u64) -> Result<Self::Value, E> {
                Ok(ScaleSpec::One(scale as f64))
            }

            fn visit_i64<E>(self, scale: i64) -> Result<Self::Value, E> {
                Ok(ScaleSpec::One(scale as f64))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                IndexMap::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(ScaleSpec::Each)
            }
        }
        deserializer.deserialize_any(ScaleVisitor)
    }
}

/// `spending:` of group-sequential looks.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpendingSpec {
    /// Hard to cross early.
    ObrienFleming,
    /// About even.
    Pocock,
    /// alpha t^rho: 1 spends evenly, 3 is close to O'Brien and Fleming.
    Power(f64),
}

/// `alternative:` of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlternativeSpec {
    /// The variants differ.
    TwoSided,
    /// The treatment is better, in the metric's direction.
    Better,
    /// The treatment's mean is greater.
    Greater,
    /// The treatment's mean is less.
    Less,
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
    /// The metrics that are covariates of every metric (default each metric is its own).
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub covariates: Vec<Spanned<String>>,
}
