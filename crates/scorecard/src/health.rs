//! Whether the data of an experiment can be trusted.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether units were split as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SampleRatioCheck {
    /// The chi-squared statistic, if there were units.
    pub chi_squared: Option<f64>,
    /// How probable such a split is if all is well.
    pub p: Option<f64>,
    /// The unit of the counts: `units`, or `clusters` where these were randomised.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VariantCount {
    /// The variant.
    pub variant: String,
    /// Units in it.
    pub count: u64,
    /// Units that were planned.
    pub expected: f64,
}

/// What follows when a check fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The result is not to be believed.
    #[default]
    Gate,
    /// The result stands; its readers should know.
    Warning,
}

/// A check of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthCheck {
    /// `sample_ratio`, `sequential_sample_ratio`, `daily_sample_ratio`, `several_variants`, `mixed_clusters`,
    /// `pre_period`, `traffic` or `outliers`.
    pub check: String,
    /// What follows when it fails; in older results every check is a gate.
    #[serde(default)]
    pub severity: Severity,
    /// The segment at first exposure that was looked at, `all` for everyone.
    pub segment: String,
    /// The metric before exposure that was looked at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metric: Option<String>,
    /// The treatment that was held against control.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub variant: Option<String>,
    /// How probable such data are if all is well, where that can be said.
    pub p: Option<f64>,
    /// Below which p it fails: already divided by the number of like checks.
    pub threshold: Option<f64>,
    /// Whether it passes.
    pub ok: bool,
    /// The finding, in words.
    pub finding: String,
    /// What to do about it; empty when it passes.
    pub advice: String,
}

impl HealthCheck {
    /// A gate about a segment, without a p-value. `advice` is for when it fails.
    #[must_use]
    pub fn gate(check: &str, segment: &str, ok: bool, finding: String, advice: &str) -> Self {
        Self {
            check: check.to_owned(),
            severity: Severity::Gate,
            segment: segment.to_owned(),
            metric: None,
            variant: None,
            p: None,
            threshold: None,
            ok,
            finding,
            advice: if ok { String::new() } else { advice.to_owned() },
        }
    }

    /// Whether it makes the result untrustworthy.
    #[must_use]
    pub fn bars(&self) -> bool {
        !self.ok && self.severity == Severity::Gate
    }
}

/// The units of a variant that were first exposed on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficRow {
    /// The day, in the project's time zone.
    #[schemars(with = "String")]
    pub day: Date,
    /// The variant.
    pub variant: String,
    /// Its units.
    pub units: u64,
}
