//! How the metrics of an experiment are to be read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The part a metric plays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricRole {
    /// What the experiment is decided by.
    #[default]
    Goal,
    /// What helps to understand it.
    Secondary,
    /// What must not get worse.
    Guardrail,
}

impl MetricRole {
    /// Every role, goals first.
    pub const ALL: [Self; 3] = [Self::Goal, Self::Secondary, Self::Guardrail];

    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Goal => "goal",
            Self::Secondary => "secondary",
            Self::Guardrail => "guardrail",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Which way a metric should move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    Increase,
    /// Less is better.
    Decrease,
}

/// How a value is to be read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// An average per entity.
    Mean,
    /// A share of entities in [0, 1], shown in percent.
    Proportion,
    /// One sum over another.
    Ratio,
    /// A number of things.
    Count,
    /// A value that a given share of entities, or of their events, does not exceed.
    Quantile,
}

/// How a metric is to be read, and whom it leaves out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricNote {
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// Which way it should move.
    pub direction: Direction,
    /// How its values are to be read.
    pub kind: ValueKind,
    /// The loss a guardrail tolerates: absolute, in the metric's unit, at least 0.
    pub margin: Option<f64>,
    /// The same as a share of control's mean, where it was given so.
    #[serde(default)]
    pub margin_ratio: Option<f64>,
    /// The metric.
    pub metric: String,
    /// Units without a fact that it leaves out.
    #[serde(default)]
    pub missing: u64,
    /// Units that it leaves out because their window is not over.
    #[serde(default)]
    pub open: u64,
    /// The unit of its values: an ISO currency code or a word; none for a pure number.
    pub unit: Option<String>,
}
