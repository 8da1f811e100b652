//! The values of a column on their way into a table.

use std::collections::HashMap;

use arrow::array::ArrayRef;

use crate::reason::Reason;

/// The values of a column, and why those that are missing without being null are.
pub(crate) struct Values {
    pub(crate) array: ArrayRef,
    /// By the row's place in the batch.
    pub(crate) failures: HashMap<usize, Reason>,
}
