//! The facts of one table: all of them, or those that are new since an earlier measurement.
//!
//! A file never changes, so that each is kept, removed or added since. What was counted of a unit is true as long as its instant is
//! the same: facts of added files are added, and those of kept ones that were not there at the earlier `as_of`; those of removed
//! files are taken back. A unit that is new or whose instant moved begins with nothing, and takes all of its facts from all files. So
//! does one that lost a fact to a sum of floats, from which nothing can be taken back exactly.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;
use serde::Serialize;
use tranche_schema::Contract;
use tranche_sql::fused::{Extract, time_range};
use tranche_sql::keys::{KeyShare, Sample};
use tranche_sql::pass::{self, Pass, Question};
use tranche_sql::{Session, Source, SqlError, TableSources, Tables};

use crate::columns::{Column, Making};
use crate::error::MetricError;
use crate::extracting::Extracting;
use crate::kept::{Kept, KeptPopulation};
use crate::known::{Class, Known};
use crate::numbered::{NOBODY, Numbered};
use crate::plan::Slot;
use crate::population::Population;
use crate::proof::{SampleFacts, prove};
use crate::reading::{Reading, Start};

/// What is known of a table's facts before they are read.
#[derive(Debug)]
pub enum Past {
    /// Nothing, and nothing will be kept.
    Ignored,
    /// Nothing, and why.
    Unknown(String),
    /// What an earlier measurement left.
    Kept(Box<Kept>),
}

/// How the facts of a table were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FactsRead {
    /// The table.
    pub table: String,
    /// Whether something follows from what was kept.
    pub incremental: bool,
    /// Why the rest, or all of it, was computed from all facts.
    pub full_because: BTreeSet<String>,
    /// Rows that were read.
    pub rows_read: u64,
    /// Those of them that are no more, and were taken out of what was kept.
    pub rows_taken_back: u64,
}

/// A table, and what is asked of it.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) questions: &'a [Question],
    /// Those of all tables.
    pub(crate) slots: &'a [Slot],
    pub(crate) populations: &'a [&'a Population],
    /// The keys of the populations of each entity.
    pub(crate) numbered: &'a HashMap<String, Arc<Numbered>>,
    pub(crate) session: &'a Session,
}

/// What was found in a table.
pub(crate) struct Found {
    /// The columns of the slots, by their numbers.
    pub(crate) columns: HashMap<usize, Column>,
    pub(crate) read: FactsRead,
    /// The files that the table has, and the facts of the sample; nothing where nothing may be kept.
    pub(crate) sources: Option<(Vec<Source>, Option<Extract>)>,
}

/// What reading some sources gave.
pub(crate) struct Pieces {
    pub(crate) columns: HashMap<usize, Column>,
    pub(crate) extracting: Option<Extracting>,
    pub(crate) rows_read: u64,
    /// Those among them that were in memory.
    pub(crate) rows_in_memory: u64,
}

/// A source, and what it is to an earlier measurement.
pub(crate) type Classed = (Class, Source);

/// What columns begin with, and what is to be read.
struct Begun {
    starts: Vec<Start>,
    classed: Vec<Classed>,
    extract: Option<Extract>,
}

impl<'a> Table<'a> {
    /// Fills the columns of the table. What follows from what was kept is proved by a sample.
    ///
    /// # Errors
    /// [`MetricError::Proof`] with the first unit that differs.
    pub(crate) async fn read(
        &self,
        tables: &Tables,
        past: Past,
        sample: Sample,
    ) -> Result<Found, MetricError> {
        let mut read = FactsRead { table: self.contract.table.clone(), ..FactsRead::default() };
        let Some(sources) = tables.sources(&self.contract.table)? else {
            return Ok(Found { columns: HashMap::new(), read, sources: None });
        };
        let is_kept = !matches!(past, Past::Ignored) && are_files(&sources);
        let begun = self.begin(past, &sources, &mut read).await?;
        read.incremental = begun.starts.iter().any(|start| start.known.is_some());
        if !is_kept {
            let pieces = self.run(begun.starts, begun.classed, &sources, None).await?;
            read.rows_read += pieces.rows_read;
            return Ok(Found { columns: pieces.columns, read, sources: None });
        }
        let share = sample.share(self.units());
        let mut sample = SampleFacts::new(share, self.schema(), begun.extract);
        let pieces = self.run(begun.starts, begun.classed, &sources, Some(share)).await?;
        sample.add(pieces.extracting)?;
        read.rows_read += pieces.rows_read;
        if read.incremental {
            read.rows_read += prove(self, &pieces.columns, &sources, &mut sample).await?;
        }
        let extract = sample.of(&sources.sources)?;
        Ok(Found { columns: pieces.columns, read, sources: Some((sources.sources, extract)) })
    }

