//! Sampled verification of columns that continue from saved state: for some units, everything is recomputed
//! from all facts.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray};
use arrow::compute::{cast, filter};
use arrow::datatypes::DataType;
use tranche_incremental::{FileClass, Mismatch, SampleRows};
use tranche_sql::keys::KeyShare;
use tranche_sql::scan::{Scanned, TableSources};
use tranche_sql::{Session, SqlError};

use super::column::Column;
use super::fact_scan::{FactReader, FactScan};
use super::fact_table::{ClassedSource, FactTable};
use super::key_index::EntityKeys;
use crate::error::MetricError;
use crate::plan::{ColumnId, IdList, Population, PopulationId, UnitIndex};

/// Recomputes the columns of the sampled units from all of their facts, and compares them with those found.
/// Returns the rows that were read from files.
///
/// # Errors
/// [`MetricError::Mismatch`] with the first unit that differs.
pub(crate) async fn verify_sample(
    table: &FactTable<'_>,
    session: &Session,
    found: &HashMap<ColumnId, Column>,
    sources: &TableSources,
    sample: &mut SampleRows,
) -> Result<u64, MetricError> {
    let drawn = table.populations.iter().map(|(_, population)| drawn(population, sample.share()));
    let drawn = drawn.collect::<Result<IdList<PopulationId, _>, _>>()?;
    let populations: IdList<PopulationId, &Population> =
        drawn.iter().map(|(_, drawn)| &drawn.sampled).collect();
    let keys = EntityKeys::by_entity(&populations)?;
    let again = FactTable { populations: &populations, ..*table };
    let classed: Vec<ClassedSource> =
        sources.sources.iter().map(|source| (FileClass::Added, sample.instead_of(source))).collect();
    let scan = FactScan {
        table: again,
        columns: again.empty_columns()?,
        objects: Arc::clone(&sources.objects),
        sources: classed,
        share: sample.capture(),
    };
    let recomputed = scan.run(FactReader { keys: &keys, session }).await?;
    let Scanned { partial, rows_read, rows_in_memory, .. } = recomputed;
    let (recomputed, captured) = partial.finish()?;
    sample.add(captured.0);
    for (id, spec) in table.own() {
        let (Some(found), Some(full)) = (found.get(&id), recomputed.get(&id)) else { continue };
        let Drawn { sampled, units } = &drawn[spec.population];
        let (found, full) =
            (found.picked(units), full.picked(&UnitIndex::all(units.len()).collect::<Vec<_>>()));
        if let Some(unit) = found.first_difference(&full) {
            let key = cast(&sampled.keys.slice(unit, 1), &DataType::Utf8).map_err(SqlError::from)?;
            return Err(MetricError::Mismatch(Box::new(Mismatch {
                population: sampled.name.clone(),
                key: key.as_string::<i32>().value(0).to_owned(),
                table: table.contract.table.clone(),
                quantity: spec.describe(table.queries),
                used_by: Vec::new(),
                incremental: found.describe(unit),
                full: full.describe(unit),
            })));
        }
    }
    Ok(rows_read.saturating_sub(rows_in_memory))
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
