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
}
