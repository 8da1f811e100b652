//! What an experiment showed: the JSON of `experiment show`, and what reports read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arms::Basis;
use crate::decision::Decision;
use crate::heterogeneity::HeterogeneityRow;
use crate::method::MethodNote;
use crate::outliers::OutlierRow;
use crate::plan::Registration;
use crate::series::Series;
use crate::traffic::TrafficRow;
use crate::trust::TrustCheck;

/// What an experiment showed at one `as_of`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentResult {
    /// The experiment.
    pub experiment: String,
    /// The instant that the result is true for.
    pub as_of: Timestamp,
    /// What it is meant to show.
    pub hypothesis: Option<String>,
    /// The variant that others are compared with.
    pub control: String,
    /// The days of exposures that count: from, to (exclusive), and a label.
    pub period: Value,
    /// What intervals cover, such as 0.95.
    pub confidence: f64,
    /// The inference by name: fixed, sequential, mixture, group_sequential or bayes.
    pub inference: String,
    /// The inference with its formula, its parameters, and the look that was taken.
    #[serde(default)]
    pub method: MethodNote,
    /// How p-values were adjusted.
    pub adjust: String,
    /// Whether units were split as planned.
    pub srm: SampleRatioCheck,
    /// How each metric is to be read.
    pub metrics: Vec<Value>,
    /// Effects by metric, segment and variant.
    pub estimates: Vec<EstimateRow>,
    /// Whether effects differ between the segments of a set, and between a segment and everyone else.
    #[serde(default)]
    pub heterogeneity: Vec<HeterogeneityRow>,
    /// Every check of the data, and what to do about one that failed.
    #[serde(default)]
    pub checks: Vec<TrustCheck>,
    /// Units first exposed by day and variant, with zeros.
    #[serde(default)]
    pub traffic: Vec<TrafficRow>,
    /// How much of each effect is the work of a few units.
    #[serde(default)]
    pub outliers: Vec<OutlierRow>,
    /// Every estimate for everyone, day by day.
    #[serde(default)]
    pub series: Series,
    /// Whether all checks of the data passed that are gates.
    pub trustworthy: bool,
    /// What was planned when the first exposure was seen, and what was changed since.
    #[serde(default)]
    pub plan: Option<Registration>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// What follows from it.
    pub decision: Decision,
}

/// Whether units were split as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleRatioCheck {
    /// The chi-squared statistic, if there were units.
    pub chi_squared: Option<f64>,
    /// How probable such a split is if all is well.
    pub p: Option<f64>,
    /// What was counted: `units`, or `clusters` where these were randomised.
    #[serde(default = "units")]
    pub counted: String,
    /// Units, or clusters, per variant.
    pub observed: Vec<VariantCount>,
    /// Whether the split passes.
    pub ok: bool,
    /// The p-value that holds however often the split is looked at; absent in older results.
    #[serde(default)]
    pub sequential_p: Option<f64>,
}

fn units() -> String {
    "units".to_owned()
}

/// Units of a variant, or clusters where these were randomised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantCount {
    /// The variant.
    pub variant: String,
    /// Units in it.
    pub count: u64,
    /// Units that were planned.
    pub expected: f64,
}

/// The part a metric plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricRole {
    /// What the experiment is decided by.
    Goal,
    /// What helps to understand it.
    Secondary,
    /// What must not get worse.
    Guardrail,
}

impl MetricRole {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Goal => "goal",
            Self::Secondary => "secondary",
            Self::Guardrail => "guardrail",
        }
    }
}

/// A treatment against control, by one metric in one segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The treatment's mean less what was known beforehand, where that is taken out: what the effect is the difference of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub adjusted_mean: Option<f64>,
    /// The same of control.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub control_adjusted_mean: Option<f64>,
    /// The difference: effect, se, ci and p, with `p_adjusted` where an adjustment is asked for.
    pub absolute: Value,
    /// The lift: the same.
    pub relative: Value,
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

/// An effect with its interval and p-value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The effect.
    pub effect: f64,
    /// Its standard error; none where it has none.
    pub se: Option<f64>,
    /// Its interval; an end without bound is null.
    pub ci: [Option<f64>; 2],
    /// Its p-value, not adjusted.
    pub p: Option<f64>,
}

impl Effect {
    /// The numbers of the absolute or relative effect of an estimate, if it has one.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let number = |name: &str| EstimateRow::number(value, name);
        Some(Self {
            effect: number("effect")?,
            se: number("se"),
            ci: [number("lower"), number("upper")],
            p: number("p"),
        })
    }

    /// One of its numbers: `effect`, `se`, `lower`, `upper` or `p`.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        match name {
            "effect" => Some(self.effect),
            "se" => self.se,
            "lower" => self.ci[0],
            "upper" => self.ci[1],
            _ => self.p,
        }
    }
}

/// The effects on a metric without its cap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uncapped {
    /// The treatment's mean.
    pub mean: Option<f64>,
    /// Control's mean.
    pub control_mean: Option<f64>,
    /// The difference: effect, se, ci and p.
    pub absolute: Value,
    /// The lift: the same.
    pub relative: Value,
}

/// Who passed a step of a funnel and all before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepShares {
    /// Which step, from 1.
    pub step: usize,
    /// The share of the treatment's units.
    pub share: Option<f64>,
    /// The share of control's units.
    pub control_share: Option<f64>,
}

/// What an effect means for a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NonInferiority {
    /// The loss that is tolerated, at least 0.
    pub margin: f64,
    /// What the margin and the bound are in: `absolute`, the metric's unit, or `relative`, a share of the control mean.
    pub scale: String,
    /// The worst effect that is not ruled out, if there is one.
    pub bound: Option<f64>,
    /// The p-value of "worse by the margin or more".
    pub p: Option<f64>,
    /// Whether such a loss is ruled out.
    pub holds: bool,
    /// Why it cannot be told, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undefined: Option<String>,
}

impl EstimateRow {
    /// A number of the absolute or relative effect: `effect`, `se`, `p`, or an end of `ci`.
    #[must_use]
    pub fn number(effect: &Value, name: &str) -> Option<f64> {
        match name {
            "lower" => effect.get("ci")?.get(0)?.as_f64(),
            "upper" => effect.get("ci")?.get(1)?.as_f64(),
            other => effect.get(other)?.as_f64(),
        }
    }
}
