//! The mark by which a commit is recognised, so that a step that runs twice commits once.

/// An application's own mark on a commit: of each id, a table knows the latest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Whose and of what.
    pub id: String,
    /// A number that only the application understands.
    pub version: i64,
}

impl Transaction {
    /// The mark `id` at `version`.
    #[must_use]
    pub fn new(id: impl Into<String>, version: i64) -> Self {
        Self { id: id.into(), version }
    }

    /// The mark `id` at a version by which a digest is known again: its first 63 bits.
    #[must_use]
    pub fn of_digest(id: impl Into<String>, digest: &[u8; 32]) -> Self {
        let first = digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte));
        Self::new(id, i64::try_from(first >> 1).unwrap_or_default())
    }
}
