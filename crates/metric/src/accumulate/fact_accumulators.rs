//! What the rows of a fact table are added to: each row to the columns of the units that it names.
//!
//! A column to fill goes through three forms: an [`OpenColumn`] holds what it begins with; several workers add facts
//! to a [`PaneColumn`], which is one pane of it; and [`PartialFacts`] has the panes as data.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::buffer::{BooleanBuffer, MutableBuffer};
use arrow::util::bit_util::set_bit;
use indexmap::IndexMap;
use indexmap::map::Entry;
use tranche_incremental::FileClass;
use tranche_sql::SqlError;
use tranche_sql::scan::{Accumulators, Rows, Source};

use super::column::Column;
use super::coverage::{Coverage, RelevantTimes};
use super::fact_table::{FactTable, times_of};
use super::key_index::{EntityKeys, KeysByEntity};
use super::pane_columns::{
    NEVER, OpenColumn, PaneColumn, PlacedPane, ScanColumn, UnitRows, in_turn, split_into_panes,
};
use super::panes::{PaneId, PaneSum, panes};
use super::partial_facts::PartialFacts;
use super::sample_capture::{CapturedFacts, SampleCapture};
use crate::plan::{ColumnSpec, PopulationId, UnitIndex, Window};

/// The columns that the rows of a table are added to.
pub(crate) struct FactAccumulators {
    event_time: String,
    entities: Vec<EntityColumns>,
    /// How the panes add up to columns.
    sums: Vec<PaneSum>,
    /// The class of each source.
    classes: Vec<FileClass>,
    capture: Option<SampleCapture>,
}

/// A key column of the table, and the populations whose units it names.
struct EntityColumns {
    key_column: String,
    keys: Arc<EntityKeys>,
    populations: Vec<PopulationColumns>,
}

/// The columns of a population that cover the same facts.
struct PopulationColumns {
    population: PopulationId,
    /// The instant of each unit, microseconds.
    at: Arc<[i64]>,
    until: i64,
    coverage: Option<Arc<Coverage>>,
    /// From the beginning of the first window to the end of the last.
    widest: Window,
    times: RelevantTimes,
    /// The windows cut at each other's edges.
    panes: Vec<Window>,
    windows: Vec<WindowColumns>,
}

/// The columns of a window.
struct WindowColumns {
    /// The places of the panes that the window is made of.
    panes: Vec<usize>,
    columns: Vec<PaneColumn>,
}

/// Columns of a population that cover the same facts, by window.
struct Series {
    coverage: Option<Arc<Coverage>>,
    windows: IndexMap<Window, Vec<PaneColumn>>,
}

impl FactAccumulators {
    /// Accumulators for columns of a table, whose units have these keys.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when the table does not name the units.
    pub(crate) fn new(
        table: &FactTable<'_>,
        columns: Vec<OpenColumn>,
        keys: &KeysByEntity,
    ) -> Result<Self, SqlError> {
        let scan_column = |open: OpenColumn| {
            let ColumnSpec { population, window, queries, .. } = &table.columns[open.id];
            ScanColumn { open, population: *population, window: *window, queries }
        };
        let (placed, sums) = split_into_panes(columns.into_iter().map(scan_column).collect());
        let mut groups: IndexMap<(PopulationId, Option<*const Coverage>), Series> = IndexMap::new();
        for PlacedPane { population, coverage, window, column } in placed {
            let identity = (population, coverage.as_ref().map(Arc::as_ptr));
            let group =
                groups.entry(identity).or_insert_with(|| Series { coverage, windows: IndexMap::new() });
            group.windows.entry(window).or_default().push(column);
        }
        let mut entities: IndexMap<&str, EntityColumns> = IndexMap::new();
        let mut instants: HashMap<PopulationId, Arc<[i64]>> = HashMap::new();
        for ((id, _), series) in groups {
            let population = table.populations[id];
            let entity = population.entity.as_str();
            let at = instants.entry(id).or_insert_with(|| {
                population.at.iter().map(|at| at.as_microsecond()).collect::<Vec<i64>>().into()
            });
            let columns = match entities.entry(entity) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(EntityColumns::new(table, entity, keys)?),
            };
            let until = table.until(population);
            columns.populations.push(PopulationColumns::new(id, Arc::clone(at), until, series));
        }
        let event_time = table.contract.event_time().unwrap_or_default().to_owned();
        let entities = entities.into_values().collect();
        Ok(Self { event_time, entities, sums, classes: Vec::new(), capture: None })
    }

    /// Whether a source of a class matters.
    pub(crate) fn matters(&self, class: FileClass, source: &Source) -> bool {
        let times = times_of(source);
        let mut populations = self.entities.iter().flat_map(|entity| &entity.populations);
        populations.any(|population| population.times.overlap(class, &times))
    }

    /// The same over sources of these classes, whose rows are captured where that is asked for.
    pub(crate) fn over(self, classes: Vec<FileClass>, capture: Option<SampleCapture>) -> Self {
        Self { classes, capture, ..self }
    }
}

impl Accumulators for FactAccumulators {
    type Partial = PartialFacts;

