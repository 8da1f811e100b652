//! The tables of results: estimates with the whole result, and their series by day.

mod estimates;
mod rows;
mod series;

use arrow::array::RecordBatch;
use datafusion::logical_expr::lit;
use datafusion::prelude::ident;
use tranche_schema::platform::{self, estimates as columns};
use tranche_scorecard::ExperimentResult;
use tranche_sql::{Session, SqlError, column_text, instant_literal};
use tranche_store::{Commit, CommitMode, Lake};

use crate::error::ExperimentError;
pub use rows::{ESTIMATES_TABLE, SERIES_TABLE};
use rows::{has_rows, same};

/// Stores the results of a measurement in place of earlier ones for the same experiments and `as_of`; returns
/// the rows written.
///
/// All results become visible together. The series come first: with its estimates a result is there, and its
/// series with it.
///
/// # Errors
/// [`ExperimentError::Store`] when they cannot be committed.
pub async fn write(
    results: &[ExperimentResult],
    lake: &Lake,
    session: &Session,
    transaction: &str,
) -> Result<u64, ExperimentError> {
    let mut rows = 0;
    for (table, to_batch) in
        [(SERIES_TABLE, series::to_batch as ToBatch), (ESTIMATES_TABLE, estimates::to_batch)]
    {
        let batches = results.iter().map(to_batch).collect::<Result<Vec<_>, _>>()?;
        let Some(schema) = batches.first().map(RecordBatch::schema) else { continue };
        let written = batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        if written == 0 && !has_rows(table, results, lake, session).await? {
            continue;
        }
        rows += written;
        let mode = CommitMode::OverwriteWhere(same(results));
        let plan = session.frame(schema, batches)?.logical_plan().clone();
        lake.commit(session.shared_state(), Commit::new(table, transaction, mode, plan)).await?;
    }
    Ok(rows)
}

/// The rows of a result in one of the tables.
type ToBatch = fn(&ExperimentResult) -> Result<RecordBatch, ExperimentError>;

/// The latest result of an experiment up to the session's `as_of`, with its series.
///
/// # Errors
/// [`ExperimentError`] when it cannot be read.
pub async fn read(
    lake: &Lake,
    session: &Session,
    experiment: &str,
) -> Result<Option<ExperimentResult>, ExperimentError> {
    let Some(mut result) = read_without_series(lake, session, experiment).await? else { return Ok(None) };
    result.series.points = series::read(&result, lake, session).await?;
    Ok(Some(result))
}

/// The latest result of an experiment up to the session's `as_of`; its series have no points.
///
/// # Errors
/// [`ExperimentError`] when it cannot be read.
pub async fn read_without_series(
    lake: &Lake,
    session: &Session,
    experiment: &str,
) -> Result<Option<ExperimentResult>, ExperimentError> {
    let Some(snapshot) = lake.snapshot(ESTIMATES_TABLE).await? else { return Ok(None) };
    let own = ident(columns::EXPERIMENT)
        .eq(lit(experiment))
        .and(ident(columns::RESULT).is_not_null())
        .and(ident(platform::AS_OF).lt_eq(instant_literal(session.as_of())));
    let frame = session
        .read(&snapshot)
        .await?
        .filter(own)
        .and_then(|f| f.sort(vec![ident(platform::AS_OF).sort(false, false)]))
        .and_then(|f| f.limit(0, Some(1)))
        .and_then(|f| f.select(vec![ident(columns::RESULT)]))
        .map_err(SqlError::engine)?;
    let batches = session.collect_frame(frame).await?.batches;
    let Some(text) = column_text(&batches, 0)?.into_iter().flatten().next() else { return Ok(None) };
    let failed = |source| ExperimentError::Stored { experiment: experiment.to_owned(), source };
    serde_json::from_str(&text).map(Some).map_err(failed)
}
