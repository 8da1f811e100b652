//! The rows of a fact table, each added to the columns of the units that it is about.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_schema::Contract;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_sql::pass::{self, Question, Rows};

use crate::columns::{Column, Counted, Making, Passing};
use crate::plan::Slot;
use crate::population::{Population, Window};

/// No unit of a population.
const NOBODY: u32 = u32::MAX;
/// Before all windows.
const NEVER: i64 = i64::MIN;

/// The keys of an entity's units.
pub(crate) struct Numbered {
    index: KeyIndex,
    /// By population, the unit of each number; `None` where they are the same.
    units: HashMap<usize, Option<Vec<u32>>>,
}

/// What is looked up for each row of a table, and filled.
pub(crate) struct Reading {
    event_time: String,
    keys: Vec<Key>,
}

/// A column that names units.
struct Key {
    column: String,
    numbered: Arc<Numbered>,
    populations: Vec<Measured>,
}

/// A population whose facts are in the table.
struct Measured {
    number: usize,
    /// The instant of each unit, microseconds.
    at: Vec<i64>,
    until: i64,
    /// From the beginning of the first window to the end of the last.
    widest: Window,
    /// The event times that matter.
    times: Range<i64>,
    windows: Vec<Targets>,
}

/// The columns of a window.
struct Targets {
    window: Window,
    targets: Vec<Target>,
}

struct Target {
    slot: usize,
    making: Making,
    questions: Vec<(u8, usize)>,
    column: Mutex<Column>,
}

impl Numbered {
    /// The numbers of the keys of these populations.
    pub(crate) fn new<'a>(populations: impl Iterator<Item = (usize, &'a Population)>) -> Result<Self, SqlError> {
        let mut index: Option<KeyIndex> = None;
        let mut units = HashMap::new();
        for (place, population) in populations {
            let index = index.get_or_insert_with(|| KeyIndex::new(population.keys.data_type()));
            let numbers = index.insert(&population.keys)?;
            let is_same = numbers.iter().zip(0u32..).all(|(number, unit)| *number == Some(unit));
            units.insert(place, (!is_same).then_some(numbers));
        }
        let index = index.unwrap_or_else(|| KeyIndex::new(&DataType::Utf8));
        let by_number = |numbers: Vec<Option<u32>>| {
            let mut units = vec![NOBODY; index.len() as usize];
            for (number, unit) in numbers.into_iter().zip(0u32..) {
                if let Some(number) = number {
                    units[number as usize] = unit;
                }
            }
            units
        };
        let units = units.into_iter().map(|(place, numbers)| (place, numbers.map(by_number))).collect();
        Ok(Self { index, units })
    }
}

impl Reading {
    /// What is looked up in the table of a contract. `numbered` has the keys of the populations of each entity.
    pub(crate) fn new(
        contract: &Contract,
        (slots, questions): (&[Slot], &[Question]),
        populations: &[&Population],
        numbered: &HashMap<String, Arc<Numbered>>,
        as_of: Timestamp,
    ) -> Result<Self, SqlError> {
        let mut keys: IndexMap<&str, Key> = IndexMap::new();
        for (number, population) in populations.iter().enumerate() {
            let own = slots.iter().enumerate().filter(|(_, slot)| slot.table == contract.table && slot.population == number);
            let mut windows: IndexMap<Window, Vec<Target>> = IndexMap::new();
            for (place, slot) in own {
                let value = questions[slot.questions[0].1].value.as_ref();
                let value_type = value.map(|value| pass::type_of(value, contract)).transpose()?;
                let column = Mutex::new(Column::new(slot.making, value_type.as_ref(), population.at.len()));
                let target = Target { slot: place, making: slot.making, questions: slot.questions.clone(), column };
                windows.entry(slot.window).or_default().push(target);
            }
            let named = contract.entity_column(&population.entity).zip(numbered.get(&population.entity));
            let Some((column, numbered)) = named.filter(|_| !windows.is_empty()) else { continue };
            let key = keys.entry(&population.entity).or_insert_with(|| Key {
                column: column.to_owned(),
                numbered: Arc::clone(numbered),
                populations: Vec::new(),
            });
            let windows = windows.into_iter().map(|(window, targets)| Targets { window, targets }).collect();
            key.populations.push(Measured::new(population, number, population.until.min(as_of), windows));
        }
        let event_time = contract.event_time().unwrap_or_default().to_owned();
        Ok(Self { event_time, keys: keys.into_values().collect() })
    }

