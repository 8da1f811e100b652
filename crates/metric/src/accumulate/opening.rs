//! What columns begin with: nothing, or what an earlier measurement saved.
//!
//! A file never changes, so that each is kept, removed or added since. A unit's saved values are valid as
//! long as its instant is the same: facts of added files are added, and those of kept files that were not
//! there at the earlier `as_of`; those of removed files are subtracted. A unit that is new or whose instant
//! moved begins empty, and takes all of its facts from all files. So does one that lost a fact of a sum of
//! floats, from which nothing can be subtracted exactly.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use tranche_incremental::{FileClass, classify};
use tranche_sql::SqlError;
use tranche_sql::scan::{Extract, Scanned, Source, TableSources};

use super::coverage::Coverage;
use super::fact_accumulators::FactAccumulators;
use super::fact_scan::{FactReader, FactScan};
use super::fact_table::{ClassedSource, FactTable};
use super::key_index::KeysByEntity;
use super::pane_columns::OpenColumn;
use super::saved_state::{SavedColumns, SavedPopulation, SavedState};
use crate::plan::{Accumulator, PopulationId, UnitIndex};

/// What is known of a table's facts before they are read.
pub(crate) enum PriorState {
    /// Nothing, and nothing will be saved.
    Ignored,
    /// Nothing, and why.
    Absent(String),
    /// What an earlier measurement saved.
    Saved(Box<SavedState>),
}

/// What columns begin with, and what is to be read.
pub(crate) struct Opening {
    pub(crate) columns: Vec<OpenColumn>,
    pub(crate) classed: Vec<ClassedSource>,
    /// The saved facts of the sample.
    pub(crate) sample: Option<Extract>,
    /// Why columns begin empty.
    pub(crate) full_because: BTreeSet<String>,
    /// Rows of removed files, which were subtracted.
    pub(crate) rows_subtracted: u64,
}

/// Whether all sources are files.
pub(crate) fn are_files(sources: &TableSources) -> bool {
    sources.sources.iter().all(|source| matches!(source, Source::File(_)))
}

/// Begins with prior state, less the facts of removed files, where that leaves less to read than all there
/// is.
pub(crate) async fn open(
    table: &FactTable<'_>,
    reader: FactReader<'_>,
    prior: PriorState,
    sources: &TableSources,
) -> Result<Opening, SqlError> {
    let reason = match prior {
        PriorState::Ignored => None,
        PriorState::Absent(reason) => Some(reason),
        PriorState::Saved(_) if !are_files(sources) => Some("its rows are in memory".to_owned()),
        PriorState::Saved(saved) => {
            let SavedState { files, header, parts, sample, .. } = *saved;
            let (mut columns, full_because) =
                continued(table, reader.keys, SavedColumns { header: &header, parts: &parts })?;
            let classed = classify(&files, sources.sources.clone());
            if is_less_to_read(table, reader.keys, &columns, &classed)? {
                let (removed, classed): (Vec<_>, Vec<_>) =
                    classed.into_iter().partition(|(class, _)| *class == FileClass::Removed);
                let rows_subtracted = subtract(table, reader, &mut columns, removed, sources).await?;
                return Ok(Opening { columns, classed, sample, full_because, rows_subtracted });
            }
            Some("more of its files changed than there is to read".to_owned())
        }
    };
    Ok(Opening {
        columns: table.empty_columns()?,
        classed: classify(&[], sources.sources.clone()),
        sample: None,
        full_because: reason.into_iter().collect(),
        rows_subtracted: 0,
    })
}

/// The units of a population that were measured before.
struct SavedUnits<'s> {
    saved: &'s SavedPopulation,
    /// The present unit of each saved one.
    places: Vec<UnitIndex>,
    coverage: Arc<Coverage>,
}

/// Each column as it was saved, or empty; and why.
fn continued(
    table: &FactTable<'_>,
    keys: &KeysByEntity,
    saved: SavedColumns<'_>,
) -> Result<(Vec<OpenColumn>, BTreeSet<String>), SqlError> {
    let mut reasons = BTreeSet::new();
    let mut units: HashMap<PopulationId, Option<SavedUnits<'_>>> = HashMap::new();
    let mut columns = table.empty_columns()?;
    for column in &mut columns {
        let spec = &table.columns[column.id];
        let population = table.populations[spec.population];
        let units = match units.entry(spec.population) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(saved_units(table, keys, spec.population, saved)?),
        };
        let Some(units) = units else {
            reasons.insert(format!("`{}` is new, or was measured at a later instant", population.name));
            continue;
        };
        let identity = spec.identity(table.queries, table.contract, &population.entity);
        match saved.column(units.saved, &identity, &units.places, population.at.len()) {
            Some(values) => (column.column, column.coverage) = (values, Some(Arc::clone(&units.coverage))),
            None => {
                let reason = format!("what is asked for `{}` is new, or cannot be saved", population.name);
                reasons.insert(reason);
            }
        }
    }
    Ok((columns, reasons))
}

