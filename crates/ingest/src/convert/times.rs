//! From dates and instants. What has no zone is in UTC.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Builder, TimestampMicrosecondBuilder};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;

use super::reject::{Failures, describe, reject};

/// Nanoseconds of a microsecond, and of a day.
const MICROSECOND: i128 = 1_000;
const DAY: i128 = 86_400_000_000_000;

pub(super) fn convert(
    array: &ArrayRef,
    to: &DataType,
    failures: &mut Failures,
) -> Result<ArrayRef, ArrowError> {
    let utc = match array.data_type() {
        DataType::Timestamp(unit, _) => cast(array, &DataType::Timestamp(*unit, Some("UTC".into())))?,
        _ => Arc::clone(array),
    };
    // Since 1970, in nanoseconds.
    let at = |row: usize| match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            i128::from(utc.as_primitive::<TimestampSecondType>().value(row)) * 1_000_000_000
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            i128::from(utc.as_primitive::<TimestampMillisecondType>().value(row)) * 1_000_000
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            i128::from(utc.as_primitive::<TimestampMicrosecondType>().value(row)) * MICROSECOND
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            utc.as_primitive::<TimestampNanosecondType>().value(row).into()
        }
        _ => i128::from(utc.as_primitive::<Date32Type>().value(row)) * DAY,
    };
    let values = (0..array.len()).map(|row| array.is_valid(row).then(|| at(row)));
    let whole = |at: i128, unit: i128| (at.rem_euclid(unit) == 0).then(|| at.div_euclid(unit));
    match to {
        DataType::Timestamp(..) => {
            let mut instants = TimestampMicrosecondBuilder::with_capacity(array.len());
            for (row, at) in values.enumerate() {
                let instant = at.and_then(|at| i64::try_from(whole(at, MICROSECOND)?).ok());
                instants.append_option(instant);
                if at.is_some() && instant.is_none() {
                    reject(failures, row, shown(array, row), "an instant in whole microseconds");
                }
            }
            Ok(Arc::new(instants.finish().with_timezone("UTC")))
        }
        DataType::Date32 => {
            let mut dates = Date32Builder::with_capacity(array.len());
            for (row, at) in values.enumerate() {
                let date = at.and_then(|at| i32::try_from(whole(at, DAY)?).ok());
                dates.append_option(date);
                if at.is_some() && date.is_none() {
                    reject(failures, row, shown(array, row), describe(to));
                }
            }
            Ok(Arc::new(dates.finish()))
        }
        _ => cast(&utc, to),
    }
}

fn shown(array: &ArrayRef, row: usize) -> String {
    arrow::util::display::array_value_to_string(array, row).unwrap_or_default()
}
