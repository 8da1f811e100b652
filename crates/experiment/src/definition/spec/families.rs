//! `families:` of an experiment, as its author wrote it.

use schemars::JsonSchema;
use serde::Deserialize;
use tranche_project::Spanned;

/// A family of comparisons that are judged together.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FamilySpec {
    /// The metrics of its comparisons (default all of the experiment).
    #[schemars(with = "Vec<String>")]
    pub metrics: Vec<Spanned<String>>,
    /// The segments: `all` for everyone, names, `set/label`, `set/*` (default everyone and all of the
    /// experiment).
    #[schemars(with = "Vec<String>")]
    pub segments: Vec<Spanned<String>>,
    /// The treatments (default all of them).
    #[schemars(with = "Vec<String>")]
    pub variants: Vec<Spanned<String>>,
    /// How its p-values are adjusted (default `adjust` of `statistics`).
    #[schemars(with = "Option<AdjustSpec>")]
    pub adjust: Option<Spanned<AdjustSpec>>,
}

/// `adjust:` of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdjustSpec {
    /// Not at all.
    None,
    /// Family-wise error, any dependence.
    Bonferroni,
    /// Family-wise error, any dependence, never weaker.
    Holm,
    /// Family-wise error under positive dependence.
    Hochberg,
    /// False discovery rate under positive dependence.
    BenjaminiHochberg,
    /// False discovery rate under any dependence.
    BenjaminiYekutieli,
}
