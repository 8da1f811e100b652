//! An experiment as a report shows it.

use serde::{Deserialize, Serialize};

use super::{Direction, Interval, Span, ValueKind};

/// What an experiment showed up to `as_of`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentSummary {
    pub experiment: String,
    /// What it set out to show.
    pub hypothesis: Option<String>,
    /// The variant that others are compared with.
    pub control: String,
    pub period: Option<Span>,
    /// Coverage of its intervals: 0.95.
    pub confidence: Option<f64>,
    /// Whether units were split as planned.
    pub srm: Option<Srm>,
    /// How its metrics are to be read; one that is missing here is looked up among the KPIs.
    pub metrics: Vec<ExperimentMetric>,
    /// Effects per metric, segment and variant, in the order to be shown.
    pub estimates: Vec<EstimateSummary>,
    /// The inference, named with its formula and the look that was taken.
    #[serde(default)]
    pub method: Option<MethodSummary>,
    /// Whether effects differ between segments.
    #[serde(default)]
    pub heterogeneity: Vec<HeterogeneitySummary>,
    /// Every check of its data.
    #[serde(default)]
    pub checks: Vec<CheckSummary>,
    /// Units first exposed, by day and variant.
    #[serde(default)]
    pub traffic: Vec<DailyUnits>,
    /// Effects for everyone, day by day.
    #[serde(default)]
    pub series: Option<SeriesSummary>,
    /// What was planned, and changed since.
    #[serde(default)]
    pub plan: Option<PlanSummary>,
    /// What follows from it.
    #[serde(default)]
    pub decision: Option<DecisionSummary>,
    /// Whether all checks of its data passed, but for warnings.
    pub trustworthy: bool,
    /// What a reader must know, above all why it is not trustworthy.
    pub notes: Vec<String>,
}

/// The test for a sample ratio mismatch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Srm {
    /// How probable the split is if all is well.
    pub p: Option<f64>,
    /// Units per variant.
    pub observed: Vec<VariantCount>,
    /// Whether the split is as planned.
    pub ok: bool,
}

/// Units of a variant, counted and expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantCount {
    pub variant: String,
    pub count: u64,
    pub expected: f64,
}

/// How a metric of an experiment is to be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentMetric {
    pub metric: String,
    pub description: Option<String>,
    pub unit: Option<String>,
    pub direction: Direction,
    pub kind: ValueKind,
    /// The loss a guardrail tolerates: absolute, in the metric's unit, not negative.
    pub margin: Option<f64>,
    /// The same as a share of control's mean, where it was given so.
    #[serde(default)]
    pub margin_ratio: Option<f64>,
}

/// The part a metric plays in an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricRole {
    /// What the experiment is decided by.
    Goal,
    /// What helps to understand it.
    Secondary,
    /// What must not get worse.
    Guardrail,
}

/// A variant against control, by one metric in one segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EstimateSummary {
    pub metric: String,
    pub role: MetricRole,
    /// The segment at first exposure, or `all`.
    pub segment: String,
    pub variant: String,
    pub n: u64,
    pub mean: Option<f64>,
    pub control_n: u64,
    pub control_mean: Option<f64>,
    /// The difference of means, in the metric's unit.
    pub absolute: Option<Effect>,
    /// The difference as a ratio of control's mean.
    pub relative: Option<Effect>,
    /// Why there is no effect, if there is none.
    pub undefined: Option<String>,
    /// A guardrail's test against its margin.
    #[serde(default)]
    pub non_inferiority: Option<NonInferioritySummary>,
}

/// A guardrail's test against its margin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NonInferioritySummary {
    /// The worst effect that is not ruled out, in the margin's scale.
    #[serde(default)]
    pub bound: Option<f64>,
    pub p: Option<f64>,
    /// Whether a loss beyond the margin is ruled out.
    pub holds: bool,
}

