//! Series by day, as rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type};
use datafusion::prelude::ident;
use jiff::civil::{Date, date};
use jiff::{Span, ToSpan};
use tranche_schema::platform::{estimate_series as columns, estimates};
use tranche_scorecard::{Effect, ExperimentResult, Interval, MetricRole, SeriesPoint, SeriesSpan};
use tranche_sql::{Session, SqlError, column_text};
use tranche_store::Lake;

use super::rows::{SERIES_TABLE, number, same};
use crate::error::ExperimentError;

/// Arrow counts days from here.
const FIRST: Date = date(1970, 1, 1);

/// The points of a result, a row each.
pub(super) fn to_batch(result: &ExperimentResult) -> Result<RecordBatch, ExperimentError> {
    let points = &result.series.points;
    let text = |value: &dyn Fn(&SeriesPoint) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(points.iter().map(value)))
    };
    let count = |value: &dyn Fn(&SeriesPoint) -> u64| -> ArrayRef {
        Arc::new(points.iter().map(|point| i64::try_from(value(point)).ok()).collect::<Int64Array>())
    };
    let day = |point: &SeriesPoint| FIRST.until(point.day).map(|length| length.get_days()).ok();
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(
            TimestampMicrosecondArray::from_value(result.as_of.as_microsecond(), points.len())
                .with_timezone("UTC"),
        ),
        text(&|_| result.experiment.clone()),
        text(&|point| point.metric.clone()),
        text(&|point| point.role.name().to_owned()),
        text(&|point| point.variant.clone()),
        Arc::new(points.iter().map(day).collect::<Date32Array>()),
        text(&|point| point.span.name().to_owned()),
        count(&|point| point.n),
        count(&|point| point.control_n),
    ];
    for name in estimates::NUMBERS {
        let of = |point: &SeriesPoint| {
            number(name, (point.mean, point.control_mean), (point.absolute.as_ref(), point.relative.as_ref()))
        };
        arrays.push(Arc::new(points.iter().map(of).collect::<Float64Array>()));
    }
    arrays.push(Arc::new(BooleanArray::from(vec![result.trustworthy; points.len()])));
    Ok(RecordBatch::try_new(columns::schema(), arrays).map_err(SqlError::from)?)
}

/// The points of a stored result, in the order of its estimates, then by day; none in lakes from before they
/// were kept.
pub(super) async fn read(
    result: &ExperimentResult,
    lake: &Lake,
    session: &Session,
) -> Result<Vec<SeriesPoint>, ExperimentError> {
    let Some(snapshot) = lake.snapshot(SERIES_TABLE).await? else { return Ok(Vec::new()) };
    let names = columns::schema().fields().iter().map(|field| ident(field.name())).collect::<Vec<_>>();
    let frame = session
        .read(&snapshot)
        .await?
        .filter(same(std::slice::from_ref(result)))
        .and_then(|f| f.select(names))
        .map_err(SqlError::engine)?;
    let mut points = Vec::new();
    for batch in session.collect_frame(frame).await?.batches {
        points.extend(from_batch(&batch)?);
    }
    let place = |point: &SeriesPoint| {
        let own = |role, metric: &str, variant: &str| {
            role == point.role && metric == point.metric && variant == point.variant
        };
        result.estimates.iter().position(|row| own(row.role, &row.metric, &row.variant))
    };
    points.sort_by_cached_key(|point| (place(point), point.day, point.span == SeriesSpan::Cumulative));
    Ok(points)
}

fn from_batch(batch: &RecordBatch) -> Result<Vec<SeriesPoint>, ExperimentError> {
    let one = std::slice::from_ref(batch);
    let place = |name: &str| batch.schema().index_of(name).map_err(SqlError::from);
    let text = |name: &str| -> Result<Vec<Option<String>>, SqlError> { column_text(one, place(name)?) };
    let (metrics, roles) = (text(estimates::METRIC)?, text(estimates::ROLE)?);
    let (variants, spans) = (text(estimates::VARIANT)?, text(columns::SPAN)?);
    let days = cast(batch.column(place(columns::DAY)?), &DataType::Date32).map_err(SqlError::from)?;
    let count = |name: &str| cast(batch.column(place(name)?), &DataType::Int64).map_err(SqlError::from);
    let (n, control_n) = (count(estimates::N)?, count(estimates::CONTROL_N)?);
    let number = |name: &str, row: usize| -> Option<f64> {
        let column = batch.column_by_name(name)?.as_primitive_opt::<Float64Type>()?;
        column.is_valid(row).then(|| column.value(row))
    };
    let point = |row: usize| -> Option<SeriesPoint> {
        let effect = |scale: &str| {
            let of = |part: &str| number(&format!("{scale}_{part}"), row);
            let ci = Interval::between(of("lower"), of("upper"));
            Some(Effect { se: of("se"), ci, p: of("p"), ..Effect::of(of("effect")?) })
        };
        let day: Span = i64::from(days.as_primitive::<Date32Type>().value(row)).days();
        Some(SeriesPoint {
            metric: metrics[row].clone()?,
            role: MetricRole::named(roles[row].as_deref()?)?,
            variant: variants[row].clone()?,
            day: FIRST.checked_add(day).ok()?,
            span: SeriesSpan::named(spans[row].as_deref()?)?,
            n: u64::try_from(n.as_primitive::<Int64Type>().value(row)).ok()?,
            mean: number("mean", row),
            control_n: u64::try_from(control_n.as_primitive::<Int64Type>().value(row)).ok()?,
            control_mean: number("control_mean", row),
            absolute: effect("absolute"),
            relative: effect("relative"),
        })
    };
    Ok((0..batch.num_rows()).filter_map(point).collect())
}
