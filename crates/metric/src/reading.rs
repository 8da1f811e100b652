//! The rows of a fact table, each added to the columns of the units that it is about.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::{BooleanBuffer, MutableBuffer};
use arrow::util::bit_util::set_bit;
use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_schema::Contract;
use tranche_sql::SqlError;
use tranche_sql::pass::Rows;

use crate::columns::{Column, Counted, Making, Passing};
use crate::extracting::Extracting;
use crate::known::{Class, Known, Times};
use crate::numbered::{NOBODY, Numbered};
use crate::plan::Slot;
use crate::population::{Population, Window};
use crate::rings::{Sum, added_up, is_inside, rings};

/// Before all windows.
const NEVER: i64 = i64::MIN;

/// What is looked up for each row of a table, and filled.
pub(crate) struct Reading {
    event_time: String,
    keys: Vec<Key>,
    /// What the columns of slots are made of.
    sums: Vec<Sum>,
    /// What each source is to an earlier measurement.
    classes: Vec<Class>,
    extracting: Option<Extracting>,
}

/// A column that names units.
struct Key {
    column: String,
    numbered: Arc<Numbered>,
    populations: Vec<Measured>,
}

/// A column to fill, and what is in it already.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) slot: usize,
    pub(crate) making: Making,
    pub(crate) column: Column,
    /// The units that are in it, where there are any.
    pub(crate) known: Option<Arc<Known>>,
}

/// A population whose facts are in the table, and those of its columns in which the same is known.
struct Measured {
    number: usize,
    /// The instant of each unit, microseconds.
    at: Arc<[i64]>,
    until: i64,
    known: Option<Arc<Known>>,
    /// From the beginning of the first window to the end of the last.
    widest: Window,
    /// The event times that matter.
    times: Times,
    /// The windows cut at each other's edges: a fact is in one of these, however many windows it is in.
    rings: Vec<Window>,
    windows: Vec<Targets>,
}

/// A stretch of time of a slot, and what becomes of its facts.
struct Piece {
    slot: usize,
    window: Window,
    making: Making,
    column: Column,
    known: Option<Arc<Known>>,
}

/// What columns are filled in pieces, and how each is made of them. Facts are added to a column itself where something is in it already;
/// columns that begin with nothing and differ in their windows alone share rings.
fn pieces(slots: &[Slot], starts: Vec<Start>) -> (Vec<Piece>, Vec<Sum>) {
    /// A population, and what is made of which of its facts.
    type Series<'s> = (usize, Making, &'s [(u8, usize)]);
    let (mut pieces, mut sums) = (Vec::new(), Vec::new());
    let mut empty: IndexMap<Series<'_>, Vec<Start>> = IndexMap::new();
    for start in starts {
        let own = &slots[start.slot];
        if start.known.is_none() {
            empty.entry((own.population, start.making, &own.questions)).or_default().push(start);
            continue;
        }
        let Start { slot, making, column, known } = start;
        sums.push(Sum { slot, rings: vec![pieces.len()] });
        pieces.push(Piece { slot, window: own.window, making, column, known });
    }
    for ((_, making, _), alike) in empty {
        let windows: Vec<Window> = alike.iter().map(|start| slots[start.slot].window).collect();
        let rings = rings(&windows);
        for (start, window) in alike.iter().zip(windows) {
            let own = (pieces.len()..)
                .zip(&rings)
                .filter(|(_, ring)| is_inside(**ring, window))
                .map(|(number, _)| number);
            sums.push(Sum { slot: start.slot, rings: own.collect() });
        }
        let Start { slot, column, .. } = &alike[0];
        pieces.extend(rings.into_iter().map(|window| Piece {
            slot: *slot,
            window,
            making,
            column: column.like(),
            known: None,
        }));
    }
    (pieces, sums)
}

/// Columns of a population in which the same is known, by window.
struct Group {
    known: Option<Arc<Known>>,
    windows: IndexMap<Window, Vec<Target>>,
}

/// The columns of a window.
struct Targets {
    /// The rings that it is made of.
    rings: Vec<usize>,
    targets: Vec<Target>,
}

struct Target {
    number: usize,
    making: Making,
    questions: Vec<(u8, usize)>,
    column: Mutex<Column>,
}

