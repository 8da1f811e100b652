//! What a grouped scan of some sources found.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::cells::Cells;
use super::failures::{FailedCells, renumbered};
use super::partial::Partial;
use crate::SqlError;
use crate::keys::KeyIndex;

/// What a grouped scan of some of a table's sources found.
///
/// Cells stand in the order of the keys that were known before the scan, then one for rows without a key, then those of
/// [`PartialGroups::new_keys`].
#[derive(Debug, Clone)]
pub struct PartialGroups {
    /// Keys that were known before the scan.
    pub known: u32,
    /// Keys that were not, in the order in which they were met.
    pub new_keys: KeyIndex,
    /// The columns of each group. Cells at the end that nothing was added to may be missing.
    pub columns: Vec<Vec<Cells>>,
    /// Cells that are not known, because rows fail; what stands there means nothing.
    pub failures: FailedCells,
    /// Copied rows, file by file, in the order of their paths.
    pub extracts: Vec<(String, RecordBatch)>,
}

/// What a grouped scan of all sources found.
#[derive(Debug)]
pub struct Totals {
    /// The columns of each group; their cells are in the order of the index's numbers, and after them one for rows whose key is null.
    pub columns: Vec<Vec<Cells>>,
    /// Cells that are not known, because rows fail; what stands there means nothing.
    pub failures: FailedCells,
    /// Copied rows, file by file, in the order of their paths.
    pub extracts: Vec<(String, RecordBatch)>,
}

impl Partial for PartialGroups {
    fn merge(&mut self, other: Self) -> Result<(), SqlError> {
        if (self.known, self.columns.len()) != (other.known, other.columns.len()) {
            return Err(SqlError::Engine("partial results of two scans".to_owned()));
        }
        let shift = self.known + 1;
        let added = self.new_keys.insert(&other.new_keys.column(0..other.new_keys.len())?)?;
        let new = added.into_iter().map(|number| shift + number.unwrap_or_default());
        let places: Vec<u32> = (0..shift).chain(new).collect();
        let cells = (shift + self.new_keys.len()) as usize;
        for (ours, theirs) in self.columns.iter_mut().flatten().zip(other.columns.iter().flatten()) {
            ours.resize(cells);
            // Cells that are not there have no place.
            let present = if theirs.is_empty() { places.len() } else { theirs.len() };
            ours.add(&theirs.moved(&places[..present], cells), 1);
        }
        for (column, keys) in renumbered(other.failures, |key| places[key as usize]) {
            let ours = self.failures.entry(column).or_default();
            keys.into_iter().for_each(|(key, failure)| {
                ours.entry(key).or_insert(failure);
            });
        }
        self.extracts.extend(other.extracts);
        self.extracts.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(())
    }
}

impl PartialGroups {
    /// The totals, in the order of an index that has the keys that were known; the others are added to it.
    ///
    /// # Errors
    /// [`SqlError::Data`] when the keys are of another type.
    pub fn finish(self, index: &mut Arc<KeyIndex>) -> Result<Totals, SqlError> {
        let Self { known, new_keys, columns, failures, extracts } = self;
        let new = new_keys.len();
        if new > 0 {
            Arc::make_mut(index).insert(&new_keys.column(0..new)?)?;
        }
        let cells = (known + 1 + new) as usize;
        let finished = |mut column: Cells| {
            column.resize(cells);
            if new > 0 {
                column.move_to_end(known as usize);
            }
            column.counted(cells, known)
        };
        let columns =
            columns.into_iter().map(|columns| columns.into_iter().map(finished).collect()).collect();
        let failures = renumbered(failures, |key| match key.cmp(&known) {
            Ordering::Less => key,
            Ordering::Equal => known + new,
            Ordering::Greater => key - 1,
        });
        Ok(Totals { columns, failures, extracts })
    }
}
