//! Results of measurements, kept and read back: estimates with the whole result, and beside them their series by day.

mod days;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use tranche_schema::layout;
use tranche_schema::platform::{self, estimates as columns};
use tranche_sql::{Session, SqlError, column_text, instant_literal};
use tranche_store::{Commit, CommitMode, Lake};

use crate::error::ExperimentError;
use crate::result::{Effect, EstimateRow, ExperimentResult};
use crate::series::Series;

/// The folder of the table of estimates.
pub const ESTIMATES_TABLE: &str = layout::ESTIMATES.folder;

/// The folder of the table of series.
pub const SERIES_TABLE: &str = layout::ESTIMATE_SERIES.folder;

/// Stores the results of a measurement in place of earlier ones for the same experiments and `as_of`; returns the rows written.
///
/// All results become visible together. The series come first: with its estimates a result is there, and its series with it.
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
    for (table, to_batch) in [(SERIES_TABLE, days::to_batch as ToBatch), (ESTIMATES_TABLE, to_batch)] {
        let batches = results.iter().map(to_batch).collect::<Result<Vec<_>, _>>()?;
        let Some(schema) = batches.first().map(RecordBatch::schema) else { continue };
        let written = batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        let replaces = has_rows(table, results, lake, session).await?;
        if written == 0 && !replaces {
            continue;
        }
        rows += written;
        let mode = if replaces { CommitMode::OverwriteWhere(same(results)) } else { CommitMode::Append };
        let plan = session.frame(schema, batches)?.logical_plan().clone();
        lake.commit(session.shared_state(), Commit::new(table, transaction, mode, plan)).await?;
    }
    Ok(rows)
}

/// The rows of a result in one of the tables.
type ToBatch = fn(&ExperimentResult) -> Result<RecordBatch, ExperimentError>;

/// The rows of results.
fn same(results: &[ExperimentResult]) -> Expr {
    let of = |result: &ExperimentResult| {
        let own = ident(columns::EXPERIMENT).eq(lit(result.experiment.as_str()));
        own.and(ident(platform::AS_OF).eq(instant_literal(result.as_of)))
    };
    results.iter().map(of).reduce(Expr::or).unwrap_or_else(|| lit(false))
}

/// Whether a table has rows of an earlier measurement at the same instant.
async fn has_rows(
    table: &str,
    results: &[ExperimentResult],
    lake: &Lake,
    session: &Session,
) -> Result<bool, ExperimentError> {
    let Some(snapshot) = lake.snapshot(table).await? else { return Ok(false) };
    let frame = session
        .read(&snapshot)
        .await?
        .filter(same(results))
        .and_then(|f| f.limit(0, Some(1)))
        .and_then(|f| f.select(vec![ident(platform::AS_OF)]))
        .map_err(SqlError::engine)?;
    Ok(session.collect_frame(frame).await?.batches.iter().any(|batch| batch.num_rows() > 0))
}

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
    result.series.points = days::read(&result, lake, session).await?;
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

fn to_batch(result: &ExperimentResult) -> Result<RecordBatch, ExperimentError> {
    let failed = |source| ExperimentError::Stored { experiment: result.experiment.clone(), source };
    // The points of the series are rows of a table of their own.
    let series = Series { points: Vec::new(), ..result.series.clone() };
    let whole = serde_json::to_string(&ExperimentResult { series, ..result.clone() }).map_err(failed)?;
    // A measurement without any estimate still has a result to keep.
    let nothing = EstimateRow {
        metric: String::new(),
        role: crate::MetricRole::Goal,
        segment: tranche_segment::EVERYONE.to_owned(),
        variant: String::new(),
        n: 0,
        mean: None,
        variance: None,
        control_n: 0,
        control_mean: None,
        control_variance: None,
        adjusted_mean: None,
        control_adjusted_mean: None,
        absolute: serde_json::Value::Null,
        relative: serde_json::Value::Null,
        basis: crate::Basis::default(),
        family: None,
        uncapped: None,
        steps: Vec::new(),
        undefined: None,
        alternative: None,
        non_inferiority: None,
        conclusion: None,
    };
    let rows: Vec<&EstimateRow> =
        if result.estimates.is_empty() { vec![&nothing] } else { result.estimates.iter().collect() };
    let text = |value: &dyn Fn(&EstimateRow) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| value(row))))
    };
    let count = |value: &dyn Fn(&EstimateRow) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| i64::try_from(value(row)).ok()).collect::<Int64Array>())
    };
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(
            TimestampMicrosecondArray::from_value(result.as_of.as_microsecond(), rows.len())
                .with_timezone("UTC"),
        ),
        text(&|_| result.experiment.clone()),
        text(&|row| row.metric.clone()),
        text(&|row| row.role.name().to_owned()),
        text(&|row| row.segment.clone()),
        text(&|row| row.variant.clone()),
        count(&|row| row.n),
        count(&|row| row.control_n),
    ];
    for name in columns::NUMBERS {
        let effects = |row: &EstimateRow| (Effect::of(&row.absolute), Effect::of(&row.relative));
        let number = |row: &&EstimateRow| {
            let (absolute, relative) = effects(row);
            number(name, (row.mean, row.control_mean), (absolute.as_ref(), relative.as_ref()))
        };
        arrays.push(Arc::new(rows.iter().map(number).collect::<Float64Array>()));
    }
    arrays.push(Arc::new(
        (0..rows.len()).map(|row| (row == 0).then_some(whole.as_str())).collect::<StringArray>(),
    ));
    arrays.push(Arc::new(BooleanArray::from(vec![result.trustworthy; rows.len()])));
    Ok(RecordBatch::try_new(columns::schema(), arrays).map_err(SqlError::from)?)
}

/// The number that belongs into one of the columns [`columns::NUMBERS`], of the two means and the two effects.
fn number(
    name: &str,
    (mean, control_mean): (Option<f64>, Option<f64>),
    (absolute, relative): (Option<&Effect>, Option<&Effect>),
) -> Option<f64> {
    let of = |effect: Option<&Effect>, part: &str| effect.and_then(|effect| effect.number(part));
    match name.split_once('_') {
        Some(("absolute", part)) => of(absolute, part),
        Some(("relative", part)) => of(relative, part),
        Some(_) => control_mean,
        None => mean,
    }
}
