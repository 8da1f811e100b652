//! Reading a fact table: columns are opened, filled, and, where they continue from saved state, verified.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;
use tranche_incremental::SampleRows;
use tranche_sql::keys::Sample;
use tranche_sql::scan::{Extract, Scanned};
use tranche_sql::{Source, Tables};

use super::column::Column;
use super::fact_scan::{FactReader, FactScan};
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
    reader: FactReader<'_>,
    tables: &Tables,
    prior: PriorState,
    sample: Sample,
) -> Result<Found, MetricError> {
    let mut read = FactsRead { table: table.contract.table.clone(), ..FactsRead::default() };
    let Some(sources) = tables.sources(&table.contract.table)? else {
        return Ok(Found { columns: HashMap::new(), read, sources: None });
    };
    let is_saved = !matches!(prior, PriorState::Ignored) && are_files(&sources);
    let opening = open(table, reader, prior, &sources).await?;
    read.incremental = opening.columns.iter().any(|column| column.coverage.is_some());
    read.full_because = opening.full_because;
    read.rows_taken_back = opening.rows_subtracted;
    read.rows_read = opening.rows_subtracted;
    let share = sample.share(table.units(reader.keys));
    let mut sample = SampleRows::new(share, table.schema(), opening.sample.as_ref());
    let scan = FactScan {
        table: *table,
        columns: opening.columns,
        objects: Arc::clone(&sources.objects),
        sources: opening.classed,
        share: sample.capture().filter(|_| is_saved),
    };
    let Scanned { partial, rows_read, .. } = scan.run(reader).await?;
    let (columns, captured) = partial.finish()?;
    read.rows_read += rows_read;
    if !is_saved {
        return Ok(Found { columns, read, sources: None });
    }
    sample.add(captured.0);
    if read.incremental {
        read.rows_read += verify_sample(table, reader.session, &columns, &sources, &mut sample).await?;
    }
    let extract = sample.into_extract(sources.sources.iter().filter_map(path_of))?;
    Ok(Found { columns, read, sources: Some((sources.sources, extract)) })
}
