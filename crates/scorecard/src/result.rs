//! The whole result of an experiment.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Decision, EstimateRow, HealthCheck, HeterogeneityRow, MethodNote, MetricNote, OutlierRow,
    Preregistration, SampleRatioCheck, Series, TrafficRow,
};

/// What an experiment showed at one `as_of`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentResult {
    /// The experiment.
    pub experiment: String,
    /// The instant that the result is true for.
    #[serde(default)]
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// What it is meant to show.
    pub hypothesis: Option<String>,
    /// The variant that others are compared with.
    pub control: String,
    /// The exposures that count.
    #[serde(default)]
    pub period: Period,
    /// What intervals cover, such as 0.95.
    pub confidence: f64,
    /// The inference by name: fixed, sequential, mixture, `group_sequential` or bayes.
    #[serde(default)]
    pub inference: String,
    /// The inference with its formula, its parameters, and the look that was taken.
    #[serde(default)]
    pub method: MethodNote,
    /// How p-values were adjusted.
    #[serde(default)]
    pub adjust: String,
    /// Whether units were split as planned.
    pub srm: SampleRatioCheck,
    /// How each metric is to be read.
    pub metrics: Vec<MetricNote>,
    /// Effects by metric, segment and variant.
    pub estimates: Vec<EstimateRow>,
    /// Whether effects differ between the segments of a set, and between a segment and everyone else.
    #[serde(default)]
    pub heterogeneity: Vec<HeterogeneityRow>,
    /// Every check of the data, and what to do about one that failed.
    #[serde(default)]
    pub checks: Vec<HealthCheck>,
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
    /// The plan when the first exposure was seen, and its later changes.
    #[serde(default)]
    pub plan: Option<Preregistration>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// What follows from it.
    pub decision: Decision,
}

/// The exposures that count, by instant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Period {
    /// The first instant that counts.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// What people call the period; empty where its dates say it.
    pub label: String,
    /// The first instant that does not count any more.
    #[schemars(with = "String")]
    pub to: Timestamp,
}