    /// The columns of this table.
    pub(crate) fn own(&self) -> impl Iterator<Item = (usize, &'a Slot)> + use<'a> {
        let table = self.contract.table.as_str();
        self.slots.iter().enumerate().filter(move |(_, slot)| slot.table == table)
    }

    /// Columns with nothing in them.
    pub(crate) fn nothing(&self) -> Result<Vec<Start>, SqlError> {
        let start = |(place, slot): (usize, &Slot)| {
            Ok(Start { slot: place, making: slot.making, column: self.empty(slot)?, known: None })
        };
        self.own().map(start).collect()
    }

    /// Reads sources into columns; copies the facts of a share of the units from its files.
    pub(crate) async fn run(
        &self,
        starts: Vec<Start>,
        classed: Vec<Classed>,
        sources: &TableSources,
        share: Option<KeyShare>,
    ) -> Result<Pieces, SqlError> {
        let reading = self.reading(starts);
        let matters = |(class, source): &Classed| reading.matters(*class, &times_of(source));
        let (classes, chosen): (Vec<Class>, Vec<Source>) = classed.into_iter().filter(matters).unzip();
        let files = chosen.iter().map(|source| path_of(source).map(str::to_owned)).collect();
        let rows_in_memory = chosen
            .iter()
            .map(|source| if let Source::Rows { rows, .. } = source { rows.num_rows() } else { 0 });
        let rows_in_memory = rows_in_memory.sum::<usize>() as u64;
        let reading = Arc::new(reading.over(classes, share.map(|share| Extracting::new(share, files))));
        let columns = self.columns();
        let pass = Pass {
            contract: self.contract,
            sources: TableSources { sources: chosen, ..sources.clone() },
            columns: columns.iter().map(String::as_str).collect(),
            questions: self.questions.to_vec(),
        };
        let shared = Arc::clone(&reading);
        let rows_read = pass::run(pass, self.session, move |rows| shared.take(rows)).await?;
        let ended =
            Arc::try_unwrap(reading).map_err(|_| SqlError::Engine("a pass has not ended".to_owned()))?;
        let (columns, extracting) = ended.into_parts()?;
        Ok(Pieces { columns, extracting, rows_read, rows_in_memory })
    }

    /// Begins with what was kept, without what was in files that are no more.
    async fn begin(
        &self,
        past: Past,
        sources: &TableSources,
        read: &mut FactsRead,
    ) -> Result<Begun, MetricError> {
        let reason = match past {
            Past::Ignored => None,
            Past::Unknown(reason) => Some(reason),
            Past::Kept(_) if !are_files(sources) => Some("its rows are in memory".to_owned()),
            Past::Kept(kept) => {
                let mut starts = self.since(&kept, &mut read.full_because)?;
                let classed = classed(&kept.files, &sources.sources);
                if self.is_less_to_read(&starts, &classed)? {
                    read.rows_taken_back = self.take_back(&mut starts, &classed, sources).await?;
                    read.rows_read += read.rows_taken_back;
                    let classed = classed.into_iter().filter(|(class, _)| *class != Class::Removed).collect();
                    return Ok(Begun { starts, classed, extract: kept.extract });
                }
                read.full_because.clear();
                Some("more of its files changed than there is to read".to_owned())
            }
        };
        read.full_because.extend(reason);
        Ok(Begun { starts: self.nothing()?, classed: classed(&[], &sources.sources), extract: None })
    }

    /// What was kept of each column, or nothing; and why.
    fn since(&self, kept: &Kept, reasons: &mut BTreeSet<String>) -> Result<Vec<Start>, SqlError> {
        let mut pasts: HashMap<usize, Option<PastUnits<'_>>> = HashMap::new();
        let mut starts = self.nothing()?;
        for start in &mut starts {
            let slot = &self.slots[start.slot];
            let population = self.populations[slot.population];
            let past = match pasts.entry(slot.population) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(self.past_units(slot.population, kept)?),
            };
            let Some(past) = past else {
                reasons.insert(format!("`{}` is new, or was measured at a later instant", population.name));
                continue;
            };
            let identity = slot.identity(self.questions, self.contract, &population.entity);
            match kept.column(past.kept, &identity, &past.places, population.at.len()) {
                Some(column) => (start.column, start.known) = (column, Some(Arc::clone(&past.known))),
                None => {
                    _ = reasons
                        .insert(format!("what is asked for `{}` is new, or cannot be kept", population.name))
                }
            }
        }
        Ok(starts)
    }

