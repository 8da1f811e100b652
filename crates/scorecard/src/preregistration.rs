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
