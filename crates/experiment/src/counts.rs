//! Counts as numbers to compute with.

/// A count of units, days or draws.
#[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
pub(crate) fn as_number(count: u64) -> f64 {
    count as f64
}
