//! The inference of a result, named.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Declared;

/// The inference of a result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MethodNote {
    /// Its name: fixed, sequential, mixture, `group_sequential` or bayes; empty in results that do not say.
    pub inference: String,
    /// How intervals and p-values are made.
    pub formula: String,
    /// Where the formula is from.
    pub source: String,
    /// The chance of a false alarm.
    pub alpha: f64,
    /// The parameters of the inference, by the keys of a definition.
    pub parameters: Declared,
    /// What estimates take into account, and how.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub estimators: Vec<EstimatorNote>,
    /// The comparisons that are judged together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<FamilyNote>,
    /// Group-sequential: the look whose result this is; none before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<LookNote>,
}

/// Something that estimates take into account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EstimatorNote {
    /// Its name: `cluster_robust`, `cuped`, `post_stratification`, `bootstrap` or `beta_binomial`.
    pub estimator: String,
    /// How it goes into estimates.
    pub formula: String,
    /// Where the formula is from.
    pub source: String,
    /// What was declared of it, by the keys of a definition.
    pub parameters: Declared,
}

/// A family of tests that are judged together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FamilyNote {
    /// Its name: as declared, or the role of what no declared family holds.
    pub family: String,
    /// How its p-values are adjusted.
    pub adjust: String,
    /// What that holds at alpha: `family_wise` error or `false_discovery` rate.
    pub holds: String,
    /// How many p-values it has.
    pub comparisons: usize,
}

/// A look of a group-sequential design that was taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LookNote {
    /// Which one, from 1.
    pub number: usize,
    /// How many are planned.
    pub planned: usize,
    /// When: the result holds what was exposed and what happened before.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The information at this look over that planned for the end.
    pub fraction: f64,
    /// The alpha spent up to and with this look.
    pub spent: f64,
    /// How many standard errors from the null an effect must be; none where the look spends nothing.
    pub critical: Option<f64>,
    /// Whether it is the last one.
    pub is_final: bool,
}
