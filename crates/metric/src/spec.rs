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
    /// mean, proportion, count or ratio.
    #[serde(rename = "type")]
    #[schemars(with = "TypeSpec")]
    pub kind: Spanned<TypeSpec>,
    /// The measured value per event; every type but ratio has one.
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
    /// Not measured yet.
    Quantile,
    /// Not measured yet.
    Retention,
    /// Not measured yet.
    Funnel,
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
    /// The value of an event, as SQL over its row; what `sum` adds up.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub value: Option<Spanned<String>>,
    /// sum, count or any.
    #[schemars(with = "AggregateSpec")]
    pub aggregate: Spanned<AggregateSpec>,
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
