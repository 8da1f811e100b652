//! Intervals and differences of instants as lengths of time, so that they can be compared: a month has 30 days, a day 24 hours.
//! So PostgreSQL and DuckDB compare them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, DurationNanosecondType, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::as_given::as_given;

const NANOSECONDS_A_DAY: i128 = 86_400_000_000_000;
const DAYS_A_MONTH: i128 = 30;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct LengthOfTime {
    signature: Signature,
}

/// The length of an interval or duration, in nanoseconds.
pub(crate) fn length_of_time(interval: Expr) -> Expr {
    let function = LengthOfTime { signature: Signature::any(1, Volatility::Immutable) };
    Expr::ScalarFunction(ScalarFunction::new_udf(
        Arc::new(ScalarUDF::new_from_impl(function)),
        vec![interval],
    ))
}

impl ScalarUDFImpl for LengthOfTime {
    fn name(&self) -> &'static str {
        "length_of_time"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(38, 0))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = ColumnarValue::values_to_arrays(&arguments.args)?;
        let lengths: Vec<Option<i128>> = match values[0].data_type() {
            DataType::Duration(_) => {
                let durations = cast(&values[0], &DataType::Duration(TimeUnit::Nanosecond))?;
                let durations = durations.as_primitive::<DurationNanosecondType>();
                durations.iter().map(|length| length.map(i128::from)).collect()
            }
            _ => {
                let intervals = cast(&values[0], &DataType::Interval(IntervalUnit::MonthDayNano))?;
                let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
                let length = |interval: arrow::datatypes::IntervalMonthDayNano| {
                    let days = i128::from(interval.months) * DAYS_A_MONTH + i128::from(interval.days);
                    days * NANOSECONDS_A_DAY + i128::from(interval.nanoseconds)
                };
                intervals.iter().map(|interval| interval.map(length)).collect()
            }
        };
        let lengths: ArrayRef = Arc::new(Decimal128Array::from(lengths).with_precision_and_scale(38, 0)?);
        as_given(&arguments.args, &lengths)
    }
}