    /// The columns that are looked at in each row.
    pub(crate) fn columns(&self) -> Vec<&str> {
        std::iter::once(self.event_time.as_str()).chain(self.keys.iter().map(|key| key.column.as_str())).collect()
    }

    /// The event times that matter, in microseconds.
    pub(crate) fn times(&self) -> Range<i64> {
        let all = self.keys.iter().flat_map(|key| &key.populations).map(|population| population.times.clone());
        all.filter(|times| !times.is_empty()).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or_default()
    }

    /// The columns of the slots, by their numbers.
    pub(crate) fn into_columns(self) -> impl Iterator<Item = (usize, Column)> {
        let windows = self.keys.into_iter().flat_map(|key| key.populations).flat_map(|population| population.windows);
        let targets = windows.flat_map(|window| window.targets);
        targets.map(|target| (target.slot, target.column.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Measured {
    fn new(population: &Population, number: usize, until: Timestamp, windows: Vec<Targets>) -> Self {
        let at: Vec<i64> = population.at.iter().map(|at| at.as_microsecond()).collect();
        let until = until.as_microsecond();
        let from = windows.iter().map(|targets| targets.window.from).min().unwrap_or_default();
        let to = windows.iter().map(|targets| targets.window.to).max().unwrap_or_default();
        let first = at.iter().min().map_or(i64::MAX, |first| first.saturating_add(from));
        let last = at.iter().max().map_or(i64::MIN, |last| last.saturating_add(to)).min(until);
        Self { number, at, until, widest: Window { from, to }, times: first..last, windows }
    }

    /// Whether it may have events in these times.
    fn overlaps(&self, times: &Range<i64>) -> bool {
        self.times.start < times.end && times.start < self.times.end
    }
}

impl Reading {
    /// Adds the rows of a batch to the columns of every population.
    pub(crate) fn take(&self, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let mut times = None;
        for key in &self.keys {
            let concerned: Vec<&Measured> = key.populations.iter().filter(|own| own.overlaps(&rows.times)).collect();
            if concerned.is_empty() {
                continue;
            }
            let numbers = key.numbered.index.numbers(rows.column(&key.column)?)?;
            let (instants, nulls) = match &times {
                Some(known) => known,
                None => times.insert(rows.instants(&self.event_time)?),
            };
            let is_known = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            // Workers begin at different populations, so that none has to wait for another's.
            let first = rows.worker * concerned.len() / rows.workers.max(1);
            for population in concerned[first..].iter().chain(&concerned[..first]) {
                let units = key.numbered.units.get(&population.number).and_then(Option::as_ref);
                let mut batch = Batch { units: vec![NOBODY; numbers.len()], after: vec![NEVER; numbers.len()] };
                for (row, &number) in numbers.iter().enumerate() {
                    let unit = match units {
                        Some(units) => units.get(number as usize).copied().unwrap_or(NOBODY),
                        None => number,
                    };
                    let Some(&at) = population.at.get(unit as usize) else { continue };
                    let after = instants[row].saturating_sub(at);
                    let widest = population.widest;
                    if widest.from <= after && after < widest.to && instants[row] < population.until && is_known(row) {
                        (batch.units[row], batch.after[row]) = (unit, after);
                    }
                }
                population.take(&batch, rows)?;
            }
        }
        Ok(())
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
    fn take(&self, batch: &Batch, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        for Targets { window, targets } in &self.windows {
            let after = batch.after.as_slice();
            let within = BooleanBuffer::collect_bool(after.len(), |row| window.from <= after[row] && after[row] < window.to);
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
                let counted = rows.counted(question)?.map_or_else(|| within.clone(), |counted| &counted & within);
                counted.set_indices().for_each(|row| steps[row] |= 1 << step);
            }
            let passing = |(row, &steps): (usize, &u32)| Passing { unit: batch.units[row], after: batch.after[row], steps };
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
        match rows.values(question)? {
            Some(values) => lock().add(&counted, &values),
            None => {
                lock().count(&counted);
                Ok(())
            }
        }
    }
}
