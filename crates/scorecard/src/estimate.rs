//! Estimates: each treatment against control, by metric and segment.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EffectOutcome, MetricRole};

/// A treatment against control, by one metric in one segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EstimateRow {
    /// The metric.
    pub metric: String,
    /// Its role.
    pub role: MetricRole,
    /// The segment at first exposure, `all` for everyone.
    pub segment: String,
    /// The treatment.
    pub variant: String,
    /// Units in the treatment.
    pub n: u64,
    /// The treatment's mean as observed; for a quantile the quantile, for a ratio the ratio.
    pub mean: Option<f64>,
    /// The variance of one of its units, such that variance / n is that of the mean.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub variance: Option<f64>,
    /// Units in control.
    pub control_n: u64,
    /// Control's mean as observed.
    pub control_mean: Option<f64>,
    /// The variance of one of its units.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub control_variance: Option<f64>,
    /// The treatment's mean less what was known beforehand, where that is taken out: what the effect is the
    /// difference of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub adjusted_mean: Option<f64>,
    /// The same of control.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub control_adjusted_mean: Option<f64>,
    /// The difference of means, in the metric's unit.
    pub absolute: EffectOutcome,
    /// The lift: the difference as a ratio of control's mean.
    pub relative: EffectOutcome,
    /// What it rests on besides its units: clusters, covariates, strata.
    #[serde(flatten, default)]
    pub basis: Basis,
    /// The family that it is judged in, if it is in one: as declared, or its role.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub family: Option<String>,
    /// The effects on the values before they were capped, where the metric has a cap.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub uncapped: Option<Uncapped>,
    /// The shares of units that passed each step, where the metric is a funnel.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub steps: Vec<StepShares>,
    /// Why there is no effect, if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undefined: Option<String>,
    /// The direction of a one-sided test: greater or less.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alternative: Option<String>,
    /// A guardrail's test against its margin.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub non_inferiority: Option<NonInferiority>,
    /// What it means for the metric, by the adjusted p-value where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub conclusion: Option<Conclusion>,
}

impl EstimateRow {
    /// An estimate of which nothing is known but what it is about: no units, and no effect for this reason.
    #[must_use]
    pub fn undefined(metric: &str, role: MetricRole, segment: &str, variant: &str, reason: &str) -> Self {
        Self {
            metric: metric.to_owned(),
            role,
            segment: segment.to_owned(),
            variant: variant.to_owned(),
            n: 0,
            mean: None,
            variance: None,
            control_n: 0,
            control_mean: None,
            control_variance: None,
            adjusted_mean: None,
            control_adjusted_mean: None,
            absolute: EffectOutcome::undefined(reason),
            relative: EffectOutcome::undefined(reason),
            basis: Basis::default(),
            family: None,
            uncapped: None,
            steps: Vec::new(),
            undefined: Some(reason.to_owned()),
            alternative: None,
            non_inferiority: None,
            conclusion: None,
        }
    }
}

/// What an estimate rests on besides its units.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Basis {
    /// The treatment's clusters, where these were randomised.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clusters: Option<u64>,
    /// Control's clusters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub control_clusters: Option<u64>,
    /// The slope on each covariate that was taken out, by its metric.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub cuped_thetas: IndexMap<String, f64>,
    /// The strata that were weighed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub strata: Option<StrataNote>,
    /// `bootstrap` where variances are not by a formula.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub variance_method: Option<String>,
}

/// The strata that an estimate was weighed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StrataNote {
    /// How many were weighed.
    pub weighed: u64,
    /// How many had fewer than two units in an arm, and were put together.
    pub pooled: u64,
}

/// The effects on a metric without its cap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Uncapped {
    /// The treatment's mean.
    pub mean: Option<f64>,
    /// Control's mean.
    pub control_mean: Option<f64>,
    /// The difference of means, in the metric's unit.
    pub absolute: EffectOutcome,
    /// The lift.
    pub relative: EffectOutcome,
}

/// Who passed a step of a funnel and all before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepShares {
    /// Which step, from 1.
    pub step: usize,
    /// The share of the treatment's units.
    pub share: Option<f64>,
    /// The share of control's units.
    pub control_share: Option<f64>,
}

/// What an effect means for a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// It is shown to go the way in which the metric is better.
    Better,
    /// It is shown to go the other way.
    Worse,
    /// Neither is shown.
    Unclear,
}

/// A test of "worse by the margin or more", one-sided at alpha.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NonInferiority {
    /// The loss that is tolerated, at least 0.
    #[serde(default)]
    pub margin: f64,
    /// What the margin and the bound are in: `absolute`, the metric's unit, or `relative`, a share of the
    /// control mean.
    #[serde(default)]
    pub scale: String,
    /// The worst effect that is not ruled out, if there is one.
    pub bound: Option<f64>,
    /// The p-value of "worse by the margin or more".
    pub p: Option<f64>,
    /// Whether such a loss is ruled out.
    pub holds: bool,
    /// Why it is not known, if so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undefined: Option<String>,
}
