//! An experiment, `experiments/<experiment>.yaml`, as its author wrote it.

mod assignment;
mod decision;
mod families;
mod metrics;
mod number_or_text;
mod prior;
mod statistics;
mod variance;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use tranche_project::Spanned;

pub(crate) use assignment::AssignmentSpec;
pub(crate) use decision::{AtEndSpec, DecisionSpec, GoalsSpec, GuardrailsSpec, HarmSpec};
pub(crate) use families::{AdjustSpec, FamilySpec};
pub(crate) use metrics::{MetricChoiceSpec, MetricsSpec};
pub(crate) use number_or_text::NumberOrText;
pub(crate) use prior::{EffectPriorSpec, PriorSpec};
pub(crate) use statistics::{
    AlternativeSpec, InferenceSpec, RelativeSpec, ScaleSpec, SpendingSpec, StatisticsSpec,
};
pub(crate) use variance::VarianceSpec;

/// An experiment: who was exposed to what, and what it did.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tranche experiment")]
pub struct ExperimentSpec {
    /// The edition of this format: 1.
    #[schemars(with = "u32")]
    pub version: Spanned<u32>,
    /// The experiment's name.
    #[schemars(with = "String")]
    pub experiment: Spanned<String>,
    /// The hypothesis that it tests.
    #[serde(default)]
    pub hypothesis: Option<String>,
    /// Further remarks.
    #[serde(default)]
    pub description: Option<String>,
    /// The person or team that is responsible for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The unit of measurement, and of randomisation where no `cluster` is given.
    #[schemars(with = "String")]
    pub entity: Spanned<String>,
    /// The unit of randomisation where it is coarser than the entity: a column of the exposure table or else
    /// of the entity's.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub cluster: Option<Spanned<String>>,
    /// The events that say who was exposed to which variant.
    pub exposure: ExposureSpec,
    /// The variants and their planned shares, in any scale.
    #[schemars(with = "BTreeMap<String, f64>")]
    pub variants: Spanned<IndexMap<String, f64>>,
    /// The variant that others are compared with.
    #[schemars(with = "String")]
    pub control: Spanned<String>,
    /// How the assigning application does it; measuring does not need it.
    #[serde(default)]
    pub assignment: Option<AssignmentSpec>,
    /// The interval in which exposures count.
    pub period: PeriodSpec,
    /// How long after its first exposure a unit's facts count, such as `14 days` (default: up to as_of).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub conversion_window: Option<Spanned<String>>,
    /// The metrics and their roles.
    pub metrics: MetricsSpec,
    /// Segments to break results down by, as of first exposure: names, `set/label`, `set/*`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub segments: Vec<Spanned<String>>,
    /// How effects are estimated.
    #[serde(default)]
    pub statistics: StatisticsSpec,
    /// The rule that turns the result into a decision; without it, none is made.
    #[serde(default)]
    #[schemars(with = "Option<DecisionSpec>")]
    pub decision: Option<Spanned<DecisionSpec>>,
}

/// `exposure:` of an experiment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExposureSpec {
    /// The event table.
    #[schemars(with = "String")]
    pub table: Spanned<String>,
    /// Which of its events are exposures, as SQL over the row.
    #[serde(default, rename = "where")]
    #[schemars(with = "Option<String>")]
    pub filter: Option<Spanned<String>>,
    /// The column with the variant.
    #[schemars(with = "String")]
    pub variant: Spanned<String>,
    /// The column with the instant (default: the table's event time).
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub at: Option<Spanned<String>>,
}

/// `period:` of an experiment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeriodSpec {
    /// Its start, included.
    #[schemars(with = "String")]
    pub from: Spanned<String>,
    /// Its end, excluded.
    #[schemars(with = "String")]
    pub to: Spanned<String>,
}