impl Reading {
    /// What is looked up in the table of a contract. `numbered` has the keys of the populations of each entity.
    pub(crate) fn new(
        contract: &Contract,
        slots: &[Slot],
        starts: Vec<Start>,
        populations: &[&Population],
        numbered: &HashMap<String, Arc<Numbered>>,
        as_of: Timestamp,
    ) -> Self {
        let (pieces, sums) = pieces(slots, starts);
        // By population, and by what is known of its units.
        let mut groups: IndexMap<(usize, Option<*const Known>), Group> = IndexMap::new();
        for (number, Piece { slot, window, making, column, known }) in pieces.into_iter().enumerate() {
            let Slot { population, questions, .. } = &slots[slot];
            let identity = (*population, known.as_ref().map(Arc::as_ptr));
            let group = groups.entry(identity).or_insert_with(|| Group { known, windows: IndexMap::new() });
            let target = Target { number, making, questions: questions.clone(), column: Mutex::new(column) };
            group.windows.entry(window).or_default().push(target);
        }
        let mut keys: IndexMap<&str, Key> = IndexMap::new();
        let mut instants: HashMap<usize, Arc<[i64]>> = HashMap::new();
        for ((number, _), Group { known, windows }) in groups {
            let population = populations[number];
            let named = contract.entity_column(&population.entity).zip(numbered.get(&population.entity));
            let Some((column, numbered)) = named else { continue };
            let key = keys.entry(&population.entity).or_insert_with(|| Key {
                column: column.to_owned(),
                numbered: Arc::clone(numbered),
                populations: Vec::new(),
            });
            let at = instants.entry(number).or_insert_with(|| {
                population.at.iter().map(|at| at.as_microsecond()).collect::<Vec<i64>>().into()
            });
            let until = population.until.min(as_of).as_microsecond();
            key.populations.push(Measured::new((number, Arc::clone(at)), until, known, windows));
        }
        let event_time = contract.event_time().unwrap_or_default().to_owned();
        Self { event_time, keys: keys.into_values().collect(), sums, classes: Vec::new(), extracting: None }
    }

    /// Whether a file of a class with such event times matters.
    pub(crate) fn matters(&self, class: Class, times: &Range<i64>) -> bool {
        self.keys
            .iter()
            .flat_map(|key| &key.populations)
            .any(|population| population.times.overlap(class, times))
    }

    /// The same over sources of these classes, whose rows are extracted where that is asked for.
    pub(crate) fn over(self, classes: Vec<Class>, extracting: Option<Extracting>) -> Self {
        Self { classes, extracting, ..self }
    }

    /// The columns of the slots, by their numbers, and what was extracted.
    pub(crate) fn into_parts(self) -> Result<(HashMap<usize, Column>, Option<Extracting>), SqlError> {
        let windows =
            self.keys.into_iter().flat_map(|key| key.populations).flat_map(|population| population.windows);
        let columns: HashMap<usize, Column> = windows
            .flat_map(|targets| targets.targets)
            .map(|target| (target.number, target.column.into_inner().unwrap_or_else(PoisonError::into_inner)))
            .collect();
        Ok((added_up(columns, self.sums)?, self.extracting))
    }

    /// Adds the rows of a batch to the columns of every population.
    pub(crate) fn take(&self, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let class = self.classes[rows.source];
        if let Some(extracting) = &self.extracting {
            extracting
                .take(rows, self.keys.iter().map(|key| (key.column.as_str(), key.numbered.as_ref())))?;
        }
        let mut times = None;
        for key in &self.keys {
            let concerned: Vec<&Measured> =
                key.populations.iter().filter(|own| own.times.overlap(class, &rows.times)).collect();
            if concerned.is_empty() {
                continue;
            }
            let numbers = key.numbered.numbers(rows.column(&key.column)?)?;
            let (instants, nulls) = match &times {
                Some(known) => known,
                None => times.insert(rows.instants(&self.event_time)?),
            };
            let has_time = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            // Workers begin at different populations, so that none has to wait for another's.
            let first = rows.worker * concerned.len() / rows.workers.max(1);
            for population in concerned[first..].iter().chain(&concerned[..first]) {
                let unit_of = key.numbered.units(population.number);
                let mut batch =
                    Batch { units: vec![NOBODY; numbers.len()], after: vec![NEVER; numbers.len()] };
                for (row, &number) in numbers.iter().enumerate() {
                    let (unit, instant) = (unit_of(number), instants[row]);
                    let Some(&at) = population.at.get(unit as usize) else { continue };
                    let after = instant.saturating_sub(at);
                    let widest = population.widest;
                    let is_within = widest.from <= after && after < widest.to && instant < population.until;
                    if is_within && has_time(row) && population.leaves(class, unit, instant) {
                        (batch.units[row], batch.after[row]) = (unit, after);
                    }
                }
                population.take(&batch, rows)?;
            }
        }
        Ok(())
    }
}

