//! `x AT TIME ZONE 'zone'`: the wall clock of an instant in a zone, or the instant of a wall clock in it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::as_given::as_given;

/// The function that AT TIME ZONE becomes.
///
/// | of | is |
/// |---|---|
/// | an instant, or a date | what clocks in the zone show then |
/// | a timestamp without zone | the instant at which clocks in the zone show it |
/// | a text without offset | the same; with offset, the instant itself |
///
/// Of a time that clocks show twice it is the later instant; one that they skip is as far behind the change as it is ahead of it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AtTimeZone {
    signature: Signature,
}

impl AtTimeZone {
    pub(crate) const NAME: &str = "at_time_zone";

    pub(crate) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [of, zone] = arguments else { return plan_err!("AT TIME ZONE takes an instant and a zone") };
        if !matches!(zone, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            return plan_err!("the zone of AT TIME ZONE is a text such as 'Europe/Berlin'");
        }
        let of = match of {
            DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Timestamp(_, Some(_)) | DataType::Date32 | DataType::Date64 | DataType::Null => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            other => return plan_err!("AT TIME ZONE takes an instant, not a value of type {other}"),
        };
        Ok(vec![of, DataType::Utf8])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match &arguments[0] {
            DataType::Timestamp(_, Some(_)) | DataType::Date32 | DataType::Date64 | DataType::Null => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            _ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = ColumnarValue::values_to_arrays(&arguments.args)?;
        let mut zones = Zones::default();
        let zone_of = values[1].as_string::<i32>();
        let found: TimestampMicrosecondArray = match values[0].data_type() {
            DataType::Utf8 => {
                let texts = values[0].as_string::<i32>();
                let rows = texts.iter().zip(zone_of);
                rows.map(|(text, zone)| match text.zip(zone) {
                    Some((text, zone)) => instant_of_text(text, zones.get(zone)?).map(Some),
                    None => Ok(None),
                })
                .collect::<Result<_>>()?
            }
            data_type => {
                let is_instant = matches!(data_type, DataType::Timestamp(_, Some(_)));
                let times = cast(&values[0], &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                let times: &PrimitiveArray<TimestampMicrosecondType> = times.as_primitive();
                let rows = times.iter().zip(zone_of);
                rows.map(|(time, zone)| match time.zip(zone) {
                    Some((time, zone)) if is_instant => wall_clock(time, zones.get(zone)?).map(Some),
                    Some((time, zone)) => instant(civil(time)?, zones.get(zone)?).map(Some),
                    None => Ok(None),
                })
                .collect::<Result<_>>()?
            }
        };
        let found: ArrayRef = match arguments.return_field.data_type() {
            DataType::Timestamp(_, Some(zone)) => Arc::new(found.with_timezone(Arc::clone(zone))),
            _ => Arc::new(found),
        };
        as_given(&arguments.args, &found)
    }
}

/// The zone of the row before, which is most often that of the next one.
#[derive(Default)]
struct Zones {
    last: Option<(String, TimeZone)>,
}

impl Zones {
    fn get(&mut self, name: &str) -> Result<&TimeZone> {
        if self.last.as_ref().is_none_or(|(known, _)| known != name) {
            let Ok(zone) = TimeZone::get(name) else {
                return exec_err!("there is no time zone `{name}`; write one such as Europe/Berlin");
            };
            self.last = Some((name.to_owned(), zone));
        }
        match &self.last {
            Some((_, zone)) => Ok(zone),
            None => exec_err!("there is no time zone `{name}`"),
        }
    }
}

fn civil(microseconds: i64) -> Result<DateTime> {
    match Timestamp::from_microsecond(microseconds) {
        Ok(instant) => Ok(TimeZone::UTC.to_datetime(instant)),
        Err(error) => exec_err!("{error}"),
    }
}

fn wall_clock(microseconds: i64, zone: &TimeZone) -> Result<i64> {
    let instant = match Timestamp::from_microsecond(microseconds) {
        Ok(instant) => instant,
        Err(error) => return exec_err!("{error}"),
    };
    Ok(microseconds + i64::from(zone.to_offset(instant).seconds()) * 1_000_000)
}

fn instant(clock: DateTime, zone: &TimeZone) -> Result<i64> {
    let ambiguous = zone.to_ambiguous_timestamp(clock);
    let offset = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { before, .. } => before,
        AmbiguousOffset::Fold { after, .. } => after,
    };
    match offset.to_timestamp(clock) {
        Ok(instant) => Ok(instant.as_microsecond()),
        Err(error) => exec_err!("{error}"),
    }
}

fn instant_of_text(text: &str, zone: &TimeZone) -> Result<i64> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_microsecond());
    }
    match text.parse::<DateTime>() {
        Ok(clock) => instant(clock, zone),
        Err(_) => exec_err!("`{text}` is not a time; write one such as 2026-03-29 02:30:00"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(clock: &str, expected: &str) {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let found = instant(clock.parse().unwrap(), &zone).unwrap();
        assert_eq!(Timestamp::from_microsecond(found).unwrap().to_string(), expected, "{clock}");
    }

    /// As PostgreSQL has it.
    #[test]
    fn times_that_clocks_skip_or_show_twice_have_an_instant() {
        check("2026-03-29T01:59:59", "2026-03-29T00:59:59Z");
        check("2026-03-29T02:30:00", "2026-03-29T01:30:00Z");
        check("2026-10-25T02:30:00", "2026-10-25T01:30:00Z");
        check("2026-07-01T12:00:00", "2026-07-01T10:00:00Z");
    }

    #[test]
    fn clocks_show_an_instant_by_the_offset_of_that_day() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (at, expected) in [
            ("2026-03-29T00:59:59Z", "2026-03-29T01:59:59"),
            ("2026-03-29T01:00:00Z", "2026-03-29T03:00:00"),
            ("1966-06-01T12:00:00Z", "1966-06-01T13:00:00"),
        ] {
            let shown = wall_clock(at.parse::<Timestamp>().unwrap().as_microsecond(), &zone).unwrap();
            assert_eq!(civil(shown).unwrap().to_string(), expected);
        }
    }
}
