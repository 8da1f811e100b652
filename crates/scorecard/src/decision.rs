//! What follows from a result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What follows from a result, by the rule that its author declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// `investigate` when a check of the data failed; else by the rule `ship`, `stop`, `continue` or
    /// `undecided`. Without a rule `undecided`.
    pub action: String,
    /// Why.
    pub reasons: Vec<String>,
    /// The same for each treatment, where there is a rule.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub variants: Vec<VariantDecision>,
}

/// What follows for one treatment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VariantDecision {
    /// The treatment.
    pub variant: String,
    /// `ship`, `stop`, `continue` or `undecided`.
    pub action: String,
    /// Why.
    pub reasons: Vec<String>,
}
