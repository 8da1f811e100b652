//! Expressions over the rows of a batch, some of which they may fail for.
//!
//! A batch is evaluated as a whole, as long as nothing fails. Where something does, only the rows that count are evaluated, and those
//! that fail are found by halving: they have no value and are marked. Whether a marked row matters is for others to say: a condition
//! beside it may be false there, or a window may leave it out.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, new_null_array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{cast, concat, filter_record_batch, take};
use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::scalar::ScalarValue;

use crate::SqlError;
use crate::locate::words::plain_cause;
use crate::personal::failure_kind;

/// Values of the rows of a batch; null where there is none because an expression failed.
#[derive(Debug, Clone)]
pub struct Marked {
    /// The values.
    pub values: ArrayRef,
    /// The rows that failed.
    pub failed: BooleanBuffer,
}

/// The values of an expression for all rows; none when it fails for one of them.
///
/// # Errors
/// [`SqlError`] when the engine fails for another reason than a value.
pub fn whole(expr: &dyn PhysicalExpr, batch: &RecordBatch) -> Result<Option<ArrayRef>, SqlError> {
    match evaluated(expr, batch) {
        Ok(values) => Ok(Some(values)),
        Err(error) if is_of_a_value(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The values of an expression for some rows of a batch, null for the others.
///
/// # Errors
/// [`SqlError`] when the engine fails for another reason than a value.
pub fn within(
    expr: &dyn PhysicalExpr,
    batch: &RecordBatch,
    rows: &BooleanBuffer,
) -> Result<Marked, SqlError> {
    let picked = filter_record_batch(batch, &BooleanArray::new(rows.clone(), None))?;
    let (mut parts, mut failed) = (Vec::new(), Vec::new());
    halves(expr, &picked, &mut parts, &mut failed)?;
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    let values = if parts.is_empty() { new_null_array(&data_type(expr, batch)?, 0) } else { concat(&parts)? };
    // Back to where the rows stand.
    let mut place = 0;
    let places: UInt32Array = (0..batch.num_rows())
        .map(|row| {
            rows.value(row).then(|| {
                place += 1;
                place - 1
            })
        })
        .collect();
    let failed = BooleanBuffer::collect_bool(places.len(), |row| {
        places.is_valid(row) && failed[places.value(row) as usize]
    });
    Ok(Marked { values: take(&values, &places, None)?, failed })
}

fn halves(
    expr: &dyn PhysicalExpr,
    batch: &RecordBatch,
    parts: &mut Vec<ArrayRef>,
    failed: &mut Vec<bool>,
) -> Result<(), SqlError> {
    let rows = batch.num_rows();
    match evaluated(expr, batch) {
        _ if rows == 0 => {}
        Ok(values) => {
            parts.push(values);
            failed.resize(failed.len() + rows, false);
        }
        Err(error) if !is_of_a_value(&error) => return Err(error.into()),
        Err(_) if rows == 1 => {
            parts.push(new_null_array(&data_type(expr, batch)?, 1));
            failed.push(true);
        }
        Err(_) => {
            let middle = rows / 2;
            halves(expr, &batch.slice(0, middle), parts, failed)?;
            halves(expr, &batch.slice(middle, rows - middle), parts, failed)?;
        }
    }
    Ok(())
}

/// Why an expression fails for a row, if it does; without the values of the row where they are personal.
#[must_use]
pub fn reason(expr: &dyn PhysicalExpr, batch: &RecordBatch, row: usize, is_personal: bool) -> Option<String> {
    let error = evaluated(expr, &batch.slice(row, 1)).err()?;
    let cause = plain_cause(&error.strip_backtrace());
    Some(if is_personal { failure_kind(&cause) } else { cause })
}

/// An expression as its author may have written it, for people.
#[must_use]
pub fn text_of(expr: &Expr) -> String {
    let plain = expr.clone().transform_up(|part| {
        let text = match &part {
            Expr::Literal(ScalarValue::Utf8(Some(text)), _) => format!("'{text}'"),
            Expr::Literal(value, _) => value.to_string(),
            Expr::Column(column) => column.name.clone(),
            _ => return Ok(Transformed::no(part)),
        };
        Ok(Transformed::yes(Expr::Column(Column::new_unqualified(text))))
    });
    plain.map_or_else(|_| expr.to_string(), |plain| plain.data.to_string())
}

/// The value of a column in a row, for people.
#[must_use]
pub fn shown(column: &ArrayRef, row: usize) -> String {
    let text = cast(&column.slice(row, 1), &DataType::Utf8);
    match text {
        Ok(text) if text.is_valid(0) => text.as_string::<i32>().value(0).to_owned(),
        Ok(_) => "null".to_owned(),
        Err(_) => format!("a {}", crate::type_name(column.data_type())),
    }
}

/// Where a truth value is true, and neither false nor unknown.
#[must_use]
pub fn certain(values: &BooleanArray) -> BooleanBuffer {
    match values.nulls() {
        Some(nulls) => values.values() & nulls.inner(),
        None => values.values().clone(),
    }
}

/// Where a truth value is not known to be false.
#[must_use]
pub fn possible(values: &BooleanArray) -> BooleanBuffer {
    match values.nulls().map(NullBuffer::inner) {
        Some(valid) => values.values() | &!valid,
        None => values.values().clone(),
    }
}

fn evaluated(expr: &dyn PhysicalExpr, batch: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
    expr.evaluate(batch).and_then(|value| value.into_array(batch.num_rows()))
}

fn data_type(expr: &dyn PhysicalExpr, batch: &RecordBatch) -> Result<DataType, SqlError> {
    expr.data_type(&batch.schema()).map_err(SqlError::engine)
}

/// Whether other rows may have a value.
fn is_of_a_value(error: &DataFusionError) -> bool {
    // Errors of libraries that functions are made of, such as that of regular expressions, are external ones.
    matches!(
        error.find_root(),
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) | DataFusionError::External(_)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use arrow::datatypes::{Field, Int64Type, Schema};
    use datafusion::common::DFSchema;

    use super::*;
    use crate::{Engine, EngineOptions};

    #[test]
    fn rows_that_fail_are_marked_and_the_others_have_values() {
        let schema = Schema::new(vec![
            Field::new("total", DataType::Int64, true),
            Field::new("pieces", DataType::Int64, true),
        ]);
        let df_schema = DFSchema::try_from(schema.clone()).unwrap();
        let session = Engine::new(&EngineOptions::default()).unwrap().session(jiff::Timestamp::UNIX_EPOCH);
        let expr = session.logical("total / pieces", &df_schema).unwrap();
        let expr = session.physical_expression(expr, &df_schema).unwrap();
        let batch = |pieces: Vec<Option<i64>>| {
            let total: ArrayRef = Arc::new(Int64Array::from(vec![10; pieces.len()]));
            let pieces: ArrayRef = Arc::new(Int64Array::from(pieces));
            RecordBatch::try_new(Arc::new(schema.clone()), vec![total, pieces]).unwrap()
        };
        assert!(whole(expr.as_ref(), &batch(vec![Some(1), None])).unwrap().is_some());
        let some = batch(vec![Some(5), Some(0), None, Some(0), Some(2)]);
        assert!(whole(expr.as_ref(), &some).unwrap().is_none());
        let rows = BooleanBuffer::from_iter([true, true, true, false, true]);
        let Marked { values, failed } = within(expr.as_ref(), &some, &rows).unwrap();
        assert!(values.as_primitive::<Int64Type>().iter().eq([Some(2), None, None, None, Some(5)]));
        assert!(failed.iter().eq([false, true, false, false, false]));
        assert_eq!(reason(expr.as_ref(), &some, 1, false).as_deref(), Some("divide by zero error"));
        assert_eq!(reason(expr.as_ref(), &some, 0, false), None);
        assert_eq!((shown(some.column(1), 1), shown(some.column(1), 2)), ("0".to_owned(), "null".to_owned()));
    }
}