    /// The units of a population that were measured before and whose instant is the same.
    fn past_units<'k>(&self, number: usize, kept: &'k Kept) -> Result<Option<PastUnits<'k>>, SqlError> {
        let population = self.populations[number];
        let until = population.until.min(self.session.as_of()).as_microsecond();
        let Some(found) = kept.population(population).filter(|found| found.until <= until) else {
            return Ok(None);
        };
        let Some((keys, at)) = kept
            .units(found)
            .filter(|(keys, _)| keys.data_type().is_integer() == population.keys.data_type().is_integer())
        else {
            return Ok(None);
        };
        let Some(numbered) = self.numbered.get(&population.entity) else { return Ok(None) };
        let unit_of = numbered.units(number);
        let mut is_known = vec![false; population.at.len()];
        let place = |(number, at): (u32, &i64)| {
            let unit = unit_of(number);
            let is_same = population.at.get(unit as usize).is_some_and(|now| now.as_microsecond() == *at);
            if is_same {
                is_known[unit as usize] = true;
            }
            if is_same { unit } else { NOBODY }
        };
        let places = numbered.numbers(keys)?.into_iter().zip(at).map(place).collect();
        let known = Arc::new(Known { units: BooleanBuffer::from(is_known), before: found.until });
        Ok(Some(PastUnits { kept: found, places, known }))
    }

    /// Whether what is to be read since is less than all there is.
    fn is_less_to_read(&self, starts: &[Start], classed: &[Classed]) -> Result<bool, SqlError> {
        let reading = self.reading(self.taken_back(starts)?);
        let bytes = |is_read: &dyn Fn(&Classed) -> bool| -> u64 {
            let files = classed.iter().filter(|one| is_read(one)).map(|(_, source)| source);
            files.map(|source| if let Source::File(file) = source { file.size_bytes } else { 0 }).sum()
        };
        let since = bytes(&|(class, source)| reading.matters(*class, &times_of(source)));
        let all = bytes(&|(class, source)| {
            *class != Class::Removed && reading.matters(Class::Added, &times_of(source))
        });
        Ok(since <= all)
    }

    /// Columns for what is taken back; of what cannot be, the number of facts.
    fn taken_back(&self, starts: &[Start]) -> Result<Vec<Start>, SqlError> {
        let start = |start: &Start| {
            let slot = &self.slots[start.slot];
            let (making, column) = match start.column.is_exact() {
                true => (slot.making, self.empty(slot)?),
                false => (
                    Making::Count,
                    Column::new(Making::Count, None, self.populations[slot.population].at.len()),
                ),
            };
            Ok(Start { slot: start.slot, making, column, known: start.known.clone() })
        };
        starts.iter().map(start).collect()
    }

    /// Takes the facts of removed files out of what was kept; returns the rows that were read.
    async fn take_back(
        &self,
        starts: &mut [Start],
        classed: &[Classed],
        sources: &TableSources,
    ) -> Result<u64, SqlError> {
        let removed: Vec<Classed> =
            classed.iter().filter(|(class, _)| *class == Class::Removed).cloned().collect();
        if removed.is_empty() {
            return Ok(0);
        }
        let mut pieces = self.run(self.taken_back(starts)?, removed, sources, None).await?;
        // By population, the units that lost something of a sum of floats; what is known of the others is the same for all such sums.
        let mut losers: HashMap<usize, BTreeSet<usize>> = HashMap::new();
        for start in starts.iter_mut().filter(|start| start.known.is_some()) {
            let Some(taken) = pieces.columns.remove(&start.slot) else { continue };
            match start.column.is_exact() {
                true => start.column.take_away(taken)?,
                false => losers.entry(self.slots[start.slot].population).or_default().extend(taken.touched()),
            }
        }
        let mut rest: HashMap<usize, Arc<Known>> = HashMap::new();
        for start in starts.iter_mut().filter(|start| !start.column.is_exact()) {
            let population = self.slots[start.slot].population;
            let (Some(units), Some(known)) = (losers.get(&population), &start.known) else { continue };
            start.known =
                Some(Arc::clone(rest.entry(population).or_insert_with(|| Arc::new(known.without(units)))));
            start.column.clear(units);
        }
        Ok(pieces.rows_read)
    }

    fn reading(&self, starts: Vec<Start>) -> Reading {
        Reading::new(self.contract, self.slots, starts, self.populations, self.numbered, self.session.as_of())
    }

    fn empty(&self, slot: &Slot) -> Result<Column, SqlError> {
        let value = self.questions[slot.questions[0].1].value.as_ref();
        let value_type = value.map(|value| pass::type_of(value, self.contract)).transpose()?;
        Ok(Column::new(slot.making, value_type.as_ref(), self.populations[slot.population].at.len()))
    }

    /// The columns that are looked at in each row.
    fn columns(&self) -> Vec<String> {
        let entities: BTreeSet<&str> =
            self.own().map(|(_, slot)| self.populations[slot.population].entity.as_str()).collect();
        let keys = entities.into_iter().filter_map(|entity| self.contract.entity_column(entity));
        self.contract.event_time().into_iter().chain(keys).map(str::to_owned).collect()
    }

    /// The columns of copied facts.
    fn schema(&self) -> SchemaRef {
        let columns = self.columns();
        pass::schema(self.contract, &columns.iter().map(String::as_str).collect::<Vec<_>>(), self.questions)
    }

    /// How many units there are of the entity that has the fewest.
    fn units(&self) -> u32 {
        let entities = self.own().map(|(_, slot)| &self.populations[slot.population].entity);
        entities
            .filter_map(|entity| self.numbered.get(entity))
            .map(|numbered| numbered.index().len())
            .min()
            .unwrap_or_default()
    }
}

