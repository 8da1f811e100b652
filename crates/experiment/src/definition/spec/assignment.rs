//! `assignment:` of an experiment, as its author wrote it.

use schemars::JsonSchema;
use serde::Deserialize;
use tranche_project::Spanned;

/// `assignment:` of an experiment: how the assigning application does it, as GrowthBook defines it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignmentSpec {
    /// The text that is hashed with the unit's id (default: the experiment's name).
    #[serde(default)]
    pub seed: Option<String>,
    /// The share of each variant's units that takes part, from 0 to 1 (default 1).
    #[serde(default)]
    #[schemars(with = "Option<f64>")]
    pub coverage: Option<Spanned<f64>>,
    /// The part of all units that this experiment shares with no other of the same namespace (default: all).
    #[serde(default)]
    #[schemars(with = "Option<NamespaceSpec>")]
    pub namespace: Option<Spanned<NamespaceSpec>>,
}

/// `namespace:` of an assignment.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamespaceSpec {
    /// Its name.
    pub name: String,
    /// The start of the experiment's hashes, included, from 0.
    pub from: f64,
    /// Their end, excluded, up to 1.
    pub to: f64,
}
