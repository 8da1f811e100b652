//! A metric, `metrics/<metric>.yaml`, as its author wrote it.

use schemars::JsonSchema;
use serde::Deserialize;
use tranche_project::Spanned;

/// A metric: a fact aggregated per unit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tranche metric")]
pub struct MetricSpec {
    /// The edition of this format: 1.
    #[schemars(with = "u32")]
    pub version: Spanned<u32>,
    /// The metric's name.
    #[schemars(with = "String")]
    pub metric: Spanned<String>,
    /// What it measures, in words.
    #[serde(default)]
    pub description: Option<String>,
    /// mean, proportion, count, ratio, quantile, retention or funnel.
    #[serde(rename = "type")]
    #[schemars(with = "TypeSpec")]
    pub kind: Spanned<TypeSpec>,
    /// The measured value per event; every type but ratio and funnel has one.
    #[serde(default)]
    #[schemars(with = "Option<FactSpec>")]
    pub fact: Option<Spanned<FactSpec>>,
    /// Ratio: the metric above the line.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub numerator: Option<Spanned<String>>,
    /// Ratio: the metric below the line.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub denominator: Option<Spanned<String>>,
    /// Quantile: which one, between 0 and 1; 0.9 is the 90th percentile.
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub quantile: Option<Spanned<f64>>,
    /// Quantile: of the values of units (default) or of the values of events.
    #[serde(default)]
    #[schemars(with = "Option<OverSpec>")]
    pub over: Option<Spanned<OverSpec>>,
    /// Funnel: the events to pass, in order of time.
    #[serde(default)]
    #[schemars(with = "Option<Vec<StepSpec>>")]
    pub steps: Option<Spanned<Vec<StepSpec>>>,
    /// Funnel: how long after exposure its last step may be, such as `7 days`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub within: Option<Spanned<String>>,
    /// How long facts count, when not for the experiment's conversion window: `3 days`. Retention: from when
    /// to when after exposure, `{from: 7 days, to: 14 days}`.
    #[serde(default)]
    #[schemars(with = "Option<WindowSpec>")]
    pub window: Option<Spanned<WindowSpec>>,
    /// How long after exposure facts begin to count (default at once); the window begins then.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub delay: Option<Spanned<String>>,
    /// What a unit without a fact counts as (default zero).
    #[serde(default)]
    #[schemars(with = "Option<MissingSpec>")]
    pub missing: Option<Spanned<MissingSpec>>,
    /// The unit of its values, such as EUR.
    #[serde(default)]
    pub unit: Option<String>,
    /// Which way is good (default increase).
    #[serde(default)]
    pub direction: DirectionSpec,
    /// Values above this are counted as this.
    #[serde(default)]
    #[schemars(with = "Option<CapSpec>")]
    pub cap: Option<Spanned<CapSpec>>,
}

/// `type:` of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TypeSpec {
    /// The mean over units of the fact's aggregate.
    Mean,
    /// The share of units with the fact.
    Proportion,
    /// The mean number of events per unit.
    Count,
    /// One metric's total over another's.
    Ratio,
    /// A quantile of the fact, over units or over events.
    Quantile,
    /// The share of units with the fact in an interval after exposure.
    Retention,
    /// The share of units that pass all of several steps.
    Funnel,
}

/// `over:` of a quantile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverSpec {
    /// Of the units' aggregated values.
    #[default]
    Units,
    /// Of the values of all events; the events of a unit are a cluster.
    Events,
}

/// `missing:` of a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingSpec {
    /// A unit without a fact counts as 0.
    #[default]
    Zero,
    /// A unit without a fact is left out of the metric.
    Exclude,
}

/// `window:` of a metric: a length, or from when to when.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "write a length such as `14 days`, or `{from: 7 days, to: 14 days}`")]
pub enum WindowSpec {
    /// How long facts count.
    Length(String),
    /// From when to when after exposure.
    Range(RangeSpec),
}

/// From when to when after exposure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RangeSpec {
    /// The first instant that counts, so long after exposure.
    pub from: String,
    /// The first instant that no longer counts.
    pub to: String,
}

/// A step of a funnel.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepSpec {
    /// An event table.
    #[schemars(with = "String")]
    pub table: Spanned<String>,
    /// Which of its events are the step, as SQL over the row.
    #[serde(default, rename = "where")]
    #[schemars(with = "Option<String>")]
    pub filter: Option<Spanned<String>>,
}

/// `direction:` of a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DirectionSpec {
    /// More is better.
    #[default]
    Increase,
    /// Less is better.
    Decrease,
}

/// `fact:` of a metric.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactSpec {
    /// An event table.
    #[schemars(with = "String")]
    pub table: Spanned<String>,
    /// The value of an event, as SQL over its row: what `sum` adds up, or what a quantile over events is of.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub value: Option<Spanned<String>>,
    /// sum, count or any; a mean and a quantile over units need it.
    #[serde(default)]
    #[schemars(with = "Option<AggregateSpec>")]
    pub aggregate: Option<Spanned<AggregateSpec>>,
    /// Which events count, as SQL over the row.
    #[serde(default, rename = "where")]
    #[schemars(with = "Option<String>")]
    pub filter: Option<Spanned<String>>,
}

/// `aggregate:` of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AggregateSpec {
    /// The sum of values; 0 without an event.
    Sum,
    /// The number of events.
    Count,
    /// 1 with an event, 0 without.
    Any,
}

/// `cap:` of a metric: one of `value` and `quantile`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapSpec {
    /// A value.
    #[serde(default)]
    pub value: Option<f64>,
    /// A quantile of all units, from 0 to 1.
    #[serde(default)]
    pub quantile: Option<f64>,
}
