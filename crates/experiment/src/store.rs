//! Results of measurements, kept and read back.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::logical_expr::lit;
use datafusion::prelude::ident;
use tranche_schema::platform::{self, estimates as columns};
use tranche_sql::{Session, SqlError, column_text, instant_literal};
use tranche_store::{Commit, CommitMode, Lake};

use crate::error::ExperimentError;
use crate::result::{EstimateRow, ExperimentResult};

/// The folder of the table of estimates.
pub const ESTIMATES_TABLE: &str = "estimates";

/// Stores a result in place of an earlier one for the same experiment and `as_of`; returns the rows written.
///
/// # Errors
/// [`ExperimentError::Store`] when it cannot be committed.
pub async fn write(result: &ExperimentResult, lake: &Lake, session: &Session, transaction: &str) -> Result<u64, ExperimentError> {
    let batch = to_batch(result)?;
    let rows = batch.num_rows() as u64;
    let same = ident(columns::EXPERIMENT)
        .eq(lit(result.experiment.as_str()))
        .and(ident(platform::AS_OF).eq(instant_literal(result.as_of)));
    let mode = match read(lake, session, &result.experiment).await? {
        Some(stored) if stored.as_of == result.as_of => CommitMode::OverwriteWhere(same),
        _ => CommitMode::Append,
    };
    let plan = session.frame(batch.schema(), vec![batch])?.logical_plan().clone();
    let identity = format!("{transaction}/{}", result.experiment);
    lake.commit(session.shared_state(), Commit::new(ESTIMATES_TABLE, &identity, mode, plan)).await?;
    Ok(rows)
}

/// The latest result of an experiment up to the session's `as_of`.
///
/// # Errors
/// [`ExperimentError`] when it cannot be read.
pub async fn read(lake: &Lake, session: &Session, experiment: &str) -> Result<Option<ExperimentResult>, ExperimentError> {
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
    let whole = serde_json::to_string(result).map_err(failed)?;
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
    let rows: Vec<&EstimateRow> = if result.estimates.is_empty() { vec![&nothing] } else { result.estimates.iter().collect() };
    let text = |value: &dyn Fn(&EstimateRow) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| value(row))))
    };
    let count = |value: &dyn Fn(&EstimateRow) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| i64::try_from(value(row)).ok()).collect::<Int64Array>())
    };
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_value(result.as_of.as_microsecond(), rows.len()).with_timezone("UTC")),
        text(&|_| result.experiment.clone()),
        text(&|row| row.metric.clone()),
        text(&|row| row.role.name().to_owned()),
        text(&|row| row.segment.clone()),
        text(&|row| row.variant.clone()),
        count(&|row| row.n),
        count(&|row| row.control_n),
    ];
    for name in columns::NUMBERS {
        arrays.push(Arc::new(rows.iter().map(|row| number(row, name)).collect::<Float64Array>()));
    }
    arrays.push(Arc::new((0..rows.len()).map(|row| (row == 0).then_some(whole.as_str())).collect::<StringArray>()));
    Ok(RecordBatch::try_new(columns::schema(), arrays).map_err(SqlError::from)?)
}

fn number(row: &EstimateRow, name: &str) -> Option<f64> {
    match name.split_once('_') {
        Some(("absolute", part)) => EstimateRow::number(&row.absolute, part),
        Some(("relative", part)) => EstimateRow::number(&row.relative, part),
        Some(_) => row.control_mean,
        None => row.mean,
    }
}
