//! The plan when the first exposure was seen, and its later changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Declared;

/// What an author planned, registered when the first exposure was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Preregistration {
    /// The BLAKE3 hash of the plan as registered, in hexadecimal digits.
    pub hash: String,
    /// The first exposure.
    #[serde(default)]
    #[schemars(with = "String")]
    pub first_exposure: Timestamp,
    /// The `as_of` of the measurement that registered it.
    #[schemars(with = "String")]
    pub registered_at: Timestamp,
    /// The plan at this `as_of`, by part.
    #[serde(default)]
    pub plan: BTreeMap<String, Declared>,
    /// Later changes, oldest first.
    pub amendments: Vec<Amendment>,
    /// The planned looks that were taken, where looks are planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks: Option<RegisteredLooks>,
}

/// The planned looks that were taken: they stay taken, also when corrected data would not have led to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegisteredLooks {
    /// How looks are planned; those of another plan are other looks.
    pub planned: Declared,
    /// Oldest first.
    pub taken: Vec<RegisteredLook>,
}

/// A planned look that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegisteredLook {
    /// When: it shows what was exposed and what happened before.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The information at this look over that planned for the end, as it was when the look was taken.
    pub fraction: f64,
}

/// A change of the plan after the first exposure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Amendment {
    /// The `as_of` of the measurement that saw it first.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// The hash of the plan from then on.
    #[serde(default)]
    pub hash: String,
    /// The changes: `part: before -> after`.
    pub changes: Vec<String>,
}