/// The units that were measured before.
struct PastUnits<'k> {
    kept: &'k KeptPopulation,
    /// The unit of now of each unit then.
    places: Vec<u32>,
    known: Arc<Known>,
}

fn are_files(sources: &TableSources) -> bool {
    sources.sources.iter().all(|source| matches!(source, Source::File(_)))
}

/// What each source is to a table that had these files.
fn classed(before: &[Source], now: &[Source]) -> Vec<Classed> {
    let paths = |sources: &'_ [Source]| {
        sources.iter().filter_map(path_of).map(str::to_owned).collect::<HashSet<String>>()
    };
    let (were, are) = (paths(before), paths(now));
    let is_in =
        |paths: &HashSet<String>, source: &Source| path_of(source).is_some_and(|path| paths.contains(path));
    let class = |source: &Source| if is_in(&were, source) { Class::Kept } else { Class::Added };
    let removed =
        before.iter().filter(|source| !is_in(&are, source)).map(|source| (Class::Removed, source.clone()));
    now.iter().map(|source| (class(source), source.clone())).chain(removed).collect()
}

/// The path of a source that is a file.
pub(crate) fn path_of(source: &Source) -> Option<&str> {
    match source {
        Source::File(file) => Some(&file.path),
        Source::Rows { .. } => None,
    }
}

/// The event times that a source may hold, in microseconds.
pub(crate) fn times_of(source: &Source) -> Range<i64> {
    let (from, to) = time_range(source);
    from..to
}
