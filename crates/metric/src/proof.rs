//! The proof of what follows from what was kept: for some units, everything is computed again from all facts.

use std::collections::HashMap;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, concat_batches, filter};
use arrow::datatypes::{DataType, SchemaRef};
use tranche_sql::fused::Extract;
use tranche_sql::keys::KeyShare;
use tranche_sql::{Source, SqlError, TableSources};

use crate::columns::Column;
use crate::error::{MetricError, Mismatch};
use crate::extracting::Extracting;
use crate::known::Class;
use crate::numbered::Numbered;
use crate::population::Population;
use crate::table::{Classed, Table, path_of, times_of};

/// The facts of the units that are computed again, by the file that they are in.
pub(crate) struct SampleFacts {
    share: KeyShare,
    schema: SchemaRef,
    by_file: HashMap<String, RecordBatch>,
    are_too_many: bool,
}

impl SampleFacts {
    /// Those that were copied before, where they are of as many units and have the columns that are looked at now.
    pub(crate) fn new(share: KeyShare, schema: SchemaRef, known: Option<Extract>) -> Self {
        let known =
            known.filter(|known| known.rows.schema() == schema && share.greatest() <= known.share.greatest());
        let by_file =
            known.iter().flat_map(Extract::by_file).map(|(path, rows)| (path.to_owned(), rows)).collect();
        Self { share, schema, by_file, are_too_many: false }
    }

    /// Adds what was copied from files, in place of what was known of them: it is of all units that there are now.
    pub(crate) fn add(&mut self, copied: Option<Extracting>) -> Result<(), SqlError> {
        let Some(copied) = copied else { return Ok(()) };
        let Some(files) = copied.into_files() else {
            self.are_too_many = true;
            return Ok(());
        };
        for (path, batches) in files {
            self.by_file.insert(path, concat_batches(&self.schema, &batches)?);
        }
        Ok(())
    }

    /// Those of a table's files; nothing when they are too many to be kept.
    pub(crate) fn of(mut self, sources: &[Source]) -> Result<Option<Extract>, SqlError> {
        if self.are_too_many {
            return Ok(None);
        }
        let files =
            sources.iter().filter_map(path_of).filter_map(|path| self.by_file.remove_entry(path)).collect();
        Extract::of(self.share, &self.schema, files).map(Some)
    }

    /// A source in its place: the facts that were copied from it.
    fn instead(&self, source: &Source) -> Classed {
        let known = path_of(source).and_then(|path| self.by_file.get(path));
        let rows = |rows: &RecordBatch| {
            let times = times_of(source);
            Source::Rows { rows: rows.clone(), range: (times.start, times.end) }
        };
        (Class::Added, known.map_or_else(|| source.clone(), rows))
    }
}

/// Computes the columns of a sample of the units from all of their facts, and holds what was found against it. Returns the rows that were
/// read from files.
///
/// # Errors
/// [`MetricError::Proof`] with the first unit that differs.
pub(crate) async fn prove(
    table: &Table<'_>,
    found: &HashMap<usize, Column>,
    sources: &TableSources,
    sample: &mut SampleFacts,
) -> Result<u64, MetricError> {
    let drawn = table
        .populations
        .iter()
        .map(|population| drawn(population, sample.share))
        .collect::<Result<Vec<_>, _>>()?;
    let populations: Vec<&Population> = drawn.iter().map(|(population, _)| population).collect();
    let numbered = Numbered::by_entity(&populations)?;
    let again = Table { populations: &populations, numbered: &numbered, ..*table };
    let classed: Vec<Classed> = sources.sources.iter().map(|source| sample.instead(source)).collect();
    let share = Some(sample.share).filter(|_| !sample.are_too_many);
    let pieces = again.run(again.nothing()?, classed, sources, share).await?;
    sample.add(pieces.extracting)?;
    for (place, slot) in table.own() {
        let (Some(found), Some(again)) = (found.get(&place), pieces.columns.get(&place)) else { continue };
        let (population, units) = &drawn[slot.population];
        let everyone: Vec<u32> = (0..).take(units.len()).collect();
        let (found, again) = (found.picked(units), again.picked(&everyone));
        if let Some(unit) = found.differs(&again) {
            let key = cast(&population.keys.slice(unit, 1), &DataType::Utf8).map_err(SqlError::from)?;
            return Err(MetricError::Proof(Box::new(Mismatch {
                population: population.name.clone(),
                unit: key.as_string::<i32>().value(0).to_owned(),
                table: table.contract.table.clone(),
                column: slot.shown(table.questions),
                incremental: found.shown(unit),
                full: again.shown(unit),
            })));
        }
    }
    Ok(pieces.rows_read.saturating_sub(pieces.rows_in_memory))
}

/// The units of a population that are in a share of the keys, and their places.
fn drawn(population: &Population, share: KeyShare) -> Result<(Population, Vec<u32>), SqlError> {
    let held = share.holds(&population.keys, population.keys.data_type())?;
    let units: Vec<u32> = held.set_indices().filter_map(|unit| u32::try_from(unit).ok()).collect();
    let keys = filter(&population.keys, &BooleanArray::new(held, None))?;
    let at = units.iter().map(|&unit| population.at[unit as usize]).collect();
    let (name, entity) = (population.name.clone(), population.entity.clone());
    Ok((Population { name, entity, keys, at, until: population.until }, units))
}
