//! The cells of all groups, which several workers fill.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use arrow::datatypes::DataType;

use super::cells::Cells;
use super::groups::{Group, Part};
use super::update::{Arguments, Selection};
use crate::SqlError;

/// The columns, each group's behind a lock of its own, so that memory grows with the keys and not with the workers. Their cells: one
/// for each key that was known before, one for rows without a key, and then one for each key that is new.
pub(super) struct SharedCells {
    /// More than one where there are too few groups for the workers to keep out of each other's way.
    copies: Vec<Vec<Mutex<Columns>>>,
    /// The argument's type, by group.
    kinds: Vec<Option<DataType>>,
    /// Keys that were known before.
    known: u32,
}

/// The columns of a group; those that nothing was added to are not there.
type Columns = Vec<Option<Cells>>;

/// So many groups for each worker, and it hardly ever waits for another.
const GROUPS_OF_A_WORKER: usize = 2;

/// The rows of a batch that are added to the columns of a part.
pub(super) struct Addition<'a> {
    /// The number of the group.
    pub(super) number: usize,
    pub(super) group: &'a Group,
    pub(super) part: &'a Part,
    pub(super) selection: Selection<'a>,
    pub(super) arguments: Arguments<'a>,
    /// How many cells there are so far.
    pub(super) cells: usize,
}

impl SharedCells {
    /// Columns that begin as given, the others empty.
    pub(super) fn new(
        groups: &[Group],
        kinds: Vec<Option<DataType>>,
        mut start: HashMap<(usize, usize), Cells>,
        known: u32,
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

    /// The cell of rows without a key.
    pub(super) fn keyless(&self) -> u32 {
        self.known
    }

    /// Adds the selected rows of a batch to the columns of a part.
    pub(super) fn update(&self, worker: usize, addition: &Addition<'_>) -> Result<(), SqlError> {
        let Addition { number, group, part, selection, arguments, cells } = addition;
        let columns = &self.copies[worker % self.copies.len()][*number];
        // A worker that panicked with the lock ends the scan.
        let mut columns = columns.lock().unwrap_or_else(PoisonError::into_inner);
        for target in &part.targets {
            let column = columns[target.column]
                .get_or_insert_with(|| Cells::new(group.aggregate, self.kinds[*number].as_ref()));
            if column.len() < *cells {
                column.resize(*cells);
            }
            column.update(selection, arguments, group.aggregate, target.sign)?;
        }
        Ok(())
    }

    /// The columns of each group.
    pub(super) fn into_columns(self, groups: &[Group]) -> Vec<Vec<Cells>> {
        let Self { copies, kinds, .. } = self;
        let mut copies = copies.into_iter().map(|groups| {
            groups
                .into_iter()
                .map(|columns| columns.into_inner().unwrap_or_else(PoisonError::into_inner))
                .collect::<Vec<_>>()
        });
        let mut all: Vec<Columns> = copies.next().unwrap_or_default();
        for other in copies {
            for (ours, theirs) in all.iter_mut().zip(other) {
                for (ours, theirs) in ours.iter_mut().zip(theirs) {
                    add(ours, theirs);
                }
            }
        }
        let groups = all.into_iter().zip(groups).zip(&kinds);
        let with_empty = groups.map(|((columns, group), kind)| {
            let empty = || Cells::new(group.aggregate, kind.as_ref());
            columns.into_iter().map(|cells| cells.unwrap_or_else(empty)).collect()
        });
        with_empty.collect()
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
