//! How much of an effect is the work of a few units.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Conclusion, Effect, MetricRole};

/// What a few units do to the effect of a treatment on a metric, everyone taken together. Nothing here is
/// adjusted for many tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutlierRow {
    /// The metric; of a ratio, its numerator is looked at.
    pub metric: String,
    /// Its role.
    pub role: MetricRole,
    /// The treatment.
    pub variant: String,
    /// How the total is spread over units: in control, then in the treatment.
    pub arms: Vec<Concentration>,
    /// The variant that the unit with the largest value of both arms is in.
    pub largest_in: String,
    /// The 99.9 % quantile of both arms; absent for ratios, and where it is not above 0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cap: Option<f64>,
    /// The effect as it is.
    pub as_is: Refit,
    /// The effect without the largest unit.
    pub without_largest: Refit,
    /// The effect with larger values counted as the quantile, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capped: Option<Refit>,
}

/// How the total of an arm is spread over its units; of negative values their size counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Concentration {
    /// The variant.
    pub variant: String,
    /// Its units.
    pub n: u64,
    /// The sum of the sizes of all values.
    pub total: f64,
    /// The value that is largest in size.
    pub largest: f64,
    /// Its share of the total, 0 of nothing.
    pub largest_share: f64,
    /// How many units the largest 0.1 % are, rounded up.
    pub top_units: u64,
    /// Their share of the total.
    pub top_share: f64,
}

/// An effect from values that were changed or left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Refit {
    /// The difference of means; none where it is undefined.
    pub absolute: Option<Effect>,
    /// What it means for the metric.
    pub conclusion: Option<Conclusion>,
}
