//! `date_trunc` of instants in UTC, of every year: the engine's goes by way of nanoseconds, which end in 2262.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, FieldRef, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Utc};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::functions::datetime::date_trunc;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::as_given::as_given;

/// The engine's function for times of day and other zones, and our own for instants in UTC.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct DateTrunc {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl DateTrunc {
    pub(crate) fn new() -> Self {
        Self { inner: date_trunc(), signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [unit, of] = arguments else { return plan_err!("date_trunc takes a unit and an instant") };
        if !unit.is_string() {
            return plan_err!("the unit of date_trunc is a text such as 'month'");
        }
        let of = match of {
            DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) => of.clone(),
            DataType::Date32 | DataType::Date64 | DataType::Null => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            text if text.is_string() => DataType::Timestamp(TimeUnit::Microsecond, None),
            other => return plan_err!("date_trunc takes an instant or a time, not a value of type {other}"),
        };
        Ok(vec![DataType::Utf8, of])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [unit, of] = arguments.args.as_slice() else { return self.inner.invoke_with_args(arguments) };
        let DataType::Timestamp(TimeUnit::Microsecond, zone) = of.data_type() else {
            return self.inner.invoke_with_args(arguments);
        };
        let unit = match unit {
            ColumnarValue::Scalar(unit) => Unit::named(unit),
            ColumnarValue::Array(_) => None,
        };
        let Some(unit) = unit.filter(|_| zone.as_deref().is_none_or(|zone| zone == "UTC")) else {
            return self.inner.invoke_with_args(arguments);
        };
        let instants = of.to_array(arguments.number_rows)?;
        let instants = instants.as_primitive::<TimestampMicrosecondType>();
        let found: TimestampMicrosecondArray = instants.try_unary(|at| unit.begun_before(at))?;
        let found: ArrayRef = Arc::new(found.with_timezone_opt(zone));
        as_given(&arguments.args, &found)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }
}

/// What instants are cut to.
#[derive(Clone, Copy)]
enum Unit {
    /// So many microseconds, counted from 1970.
    Of(i64),
    /// Weeks begin on Mondays.
    Week,
    /// So many months: they divide a year.
    Months(u32),
}

impl Unit {
    /// A unit by its name; none for one that the engine does not have either.
    fn named(name: &ScalarValue) -> Option<Self> {
        const SECOND: i64 = 1_000_000;
        Some(match name.try_as_str()??.to_lowercase().as_str() {
            "microsecond" => Self::Of(1),
            "millisecond" => Self::Of(1_000),
            "second" => Self::Of(SECOND),
            "minute" => Self::Of(60 * SECOND),
            "hour" => Self::Of(3_600 * SECOND),
            "day" => Self::Of(86_400 * SECOND),
            "week" => Self::Week,
            "month" => Self::Months(1),
            "quarter" => Self::Months(3),
            "year" => Self::Months(12),
            _ => return None,
        })
    }

    /// The beginning of the unit that an instant lies in, both in microseconds since 1970.
    fn begun_before(self, at: i64) -> Result<i64> {
        let day = || Some(DateTime::<Utc>::from_timestamp_micros(at)?.date_naive());
        let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
        let first = match self {
            Self::Of(length) => at.checked_sub(at.rem_euclid(length)),
            Self::Week => day().and_then(|day| {
                day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())).map(midnight)
            }),
            Self::Months(months) => day().and_then(|day| {
                NaiveDate::from_ymd_opt(day.year(), day.month0() / months * months + 1, 1).map(midnight)
            }),
        };
        first.ok_or_else(|| {
            exec_datafusion_err!("the instant of {at} microseconds lies outside of the calendar")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The units in their order, of an instant.
    fn begun(instant: &str) -> Vec<String> {
        let at = instant.parse::<DateTime<Utc>>().unwrap().timestamp_micros();
        let units = [
            "microsecond",
            "millisecond",
            "second",
            "minute",
            "hour",
            "day",
            "week",
            "month",
            "quarter",
            "year",
        ];
        let cut = |name: &str| Unit::named(&ScalarValue::from(name)).unwrap().begun_before(at).unwrap();
        let shown = |at: i64| {
            DateTime::<Utc>::from_timestamp_micros(at).unwrap().format("%Y-%m-%dT%H:%M:%S%.f").to_string()
        };
        units.map(|name| shown(cut(name))).to_vec()
    }

    /// 9999-12-31 is a Friday, 1582-03-15 a Monday of the Gregorian calendar.
    #[test]
    fn instants_of_every_year_are_cut() {
        assert_eq!(
            begun("9999-12-31T10:11:12.345678Z"),
            [
                "9999-12-31T10:11:12.345678",
                "9999-12-31T10:11:12.345",
                "9999-12-31T10:11:12",
                "9999-12-31T10:11:00",
                "9999-12-31T10:00:00",
                "9999-12-31T00:00:00",
                "9999-12-27T00:00:00",
                "9999-12-01T00:00:00",
                "9999-10-01T00:00:00",
                "9999-01-01T00:00:00",
            ]
        );
        let old = begun("1582-03-15T23:59:59.999999Z");
        assert_eq!(
            old[4..],
            [
                "1582-03-15T23:00:00",
                "1582-03-15T00:00:00",
                "1582-03-15T00:00:00",
                "1582-03-01T00:00:00",
                "1582-01-01T00:00:00",
                "1582-01-01T00:00:00"
            ]
        );
        assert!(Unit::named(&ScalarValue::from("fortnight")).is_none());
    }
}
