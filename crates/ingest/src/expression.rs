//! SQL expressions over rows: planned once, evaluated batch by batch, with the rows at which they fail.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use tranche_project::Position;
use tranche_sql::{Session, SqlProblem};

/// The values of a column, and why those that are missing without being null are.
pub(crate) struct Values {
    pub(crate) array: ArrayRef,
    /// By the row's place in the batch.
    pub(crate) failures: HashMap<usize, String>,
}

/// Plans an expression over rows of a schema.
pub(crate) fn plan(
    sql: &str,
    schema: &Schema,
    session: &Session,
) -> Result<Arc<dyn PhysicalExpr>, SqlProblem> {
    let failed = |e: DataFusionError| SqlProblem::new(Position::START, e.strip_backtrace());
    let schema = DFSchema::try_from(schema.clone()).map_err(failed)?;
    let logical = session.expression(sql, &schema)?;
    session.state().create_physical_expr(logical, &schema).map_err(failed)
}

/// Evaluates an expression; where it fails for a batch, the rows that make it fail are found by halving.
pub(crate) fn evaluate(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<Values, DataFusionError> {
    let whole = expr.evaluate(batch).and_then(|value| value.into_array(batch.num_rows()));
    match whole {
        Ok(array) => Ok(Values { array, failures: HashMap::new() }),
        Err(error) if batch.num_rows() <= 1 => {
            let data_type = expr.data_type(&batch.schema())?;
            let reason = error.strip_backtrace().lines().next().unwrap_or_default().to_owned();
            let array = arrow::array::new_null_array(&data_type, batch.num_rows());
            Ok(Values { array, failures: HashMap::from([(0, reason)]) })
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
