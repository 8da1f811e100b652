//! Rejected rows and why.

use datafusion::logical_expr::ident;
use tranche_schema::layout;
use tranche_schema::platform::quarantine as columns;
use tranche_sql::SqlError;

use super::rows::ResultRows;
use crate::failure::Failure;
use crate::tranche::Tranche;

const COLUMNS: [&str; 7] = [
    columns::SOURCE,
    columns::FILE,
    columns::ROW,
    columns::COLUMN,
    columns::REASON,
    columns::RAW,
    columns::REJECTED_AT,
];

/// The rejected rows of all sources, or of one; at most `limit`.
///
/// # Errors
/// [`Failure`] when there is no such source, or the lake cannot be read.
pub async fn list(tranche: &Tranche, source: Option<&str>, limit: usize) -> Result<ResultRows, Failure> {
    let known = || tranche.definitions.pipelines.values().flat_map(|pipeline| pipeline.sources.keys());
    if let Some(source) = source
        && !known().any(|name| name == source)
    {
        return Err(Failure::definition(format!("there is no source `{source}`")));
    }
    let lake = tranche.lake()?;
    let session = tranche.engine.session(tranche.instant_or_latest(None)?);
    let mut batches = Vec::new();
    let mut left = limit;
    for name in known().filter(|name| source.is_none_or(|source| source == *name)) {
        let Some(snapshot) = lake.snapshot(&layout::QUARANTINE.of(name)).await? else { continue };
        let order =
            [columns::REJECTED_AT, columns::FILE, columns::ROW].map(|name| ident(name).sort(true, false));
        let frame = session
            .read(&snapshot)
            .await?
            .sort(order.to_vec())
            .and_then(|f| f.limit(0, Some(left)))
            .and_then(|f| f.select(COLUMNS.map(ident).to_vec()))
            .map_err(SqlError::engine)?;
        let found = session.collect_frame(frame).await?;
        left -= found.rows().min(left);
        batches.extend(found.batches);
    }
    match batches.first() {
        Some(first) => ResultRows::from_batches(&first.schema(), &batches),
        None => Ok(ResultRows::empty(&COLUMNS)),
    }
}
