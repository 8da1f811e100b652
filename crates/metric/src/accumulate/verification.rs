//! Sampled verification of columns that continue from saved state: for some units, everything is recomputed
//! from all facts.

use std::collections::HashMap;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, concat_batches, filter};
use arrow::datatypes::{DataType, SchemaRef};
use tranche_sql::keys::KeyShare;
use tranche_sql::scan::Extract;
use tranche_sql::{Source, SqlError, TableSources};

use super::column::Column;
use super::coverage::FileClass;
use super::fact_table::{ClassedSource, FactTable, path_of, times_of};
use super::key_index::EntityKeys;
use super::sample_capture::SampleCapture;
use crate::error::{MetricError, Mismatch};
use crate::plan::{ColumnId, IdList, Population, PopulationId, UnitIndex};

/// The facts of the sampled units, by the file that they are in.
pub(crate) struct SampleFacts {
    share: KeyShare,
    schema: SchemaRef,
    by_file: HashMap<String, RecordBatch>,
    are_too_many: bool,
}

impl SampleFacts {
    /// Begins with saved facts, where they are of as many units and have the columns that are read now.
    pub(crate) fn new(share: KeyShare, schema: SchemaRef, saved: Option<Extract>) -> Self {
        let saved =
            saved.filter(|saved| saved.rows.schema() == schema && share.greatest() <= saved.share.greatest());
        let by_file =
            saved.iter().flat_map(Extract::by_file).map(|(path, rows)| (path.to_owned(), rows)).collect();
        Self { share, schema, by_file, are_too_many: false }
    }

    /// Adds facts captured from files, in place of saved ones: they are of all units that there are now.
    pub(crate) fn add(&mut self, captured: Option<SampleCapture>) -> Result<(), SqlError> {
        let Some(captured) = captured else { return Ok(()) };
        let Some(files) = captured.into_files() else {
            self.are_too_many = true;
            return Ok(());
        };
        for (path, batches) in files {
            self.by_file.insert(path, concat_batches(&self.schema, &batches)?);
        }
        Ok(())
    }

    /// The facts of a table's files; `None` when they are too many to be saved.
    pub(crate) fn of(mut self, sources: &[Source]) -> Result<Option<Extract>, SqlError> {
        if self.are_too_many {
            return Ok(None);
        }
        let files =
            sources.iter().filter_map(path_of).filter_map(|path| self.by_file.remove_entry(path)).collect();
        Extract::of(self.share, &self.schema, files).map(Some)
    }

    /// The facts of a source, or the source itself where they are not known.
    fn instead_of(&self, source: &Source) -> ClassedSource {
        let known = path_of(source).and_then(|path| self.by_file.get(path));
        let rows = |rows: &RecordBatch| {
            let times = times_of(source);
            Source::Rows { rows: rows.clone(), range: (times.start, times.end) }
        };
        (FileClass::Added, known.map_or_else(|| source.clone(), rows))
    }
}

/// Recomputes the columns of the sampled units from all of their facts, and compares them with those found.
/// Returns the rows that were read from files.
///
/// # Errors
/// [`MetricError::Mismatch`] with the first unit that differs.
pub(crate) async fn verify_sample(
    table: &FactTable<'_>,
    found: &HashMap<ColumnId, Column>,
    sources: &TableSources,
    sample: &mut SampleFacts,
) -> Result<u64, MetricError> {
    let drawn = table.populations.iter().map(|(_, population)| drawn(population, sample.share));
    let drawn = drawn.collect::<Result<IdList<PopulationId, _>, _>>()?;
    let populations: IdList<PopulationId, &Population> =
        drawn.iter().map(|(_, drawn)| &drawn.sampled).collect();
    let keys = EntityKeys::by_entity(&populations)?;
    let again = FactTable { populations: &populations, keys: &keys, ..*table };
    let classed: Vec<ClassedSource> =
        sources.sources.iter().map(|source| sample.instead_of(source)).collect();
    let share = Some(sample.share).filter(|_| !sample.are_too_many);
    let recomputed = again.run(again.empty_columns()?, classed, sources, share).await?;
    sample.add(recomputed.capture)?;
    for (id, spec) in table.own() {
        let (Some(found), Some(full)) = (found.get(&id), recomputed.columns.get(&id)) else { continue };
        let Drawn { sampled, units } = &drawn[spec.population];
        let (found, full) =
            (found.picked(units), full.picked(&UnitIndex::all(units.len()).collect::<Vec<_>>()));
        if let Some(unit) = found.first_difference(&full) {
            let key = cast(&sampled.keys.slice(unit, 1), &DataType::Utf8).map_err(SqlError::from)?;
            return Err(MetricError::Mismatch(Box::new(Mismatch {
                population: sampled.name.clone(),
                unit: key.as_string::<i32>().value(0).to_owned(),
                table: table.contract.table.clone(),
                column: spec.describe(table.queries),
                incremental: found.describe(unit),
                full: full.describe(unit),
            })));
        }
    }
    Ok(recomputed.rows_read.saturating_sub(recomputed.rows_in_memory))
}

/// The sampled units of a population.
struct Drawn {
    sampled: Population,
    /// Their places in the whole population.
    units: Vec<UnitIndex>,
}

/// The units of a population whose keys are in a share.
fn drawn(population: &Population, share: KeyShare) -> Result<Drawn, SqlError> {
    let held = share.holds(&population.keys, population.keys.data_type())?;
    let places = held.set_indices().filter_map(|unit| u32::try_from(unit).ok());
    let units: Vec<UnitIndex> = places.map(UnitIndex).collect();
    let keys = filter(&population.keys, &BooleanArray::new(held, None))?;
    let at = units.iter().map(|unit| population.at[unit.place()]).collect();
    let (name, entity) = (population.name.clone(), population.entity.clone());
    Ok(Drawn { sampled: Population { name, entity, keys, at, until: population.until }, units })
}
