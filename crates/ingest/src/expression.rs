//! SQL expressions over rows, evaluated batch by batch, with the rows at which they fail.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{interleave, take_record_batch};
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use tranche_sql::{RowExpression, failure_kind, plain_cause};

use crate::convert::{ValueOrigin, convert};
use crate::reason::Reason;
use crate::values::Values;

/// Evaluates an expression; where it fails for a batch, the rows that make it fail are found by halving.
pub(crate) fn evaluate(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<Values, DataFusionError> {
    let whole = expr.evaluate(batch).and_then(|value| value.into_array(batch.num_rows()));
    match whole {
        Ok(array) => Ok(Values { array, failures: HashMap::new() }),
        Err(error) if batch.num_rows() <= 1 => {
            let data_type = expr.data_type(&batch.schema())?;
            let array = arrow::array::new_null_array(&data_type, batch.num_rows());
            Ok(Values { array, failures: HashMap::from([(0, reason(&error))]) })
        }
        Err(_) => {
            let middle = batch.num_rows() / 2;
            let first = evaluate(expr, &batch.slice(0, middle))?;
            let second = evaluate(expr, &batch.slice(middle, batch.num_rows() - middle))?;
            let array = arrow::compute::concat(&[first.array.as_ref(), second.array.as_ref()])?;
            let mut failures = first.failures;
            failures.extend(second.failures.into_iter().map(|(row, reason)| (row + middle, reason)));
            Ok(Values { array, failures })
        }
    }
}

/// Why an expression fails for a row.
fn reason(error: &DataFusionError) -> Reason {
    let text = error.strip_backtrace();
    Reason::new(plain_cause(&text), failure_kind(&text))
}

/// Evaluates an expression over raw rows to values of a type: exactly, and with more room for rows whose numbers have too many digits for
/// that.
pub(crate) fn evaluate_raw(
    expr: &RowExpression,
    batch: &RecordBatch,
    to: &DataType,
) -> Result<Values, DataFusionError> {
    let exact = evaluate(&expr.exact, batch)?;
    let mut values = convert(&exact.array, to, ValueOrigin::Computed)?;
    let Some(wide) = expr.wide.as_ref().filter(|_| !exact.failures.is_empty()) else {
        values.failures.extend(exact.failures);
        return Ok(values);
    };
    let mut failed: Vec<usize> = exact.failures.keys().copied().collect();
    failed.sort_unstable();
    let places: UInt32Array = failed.iter().map(|&row| u32::try_from(row).ok()).collect();
    let again = evaluate(wide, &take_record_batch(batch, &places)?)?;
    let mut found = convert(&again.array, to, ValueOrigin::Computed)?;
    found.failures.extend(again.failures);
    let mut indices: Vec<(usize, usize)> = (0..batch.num_rows()).map(|row| (0, row)).collect();
    for (at, &row) in failed.iter().enumerate() {
        indices[row] = (1, at);
        if let Some(reason) = found.failures.remove(&at) {
            values.failures.insert(row, reason);
        }
    }
    let array = interleave(&[values.array.as_ref(), found.array.as_ref()], &indices)?;
    Ok(Values { array, failures: values.failures })
}
