//! Counts of units that are summed up as numbers.

/// A sum of ones.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of units")]
pub(super) fn whole_number(sum: f64) -> u64 {
    sum as u64
}