impl Measured {
    fn new(
        (number, at): (usize, Arc<[i64]>),
        until: i64,
        known: Option<Arc<Known>>,
        windows: IndexMap<Window, Vec<Target>>,
    ) -> Self {
        let from = windows.keys().map(|window| window.from).min().unwrap_or_default();
        let to = windows.keys().map(|window| window.to).max().unwrap_or_default();
        let widest = Window { from, to };
        let times = Times::new(&at, widest, until, known.as_deref());
        let rings = rings(&windows.keys().copied().collect::<Vec<_>>());
        let targets = |(window, targets): (Window, Vec<Target>)| {
            let inside = rings.iter().enumerate().filter(|(_, ring)| is_inside(**ring, window));
            Targets { rings: inside.map(|(place, _)| place).collect(), targets }
        };
        let windows = windows.into_iter().map(targets).collect();
        Self { number, at, until, known, widest, times, rings, windows }
    }

    /// Whether a fact of a unit is still to be counted, or to be taken back.
    fn leaves(&self, class: Class, unit: u32, instant: i64) -> bool {
        match &self.known {
            Some(known) => known.leaves(class, unit, instant),
            None => class != Class::Removed,
        }
    }
}

/// The rows of a batch that a population has to do with.
struct Batch {
    /// The unit of each row.
    units: Vec<u32>,
    /// How long after the unit's instant it was, in microseconds; [`NEVER`] where there is no unit.
    after: Vec<i64>,
}

impl Measured {
    /// The rows that are in each ring.
    fn in_rings(&self, after: &[i64]) -> Vec<BooleanBuffer> {
        let mut bits: Vec<MutableBuffer> =
            self.rings.iter().map(|_| MutableBuffer::new_null(after.len())).collect();
        for (row, &after) in after.iter().enumerate().filter(|(_, after)| **after != NEVER) {
            let place = self.rings.partition_point(|ring| ring.to <= after);
            if self.rings.get(place).is_some_and(|ring| ring.from <= after) {
                set_bit(bits[place].as_slice_mut(), row);
            }
        }
        bits.into_iter().map(|bits| BooleanBuffer::new(bits.into(), 0, after.len())).collect()
    }
    fn take(&self, batch: &Batch, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let in_rings = self.in_rings(&batch.after);
        for Targets { rings, targets } in &self.windows {
            let of_window = rings.iter().map(|&ring| in_rings[ring].clone()).reduce(|all, ring| &all | &ring);
            let Some(within) = of_window else { continue };
            if within.count_set_bits() == 0 {
                continue;
            }
            let first = rows.worker * targets.len() / rows.workers.max(1);
            for target in targets[first..].iter().chain(&targets[..first]) {
                target.take(batch, &within, rows)?;
            }
        }
        Ok(())
    }
}

impl Target {
    fn take(&self, batch: &Batch, within: &BooleanBuffer, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let lock = || self.column.lock().unwrap_or_else(PoisonError::into_inner);
        if self.making == Making::Steps {
            let mut steps = vec![0u32; batch.units.len()];
            for &(step, question) in &self.questions {
                let counted =
                    rows.counted(question)?.map_or_else(|| within.clone(), |counted| &counted & within);
                counted.set_indices().for_each(|row| steps[row] |= 1 << step);
            }
            let passing = |(row, &steps): (usize, &u32)| Passing {
                unit: batch.units[row],
                after: batch.after[row],
                steps,
            };
            let passings = steps.iter().enumerate().filter(|(_, steps)| **steps != 0).map(passing).collect();
            lock().pass(passings);
            return Ok(());
        }
        let question = self.questions[0].1;
        let counted = rows.counted(question)?.map_or_else(|| within.clone(), |counted| &counted & within);
        if counted.count_set_bits() == 0 {
            return Ok(());
        }
        let counted = Counted { rows: &counted, units: &batch.units };
        let values = if self.making == Making::Count { None } else { rows.values(question)? };
        match values {
            Some(values) => lock().add(&counted, &values),
            None => {
                lock().count(&counted);
                Ok(())
            }
        }
    }
}
