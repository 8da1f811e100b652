//! Estimates as rows; the first of a result has the whole of it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use tranche_schema::platform::estimates as columns;
use tranche_scorecard::{EstimateRow, ExperimentResult, MetricRole, Series};
use tranche_segment::EVERYONE;
use tranche_sql::SqlError;

use super::rows::number;
use crate::error::ExperimentError;

/// The estimates of a result, a row each.
pub(super) fn to_batch(result: &ExperimentResult) -> Result<RecordBatch, ExperimentError> {
    let failed = |source| ExperimentError::Stored { experiment: result.experiment.clone(), source };
    // The points of the series are rows of a table of their own.
    let series = Series { points: Vec::new(), ..result.series.clone() };
    let whole = serde_json::to_string(&ExperimentResult { series, ..result.clone() }).map_err(failed)?;
    // A measurement without any estimate still has a result to keep.
    let nothing = EstimateRow::undefined("", MetricRole::Goal, EVERYONE, "", "nothing was estimated");
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
        let number = |row: &&EstimateRow| {
            number(name, (row.mean, row.control_mean), (row.absolute.effect(), row.relative.effect()))
        };
        arrays.push(Arc::new(rows.iter().map(number).collect::<Float64Array>()));
    }
    arrays.push(Arc::new(
        (0..rows.len()).map(|row| (row == 0).then_some(whole.as_str())).collect::<StringArray>(),
    ));
    arrays.push(Arc::new(BooleanArray::from(vec![result.trustworthy; rows.len()])));
    Ok(RecordBatch::try_new(columns::schema(), arrays).map_err(SqlError::from)?)
}