/// The inference of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodSummary {
    /// Its name; empty in results that do not say.
    pub inference: String,
    pub formula: String,
    /// Group-sequential: the look that was taken.
    #[serde(default)]
    pub look: Option<LookSummary>,
}

/// A look of a group-sequential plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookSummary {
    /// Which one, from 1.
    pub number: usize,
    pub planned: usize,
    /// The alpha spent up to and with it.
    pub spent: f64,
}

/// Whether the effect on a metric differs between the segments of a set, or between a segment and everyone else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeterogeneitySummary {
    pub set: String,
    pub metric: String,
    pub variant: String,
    /// Cochran's Q.
    pub q: f64,
    /// How probable such a Q is if the effect is the same everywhere.
    pub p: f64,
    /// The same, adjusted for many such tests.
    #[serde(default)]
    pub p_adjusted: Option<f64>,
    /// The effect in each group.
    #[serde(default)]
    pub segments: Vec<PooledEffect>,
}

/// The effect in one group, absolute, as it is and partially pooled (empirical Bayes).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PooledEffect {
    pub segment: String,
    pub effect: f64,
    pub se: f64,
    /// Drawn towards the effect of all groups by as much as they do not differ.
    pub pooled_effect: f64,
    pub pooled_se: f64,
}

/// The units of a variant that were first exposed on a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DailyUnits {
    /// ISO date, in the project's time zone.
    pub day: String,
    pub variant: String,
    pub units: u64,
}

/// Effects for everyone, day by day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesSummary {
    pub inference: String,
    /// Whether all intervals of a line hold at once.
    pub valid_at_every_day: bool,
    /// How its intervals are to be read.
    pub note: String,
    pub points: Vec<SeriesPoint>,
}

/// Which units a point of a series is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesSpan {
    /// Those first exposed on the day.
    Daily,
    /// Those first exposed on the day or before.
    Cumulative,
}

/// A variant against control, by one metric, on one day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    pub metric: String,
    pub role: MetricRole,
    pub variant: String,
    /// ISO date, in the project's time zone.
    pub day: String,
    pub span: SeriesSpan,
    pub n: u64,
    pub control_n: u64,
    /// The difference of means, in the metric's unit.
    pub absolute: Option<Effect>,
}

/// What was planned when the first exposure was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// BLAKE3, in hexadecimal digits.
    pub hash: String,
    /// RFC 3339.
    pub registered_at: String,
    pub amendments: Vec<AmendmentSummary>,
}

/// A change of the plan after the first exposure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AmendmentSummary {
    /// The `as_of` that saw it first, RFC 3339.
    pub as_of: String,
    /// `part: before -> after`.
    pub changes: Vec<String>,
}

/// A check of an experiment's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckSummary {
    pub check: String,
    /// The segment that was looked at, or `all`.
    pub segment: String,
    pub ok: bool,
    /// Whether it makes the result untrustworthy when it fails, or is a warning.
    #[serde(default)]
    pub severity: Severity,
    /// What was found, in words.
    pub finding: String,
    /// What to do about it; empty when it passes.
    pub advice: String,
}

/// What follows when a check fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The result is not to be believed.
    #[default]
    Gate,
    /// The result stands; whoever reads it should know.
    Warning,
}

/// What follows from an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionSummary {
    /// `ship`, `stop`, `continue`, `investigate` or `undecided`.
    pub action: String,
    pub reasons: Vec<String>,
    /// The same for each treatment, where there is a rule.
    #[serde(default)]
    pub variants: Vec<VariantDecision>,
}

/// What follows for one treatment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantDecision {
    pub variant: String,
    pub action: String,
    pub reasons: Vec<String>,
}

/// An effect and how sure it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    pub effect: Option<f64>,
    pub se: Option<f64>,
    pub ci: Option<Interval>,
    pub p: Option<f64>,
    /// Bayesian: the chance that the variant is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance_to_win: Option<f64>,
    /// Bayesian: what is lost on average by moving to the variant, in the effect's scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<f64>,
}
