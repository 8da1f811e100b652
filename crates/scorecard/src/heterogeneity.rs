//! Whether an effect differs between segments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::MetricRole;

/// Whether the effect on a metric differs between groups of units: the segments of a set, or a segment and
/// the rest. One look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeterogeneityRow {
    /// The set, `lifecycle/*`, or the segment.
    pub set: String,
    /// The metric.
    pub metric: String,
    /// Its role.
    #[serde(default)]
    pub role: MetricRole,
    /// The treatment.
    pub variant: String,
    /// Cochran's Q.
    pub q: f64,
    /// Groups less one.
    #[serde(default)]
    pub degrees_of_freedom: u64,
    /// How probable such a Q is if the effect is the same in all groups.
    pub p: f64,
    /// The same, adjusted over all such tests of the role, where an adjustment is asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p_adjusted: Option<f64>,
    /// The share of the spread that chance does not explain.
    #[serde(default)]
    pub i_squared: f64,
    /// The variance of the true effects between groups, by `DerSimonian` and Laird.
    #[serde(default)]
    pub tau_squared: f64,
    /// Each group whose effect can be computed.
    pub segments: Vec<SegmentContrast>,
}

/// The effect in one group of units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SegmentContrast {
    /// The segment; `(rest)` for everyone who is not in it.
    pub segment: String,
    /// The effect, absolute.
    pub effect: f64,
    /// Its standard error.
    pub se: f64,
    /// The effect less that in all other groups.
    #[serde(default)]
    pub difference: f64,
    /// The standard error of the difference.
    #[serde(default)]
    pub difference_se: f64,
    /// The p-value of "no difference".
    #[serde(default)]
    pub p: f64,
    /// The effect drawn towards the others by as much as they do not differ (partially pooled, empirical
    /// Bayes).
    pub pooled_effect: f64,
    /// Its standard error.
    pub pooled_se: f64,
}
