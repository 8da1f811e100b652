//! Reading a fact table: columns are opened, filled, and, where they continue from saved state, verified.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use tranche_incremental::SampleRows;
use tranche_sql::keys::Sample;
use tranche_sql::scan::Extract;
use tranche_sql::{Source, Tables};

use super::column::Column;
use super::fact_table::{FactTable, path_of};
use super::opening::{PriorState, are_files, open};
use super::verification::verify_sample;
use crate::error::MetricError;
use crate::plan::ColumnId;

/// How the facts of a table were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FactsRead {
    /// The table.
    pub table: String,
    /// Whether something continues from saved state.
    pub incremental: bool,
    /// Why the rest, or all of it, was computed from all facts.
    pub full_because: BTreeSet<String>,
    /// Rows that were read.
    pub rows_read: u64,
    /// Those of them that were in removed files, and were subtracted from saved state.
    pub rows_taken_back: u64,
}

/// What was found in a table.
pub(crate) struct Found {
    pub(crate) columns: HashMap<ColumnId, Column>,
    pub(crate) read: FactsRead,
    /// The files that the table has, and the facts of the sample; nothing where nothing may be saved.
    pub(crate) sources: Option<(Vec<Source>, Option<Extract>)>,
}

/// Fills the columns of a table. What continues from saved state is verified by a sample.
///
/// # Errors
/// [`MetricError::Mismatch`] with the first unit that differs.
pub(crate) async fn read_table(
    table: &FactTable<'_>,
    tables: &Tables,
    prior: PriorState,
    sample: Sample,
) -> Result<Found, MetricError> {
    let mut read = FactsRead { table: table.contract.table.clone(), ..FactsRead::default() };
    let Some(sources) = tables.sources(&table.contract.table)? else {
        return Ok(Found { columns: HashMap::new(), read, sources: None });
    };
    let is_saved = !matches!(prior, PriorState::Ignored) && are_files(&sources);
    let opening = open(table, prior, &sources).await?;
    read.incremental = opening.columns.iter().any(|column| column.coverage.is_some());
    read.full_because = opening.full_because;
    read.rows_taken_back = opening.rows_subtracted;
    read.rows_read = opening.rows_subtracted;
    if !is_saved {
        let scanned = table.run(opening.columns, opening.classed, &sources, None).await?;
        read.rows_read += scanned.rows_read;
        return Ok(Found { columns: scanned.columns, read, sources: None });
    }
    let share = sample.share(table.units());
    let mut sample = SampleRows::new(share, table.schema(), opening.sample.as_ref());
    let scanned = table.run(opening.columns, opening.classed, &sources, sample.capture()).await?;
    sample.add(scanned.captured);
    read.rows_read += scanned.rows_read;
    if read.incremental {
        read.rows_read += verify_sample(table, &scanned.columns, &sources, &mut sample).await?;
    }
    let extract = sample.into_extract(sources.sources.iter().filter_map(path_of))?;
    Ok(Found { columns: scanned.columns, read, sources: Some((sources.sources, extract)) })
}
