//! The rows that come into a table and go out of it by a load.

use datafusion::prelude::DataFrame;

/// What a load does to a table.
pub(crate) struct Change {
    /// The rows that come, of each key one.
    pub(crate) incoming: DataFrame,
    /// The keys of rows that go, none of them incoming; `None` when there are none.
    pub(crate) gone: Option<DataFrame>,
    /// Rows that go.
    pub(crate) removed: u64,
    /// Incoming rows that another file had brought before.
    pub(crate) restored: u64,
    /// Rows that stay, though their files no longer have them.
    pub(crate) missing: u64,
    /// Numbers of inputs that were written again, each with the number that takes it over in stored versions.
    pub(crate) succeeded: Vec<(i64, i64)>,
}

impl Change {
    /// Rows that come, and nothing else.
    pub(crate) fn of(incoming: DataFrame) -> Self {
        Self { incoming, gone: None, removed: 0, restored: 0, missing: 0, succeeded: Vec::new() }
    }
}