    /// Adds the rows of a batch to the columns of every population.
    fn take(&self, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let class = self.classes[rows.source];
        if let Some(capture) = &self.capture {
            let keys = self.entities.iter().map(|entity| (entity.key_column.as_str(), entity.keys.as_ref()));
            capture.take(rows, keys)?;
        }
        let mut times = None;
        for entity in &self.entities {
            let relevant = |own: &&PopulationColumns| own.times.overlap(class, &rows.times);
            let relevant: Vec<&PopulationColumns> = entity.populations.iter().filter(relevant).collect();
            if relevant.is_empty() {
                continue;
            }
            let numbers = entity.keys.numbers(rows.column(&entity.key_column)?)?;
            let (instants, nulls) = match &times {
                Some(known) => known,
                None => times.insert(rows.instants(&self.event_time)?),
            };
            let has_time = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            for population in in_turn(&relevant, rows) {
                let unit_of = entity.keys.units(population.population);
                let mut batch = UnitRows::none(numbers.len());
                for (row, &number) in numbers.iter().enumerate() {
                    let (unit, instant) = (unit_of(number), instants[row]);
                    if let Some(after) = population.counted_after(class, unit, instant)
                        && has_time(row)
                    {
                        (batch.units[row], batch.after[row]) = (unit, after);
                    }
                }
                population.take(&batch, rows)?;
            }
        }
        Ok(())
    }

    fn into_partial(self) -> Result<PartialFacts, SqlError> {
        let populations = self.entities.into_iter().flat_map(|entity| entity.populations);
        let windows = populations.flat_map(|population| population.windows);
        let panes = windows.flat_map(|window| window.columns).map(|pane| (pane.id, pane.into_column()));
        let mut panes: Vec<(PaneId, Column)> = panes.collect();
        panes.sort_unstable_by_key(|(id, _)| *id);
        let captured = self.capture.map(SampleCapture::into_facts).transpose()?;
        Ok(PartialFacts {
            panes: panes.into_iter().map(|(_, column)| column).collect(),
            sums: self.sums,
            captured: captured.unwrap_or(CapturedFacts::NONE),
        })
    }
}

impl EntityColumns {
    /// No columns yet, of the units of an entity.
    fn new(table: &FactTable<'_>, entity: &str, keys: &KeysByEntity) -> Result<Self, SqlError> {
        let key_column = table.contract.entity_column(entity).zip(keys.get(entity));
        let unnamed = || SqlError::Engine(format!("`{}` does not name `{entity}`", table.contract.table));
        let (key_column, keys) = key_column.ok_or_else(unnamed)?;
        Ok(Self { key_column: key_column.to_owned(), keys: Arc::clone(keys), populations: Vec::new() })
    }
}

impl PopulationColumns {
    fn new(population: PopulationId, at: Arc<[i64]>, until: i64, series: Series) -> Self {
        let Series { coverage, windows } = series;
        let from = windows.keys().map(|window| window.from).min().unwrap_or_default();
        let to = windows.keys().map(|window| window.to).max().unwrap_or_default();
        let widest = Window { from, to };
        let times = RelevantTimes::new(&at, widest, until, coverage.as_deref());
        let panes = panes(&windows.keys().copied().collect::<Vec<_>>());
        let of_window = |(window, columns): (Window, Vec<PaneColumn>)| {
            let inside = panes.iter().enumerate().filter(|(_, pane)| window.contains(**pane));
            WindowColumns { panes: inside.map(|(place, _)| place).collect(), columns }
        };
        let windows = windows.into_iter().map(of_window).collect();
        Self { population, at, until, coverage, widest, times, panes, windows }
    }

    /// How long after its unit's instant a fact was, where it must be counted, or subtracted.
    fn counted_after(&self, class: FileClass, unit: UnitIndex, instant: i64) -> Option<i64> {
        let after = instant.saturating_sub(*self.at.get(unit.place())?);
        let is_within = self.widest.from <= after && after < self.widest.to && instant < self.until;
        let is_needed = || match &self.coverage {
            Some(coverage) => coverage.needs(class, unit, instant),
            None => class != FileClass::Removed,
        };
        (is_within && is_needed()).then_some(after)
    }

    /// The rows that are in each pane.
    fn in_panes(&self, after: &[i64]) -> Vec<BooleanBuffer> {
        let mut bits: Vec<MutableBuffer> =
            self.panes.iter().map(|_| MutableBuffer::new_null(after.len())).collect();
        for (row, &after) in after.iter().enumerate().filter(|(_, after)| **after != NEVER) {
            let place = self.panes.partition_point(|pane| pane.to <= after);
            if self.panes.get(place).is_some_and(|pane| pane.from <= after) {
                set_bit(bits[place].as_slice_mut(), row);
            }
        }
        bits.into_iter().map(|bits| BooleanBuffer::new(bits.into(), 0, after.len())).collect()
    }

    fn take(&self, batch: &UnitRows, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let in_panes = self.in_panes(&batch.after);
        for WindowColumns { panes, columns } in &self.windows {
            let of_window = panes.iter().map(|&pane| in_panes[pane].clone()).reduce(|all, pane| &all | &pane);
            let Some(within) = of_window.filter(|within| within.count_set_bits() > 0) else { continue };
            for column in in_turn(columns, rows) {
                column.take(batch, &within, rows)?;
            }
        }
        Ok(())
    }
}