/// The units of a population that were measured before and whose instant is the same.
fn saved_units<'s>(
    table: &FactTable<'_>,
    keys: &KeysByEntity,
    id: PopulationId,
    saved: SavedColumns<'s>,
) -> Result<Option<SavedUnits<'s>>, SqlError> {
    let population = table.populations[id];
    let Some(found) = saved.population(population).filter(|found| found.until <= table.until(population))
    else {
        return Ok(None);
    };
    let is_integer = population.keys.data_type().is_integer();
    let units = saved.units(found).filter(|(keys, _)| keys.data_type().is_integer() == is_integer);
    let (Some((saved_keys, at)), Some(entity)) = (units, keys.get(&population.entity)) else {
        return Ok(None);
    };
    let unit_of = entity.units(id);
    let mut is_covered = vec![false; population.at.len()];
    let place = |(number, at): (u32, &i64)| {
        let unit = unit_of(number);
        let now = population.at.get(unit.place());
        if now.is_none_or(|now| now.as_microsecond() != *at) {
            return UnitIndex::NONE;
        }
        is_covered[unit.place()] = true;
        unit
    };
    let places = entity.numbers(saved_keys)?.into_iter().zip(at).map(place).collect();
    let coverage = Arc::new(Coverage { units: BooleanBuffer::from(is_covered), before: found.until });
    Ok(Some(SavedUnits { saved: found, places, coverage }))
}

/// Whether less must be read to continue than to read all files.
fn is_less_to_read(
    table: &FactTable<'_>,
    keys: &KeysByEntity,
    columns: &[OpenColumn],
    classed: &[ClassedSource],
) -> Result<bool, SqlError> {
    let accumulators = FactAccumulators::new(table, to_subtract(table, columns)?, keys)?;
    let bytes = |is_read: &dyn Fn(&ClassedSource) -> bool| -> u64 {
        let files = classed.iter().filter(|one| is_read(one)).map(|(_, source)| source);
        files.map(|source| if let Source::File(file) = source { file.size_bytes } else { 0 }).sum()
    };
    let continued = bytes(&|(class, source)| accumulators.matters(*class, source));
    let all = bytes(&|(class, source)| {
        *class != FileClass::Removed && accumulators.matters(FileClass::Added, source)
    });
    Ok(continued <= all)
}

/// Columns for what is subtracted; the number of facts where nothing can be subtracted exactly.
fn to_subtract(table: &FactTable<'_>, columns: &[OpenColumn]) -> Result<Vec<OpenColumn>, SqlError> {
    let open = |OpenColumn { id, column, coverage, .. }: &OpenColumn| {
        let (accumulator, column) = match column.is_exact() {
            true => (table.columns[*id].accumulator, table.empty(*id)?),
            false => (Accumulator::Count, table.empty_counts(*id)),
        };
        Ok(OpenColumn { id: *id, accumulator, column, coverage: coverage.clone() })
    };
    columns.iter().map(open).collect()
}

/// Subtracts the facts of removed files from saved columns; returns the rows that were read.
async fn subtract(
    table: &FactTable<'_>,
    reader: FactReader<'_>,
    columns: &mut [OpenColumn],
    removed: Vec<ClassedSource>,
    sources: &TableSources,
) -> Result<u64, SqlError> {
    if removed.is_empty() {
        return Ok(0);
    }
    let scan = FactScan {
        table: *table,
        columns: to_subtract(table, columns)?,
        objects: Arc::clone(&sources.objects),
        sources: removed,
        share: None,
    };
    let Scanned { partial, rows_read, .. } = scan.run(reader).await?;
    let (mut removed, _) = partial.finish()?;
    // By population, the units that lost a fact of a sum of floats; all such sums of a population cover the
    // same.
    let mut losers: HashMap<PopulationId, BTreeSet<usize>> = HashMap::new();
    for column in columns.iter_mut().filter(|column| column.coverage.is_some()) {
        let Some(facts) = removed.remove(&column.id) else { continue };
        match column.column.is_exact() {
            true => column.column.subtract(facts)?,
            false => {
                losers.entry(table.columns[column.id].population).or_default().extend(facts.touched());
            }
        }
    }
    let mut rest: HashMap<PopulationId, Arc<Coverage>> = HashMap::new();
    for column in columns.iter_mut().filter(|column| !column.column.is_exact()) {
        let population = table.columns[column.id].population;
        let (Some(units), Some(coverage)) = (losers.get(&population), &column.coverage) else { continue };
        let without = rest.entry(population).or_insert_with(|| Arc::new(coverage.without(units)));
        column.coverage = Some(Arc::clone(without));
        column.column.clear(units);
    }
    Ok(rows_read)
}
