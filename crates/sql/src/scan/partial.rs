//! What a scan of some sources found, as data that merges with what the same scan found in the others.

use crate::SqlError;

/// What a scan of some of a table's sources found: data, which whoever scanned them can hand on.
///
/// Sources may be divided in any way, and what was found in each part merged in any order: that is what one
/// scan of all of them finds, apart from the last digits of sums of floats. Of all that are merged, one alone
/// may have begun with values of before.
pub trait Partial: Send + Sized + 'static {
    /// Adds what the same scan found in other sources.
    ///
    /// # Errors
    /// [`SqlError`] when the other is not of the same scan, or a sum is too large.
    fn merge(&mut self, other: Self) -> Result<(), SqlError>;
}

/// What a scan found, and what was read for it.
#[derive(Debug, Clone)]
pub struct Scanned<P> {
    /// What was found.
    pub partial: P,
    /// Rows that were read.
    pub rows_read: u64,
    /// Those of them that were in memory.
    pub rows_in_memory: u64,
    /// The size of the files that were read, in bytes.
    pub bytes_read: u64,
}

impl<P: Partial> Partial for Scanned<P> {
    fn merge(&mut self, other: Self) -> Result<(), SqlError> {
        self.rows_read += other.rows_read;
        self.rows_in_memory += other.rows_in_memory;
        self.bytes_read += other.bytes_read;
        self.partial.merge(other.partial)
    }
}
