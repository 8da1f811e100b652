//! A value that continues from saved state and is not the one that all events give.

use thiserror::Error;

/// A value that continues from saved state and is not the one that all events give. That is a defect of Tranche:
/// nothing may be published, and the state must be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{quantity} in `{table}` for `{key}` of `{population}` is {incremental} by saved state, and {full} by all events\
     {}; nothing was published, and the next run reads everything",
    users(used_by)
)]
pub struct Mismatch {
    /// What has the key: the population that was measured, or the column that names the entity.
    pub population: String,
    /// The key whose values differ.
    pub key: String,
    /// The table of the events.
    pub table: String,
    /// What was computed of them.
    pub quantity: String,
    /// The definitions that use it, where they are known.
    pub used_by: Vec<String>,
    /// The value that continues from saved state.
    pub incremental: String,
    /// The value that all events give.
    pub full: String,
}

fn users(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" (used by {})", names.join(", ")) }
}
