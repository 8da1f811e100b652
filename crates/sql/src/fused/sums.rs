//! The columns of all groups, which several workers fill.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use arrow::datatypes::DataType;

use super::cells::{Arguments, Selection};
use super::{Cells, Group, Part};
use crate::SqlError;

/// The columns, each group's behind a lock of its own. Their rows: one for each key that was known before, one for rows without a
/// key, and then one for each key that is new.
pub(crate) struct Sums {
    /// More than one where there are too few groups for the workers to keep out of each other's way.
    copies: Vec<Vec<Mutex<Columns>>>,
    /// The argument's type, by group.
    kinds: Vec<Option<DataType>>,
    /// Keys that were known before.
    known: usize,
}

/// The columns of a group; those that nothing was added to are not there.
type Columns = Vec<Option<Cells>>;

/// So many groups for each worker, and it hardly ever waits for another.
const GROUPS_OF_A_WORKER: usize = 2;

impl Sums {
    /// Columns that begin as given, the others empty.
    pub(crate) fn new(
        groups: &[Group],
        kinds: Vec<Option<DataType>>,
        mut start: HashMap<(usize, usize), Cells>,
        known: usize,
        workers: usize,
    ) -> Self {
        let copies = (GROUPS_OF_A_WORKER * workers).div_ceil(groups.len().max(1)).clamp(1, workers.max(1));
        let mut columns = |number: usize, group: &Group| {
            (0..group.columns).map(|column| start.remove(&(number, column))).collect()
        };
        let mut copy =
            || groups.iter().enumerate().map(|(number, group)| Mutex::new(columns(number, group))).collect();
        Self { copies: (0..copies).map(|_| copy()).collect(), kinds, known }
    }

    /// The row of rows without a key.
    pub(crate) fn keyless(&self) -> u32 {
        u32::try_from(self.known).unwrap_or(u32::MAX)
    }

    /// Takes the selected rows of a batch into the columns of a part. There are so many `rows` by now.
    pub(crate) fn update(
        &self,
        worker: usize,
        (number, group): (usize, &Group),
        part: &Part,
        selection: &Selection<'_>,
        arguments: &Arguments<'_>,
        rows: usize,
    ) -> Result<(), SqlError> {
        let columns = &self.copies[worker % self.copies.len()][number];
        // Who panicked with the lock ends the scan.
        let mut columns = columns.lock().unwrap_or_else(PoisonError::into_inner);
        for target in &part.targets {
            let cells = columns[target.column]
                .get_or_insert_with(|| Cells::new(group.aggregate, self.kinds[number].as_ref()));
            if cells.len() < rows {
                cells.resize(rows);
            }
            cells.update(selection, arguments, group.aggregate, target.sign)?;
        }
        Ok(())
    }

    /// The columns of each group, with the cell of rows without a key as the last. There are so many keys that are new.
    pub(crate) fn finish(self, groups: &[Group], new: usize) -> Vec<Vec<Cells>> {
        let Self { copies, kinds, known } = self;
        let rows = known + 1 + new;
        let keyless = u32::try_from(known).unwrap_or(u32::MAX);
        let mut copies = copies.into_iter().map(|groups| {
            groups
                .into_iter()
                .map(|columns| columns.into_inner().unwrap_or_else(PoisonError::into_inner))
                .collect::<Vec<_>>()
        });
        let mut sums: Vec<Columns> = copies.next().unwrap_or_default();
        for other in copies {
            for (ours, theirs) in sums.iter_mut().zip(other) {
                for (ours, theirs) in ours.iter_mut().zip(theirs) {
                    add(ours, theirs);
                }
            }
        }
        let mut finished = Vec::new();
        for ((columns, group), kind) in sums.into_iter().zip(groups).zip(&kinds) {
            let cells = columns.into_iter().map(|cells| {
                let mut cells = cells.unwrap_or_else(|| Cells::new(group.aggregate, kind.as_ref()));
                cells.resize(rows);
                if new > 0 {
                    cells.move_to_end(known);
                }
                cells.counted(rows, keyless)
            });
            finished.push(cells.collect());
        }
        finished
    }
}

fn add(ours: &mut Option<Cells>, theirs: Option<Cells>) {
    let Some(mut theirs) = theirs else { return };
    let Some(cells) = ours else {
        *ours = Some(theirs);
        return;
    };
    let rows = cells.len().max(theirs.len());
    cells.resize(rows);
    theirs.resize(rows);
    cells.add(&theirs, 1);
}
