//! A text as the instant that it is written as, in microseconds, for expressions over raw rows.
//!
//! Authors write `to_timestamp`, which is the engine's: it counts nanoseconds, whose 64 bits begin in 1677 and end in 2262. This takes its
//! place for rows that it fails for, such as those with 9999-12-31.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondBuilder};
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::{DataType, TimeUnit};
use chrono::format::{Parsed, StrftimeItems, parse};
use chrono::{DateTime, Utc};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The function: a text, and formats of which the first that fits counts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct InstantText {
    signature: Signature,
}

impl InstantText {
    /// What it takes the place of.
    pub(crate) const NAME: &str = "to_timestamp";

    pub(crate) fn function() -> Arc<ScalarUDF> {
        let signature = Signature::variadic(vec![DataType::Utf8], Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Self { signature }))
    }
}

impl ScalarUDFImpl for InstantText {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, None))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let Some((texts, formats)) = arrays.split_first() else {
            return exec_err!("{} needs a text", Self::NAME);
        };
        let texts = texts.as_string::<i32>();
        let mut instants = TimestampMicrosecondBuilder::with_capacity(texts.len());
        for (row, text) in texts.iter().enumerate() {
            instants.append_option(text.map(|text| instant(text, formats, row)).transpose()?);
        }
        Ok(ColumnarValue::Array(Arc::new(instants.finish())))
    }
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
