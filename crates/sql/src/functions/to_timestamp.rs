//! `to_timestamp`: a text, a number of seconds, a date or another instant as an instant in microseconds.
//!
//! It takes the place of the engine's, which counts nanoseconds, whose 64 bits begin in 1677 and end in 2262: 9999-12-31 is a usual way
//! to write "for ever".

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::compute::cast;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use chrono::format::{Parsed, StrftimeItems, parse};
use chrono::{DateTime, Utc};
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::as_given::as_given;

/// The function: a value, and for a text formats of which the first that fits counts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ToTimestamp {
    signature: Signature,
}

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

impl ToTimestamp {
    pub(crate) const NAME: &str = "to_timestamp";

    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ToTimestamp {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let Some((of, formats)) = arguments.split_first() else {
            return plan_err!("{} takes a text, a number of seconds, a date or an instant", Self::NAME);
        };
        let own = match of {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            other if !formats.is_empty() => {
                return plan_err!(
                    "{} takes a pattern for a text, not for a value of type {other}",
                    Self::NAME
                );
            }
            DataType::Timestamp(_, zone) => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
            }
            DataType::Date32 | DataType::Date64 | DataType::Null => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            other if other.is_integer() => DataType::Int64,
            other if other.is_numeric() => DataType::Float64,
            other => return plan_err!("{} takes no value of type {other}", Self::NAME),
        };
        Ok(std::iter::once(own).chain(formats.iter().map(|_| DataType::Utf8)).collect())
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, None))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let Some((of, formats)) = arrays.split_first() else {
            return exec_err!("{} needs a value", Self::NAME);
        };
        let found: ArrayRef = match of.data_type() {
            DataType::Utf8 => of_texts(of, formats)?,
            DataType::Int64 => {
                let of_seconds = |seconds: i64| {
                    seconds
                        .checked_mul(SECOND)
                        .ok_or_else(|| exec_datafusion_err!("{seconds} s are no instant"))
                };
                let seconds: &Int64Array = of.as_primitive::<Int64Type>();
                let instants: TimestampMicrosecondArray = seconds.try_unary(of_seconds)?;
                Arc::new(instants)
            }
            DataType::Float64 => {
                let instants: TimestampMicrosecondArray =
                    of.as_primitive::<Float64Type>().try_unary(of_fraction)?;
                Arc::new(instants)
            }
            _ => cast(of, &DataType::Timestamp(TimeUnit::Microsecond, None))?,
        };
        as_given(&arguments.args, &found)
    }
}

/// A number of seconds, to the nearest microsecond.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "bounded before")]
fn of_fraction(seconds: f64) -> Result<i64> {
    let microseconds = (seconds * SECOND as f64).round();
    if microseconds.is_finite() && microseconds.abs() < i64::MAX as f64 {
        return Ok(microseconds as i64);
    }
    exec_err!("{seconds} s are no instant")
}

fn of_texts(texts: &ArrayRef, formats: &[ArrayRef]) -> Result<ArrayRef> {
    let texts = texts.as_string::<i32>();
    let mut instants = TimestampMicrosecondBuilder::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        instants.append_option(text.map(|text| instant(text, formats, row)).transpose()?);
    }
    Ok(Arc::new(instants.finish()))
}

/// Microseconds since 1970.
fn instant(text: &str, formats: &[ArrayRef], row: usize) -> Result<i64> {
    let at = match formats {
        [] => string_to_datetime(&"+00:00".parse::<Tz>()?, text)?.to_utc(),
        formats => {
            let given = formats.iter().map(|format| format.as_string::<i32>());
            let mut failed = None;
            let found = given.filter(|format| format.is_valid(row)).find_map(|format| {
                let format = format.value(row);
                formatted(text, format).map_err(|error| failed = Some((format, error))).ok()
            });
            found.ok_or_else(|| match failed {
                Some((format, error)) => {
                    exec_datafusion_err!(
                        "Error parsing timestamp from '{text}' using format '{format}': {error}"
                    )
                }
                None => exec_datafusion_err!("there is no format for '{text}'"),
            })?
        }
    };
    match at.timestamp_subsec_nanos() % 1_000 {
        0 => Ok(at.timestamp_micros()),
        _ => exec_err!("`{text}` is not an instant in whole microseconds"),
    }
}

/// What has no zone is in UTC, and what has no time of day at midnight.
fn formatted(text: &str, format: &str) -> chrono::ParseResult<DateTime<Utc>> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, StrftimeItems::new(format))?;
    parsed.to_datetime().map(|at| at.to_utc()).or_else(|_| {
        let local = parsed.to_naive_datetime_with_offset(0);
        local.or_else(|_| parsed.to_naive_date().map(Into::into)).map(|at| at.and_utc())
    })
}
