//! What a definition declares, kept as it was written.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A declaration as JSON, by the keys of a definition: for people to read, and to be compared as a whole. Its
/// parts have no meaning to a program.
///
/// Displays as JSON on one line, with keys in alphabetical order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Declared(Value);

impl From<Value> for Declared {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
