//! The keys whose cells are not known, because a row that counts for them fails.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use arrow::buffer::BooleanBuffer;

use super::groups::Part;
use crate::row_failure::RowFailure;

/// The keys that a column has no value for, by number, with the row that fails; without for all but the first few.
pub type FailedKeys = BTreeMap<u32, Option<RowFailure>>;

/// The keys that columns have no value for, by group and column.
pub type FailedCells = BTreeMap<(usize, usize), FailedKeys>;

/// So many rows that fail for a column are kept as text.
const FIRST_FEW: usize = 20;

/// What failed so far, which several workers add to.
#[derive(Default)]
pub(super) struct Failures(Mutex<FailedCells>);

impl Failures {
    /// Notes that rows fail, which have these keys and count for a part of a group.
    pub(super) fn add(
        &self,
        (group, part): (usize, &Part),
        keys: &[u32],
        failed: &BooleanBuffer,
        failure: impl Fn(usize) -> RowFailure,
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for target in &part.targets {
            let of_column = all.entry((group, target.column)).or_default();
            for row in failed.set_indices() {
                if !of_column.contains_key(&keys[row]) {
                    let text = (of_column.len() < FIRST_FEW).then(|| failure(row));
                    of_column.insert(keys[row], text);
                }
            }
        }
    }

    pub(super) fn into_found(self) -> FailedCells {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What failed, with other numbers for the keys.
pub(super) fn renumbered(failed: FailedCells, number: impl Fn(u32) -> u32) -> FailedCells {
    let keys = |keys: FailedKeys| keys.into_iter().map(|(key, failure)| (number(key), failure)).collect();
    failed.into_iter().map(|(column, of_column)| (column, keys(of_column))).collect()
}
