//! Columns that take the facts of one pane, and how they add up to the columns of a table.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::BooleanBuffer;
use indexmap::IndexMap;
use tranche_sql::SqlError;
use tranche_sql::scan::Rows;

use super::column::{Column, Counted, Passing};
use super::coverage::Coverage;
use super::panes::{PaneId, PaneSum, panes};
use crate::plan::{Accumulator, ColumnId, Id, PopulationId, StepQuery, UnitIndex, Window};

/// Stands for the time after its unit's instant of a row without a unit: before all windows.
pub(crate) const NEVER: i64 = i64::MIN;

/// A column to fill, and what it holds before rows are read.
#[derive(Debug, Clone)]
pub(crate) struct OpenColumn {
    pub(crate) id: ColumnId,
    pub(crate) accumulator: Accumulator,
    pub(crate) column: Column,
    /// The facts that are in it already; `None` when it is empty.
    pub(crate) coverage: Option<Arc<Coverage>>,
}

/// An open column, and which rows count for it.
pub(crate) struct ScanColumn<'a> {
    pub(crate) open: OpenColumn,
    pub(crate) population: PopulationId,
    pub(crate) window: Window,
    pub(crate) queries: &'a [StepQuery],
}

/// A column that takes the facts of one pane.
pub(crate) struct PaneColumn {
    pub(crate) id: PaneId,
    accumulator: Accumulator,
    queries: Vec<StepQuery>,
    column: Mutex<Column>,
}

/// A pane column on its way to its window.
pub(crate) struct PlacedPane {
    pub(crate) population: PopulationId,
    pub(crate) coverage: Option<Arc<Coverage>>,
    pub(crate) window: Window,
    pub(crate) column: PaneColumn,
}

/// The pane columns of scan columns, and how they add up. Facts are added to a column itself where it has
/// coverage; empty columns that differ in their windows alone share panes.
pub(crate) fn split_into_panes(columns: Vec<ScanColumn<'_>>) -> (Vec<PlacedPane>, Vec<PaneSum>) {
    /// Columns that differ in their windows alone.
    type Alike<'s> = (PopulationId, Accumulator, &'s [StepQuery]);
    let (mut placed, mut sums) = (Vec::new(), Vec::new());
    let mut place = |of: Alike<'_>, window: Window, column: Column, coverage: Option<Arc<Coverage>>| {
        let (population, accumulator, queries) = (of.0, of.1, of.2.to_vec());
        let id = PaneId::at(placed.len());
        let column = PaneColumn { id, accumulator, queries, column: Mutex::new(column) };
        placed.push(PlacedPane { population, coverage, window, column });
        id
    };
    let mut empty: IndexMap<Alike<'_>, Vec<ScanColumn<'_>>> = IndexMap::new();
    for column in columns {
        let alike = (column.population, column.open.accumulator, column.queries);
        if column.open.coverage.is_none() {
            empty.entry(alike).or_default().push(column);
            continue;
        }
        let OpenColumn { id, column: begun, coverage, .. } = column.open;
        sums.push(PaneSum { column: id, panes: vec![place(alike, column.window, begun, coverage)] });
    }
    for (alike, columns) in empty {
        let windows: Vec<Window> = columns.iter().map(|column| column.window).collect();
        let empty = columns[0].open.column.like();
        let panes: Vec<(Window, PaneId)> =
            panes(&windows).into_iter().map(|pane| (pane, place(alike, pane, empty.clone(), None))).collect();
        for column in &columns {
            let own = panes.iter().filter(|(pane, _)| column.window.contains(*pane));
            sums.push(PaneSum { column: column.open.id, panes: own.map(|(_, id)| *id).collect() });
        }
    }
    (placed, sums)
}

/// Items in an order in which workers begin at different ones, so that none has to wait for another's.
pub(crate) fn in_turn<'t, T>(items: &'t [T], rows: &Rows<'_>) -> impl Iterator<Item = &'t T> + use<'t, T> {
    let first = rows.worker * items.len() / rows.workers.max(1);
    items[first..].iter().chain(&items[..first])
}

/// The unit of each row of a batch in a population.
pub(crate) struct UnitRows {
    pub(crate) units: Vec<UnitIndex>,
    /// Microseconds after the unit's instant; [`NEVER`] where there is no unit.
    pub(crate) after: Vec<i64>,
}

impl UnitRows {
    /// No row has a unit.
    pub(crate) fn none(rows: usize) -> Self {
        Self { units: vec![UnitIndex::NONE; rows], after: vec![NEVER; rows] }
    }
}

impl PaneColumn {
    /// The facts that it took.
    pub(crate) fn into_column(self) -> Column {
        self.column.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the rows that are within its pane.
    pub(crate) fn take(
        &self,
        batch: &UnitRows,
        within: &BooleanBuffer,
        rows: &mut Rows<'_>,
    ) -> Result<(), SqlError> {
        let lock = || self.column.lock().unwrap_or_else(PoisonError::into_inner);
        if self.accumulator == Accumulator::Steps {
            let passings = self.passings(batch, within, rows)?;
            lock().pass(passings);
            return Ok(());
        }
        let query = self.queries[0].query.place();
        let counted = rows.counted(query, Some(within))?.unwrap_or_else(|| within.clone());
        if counted.count_set_bits() == 0 {
            return Ok(());
        }
        let values = match self.accumulator {
            Accumulator::Count => None,
            _ => rows.values(query, Some(&counted))?,
        };
        let counted = Counted { rows: &counted, units: &batch.units };
        match values {
            Some(values) => lock().add(&counted, &values),
            None => {
                lock().count(&counted);
                Ok(())
            }
        }
    }

    fn passings(
        &self,
        batch: &UnitRows,
        within: &BooleanBuffer,
        rows: &mut Rows<'_>,
    ) -> Result<Vec<Passing>, SqlError> {
        let mut steps = vec![0u32; batch.units.len()];
        for StepQuery { step, query } in &self.queries {
            let counted = rows.counted(query.place(), Some(within))?.unwrap_or_else(|| within.clone());
            counted.set_indices().for_each(|row| steps[row] |= 1 << step);
        }
        let passing = |(row, &steps): (usize, &u32)| {
            (steps != 0).then(|| Passing { unit: batch.units[row], after: batch.after[row], steps })
        };
        Ok(steps.iter().enumerate().filter_map(passing).collect())
    }
}
