//! One pass over the wide rows: all nodes that are wanted, for a range of rows at a time, on all threads.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{and_kleene, not, or_kleene};
use arrow::datatypes::DataType;
use tranche_sql::SqlError;
use tranche_sql::parallel::Threads;

use super::graph::{Node, Operation};
use super::wide_table::WideTable;
use crate::plan::WideColumn;

/// Rows of a range: few enough that the columns of a definition stay in the cache, and a multiple of eight.
const RANGE_ROWS: usize = 16_384;

/// The values of the wanted nodes for each range of rows, in order.
pub(crate) async fn pass(
    table: &Arc<WideTable>,
    operations: &Arc<Vec<Operation>>,
    wanted: &Arc<Vec<Node>>,
    threads: Threads,
) -> Result<Vec<Vec<ArrayRef>>, SqlError> {
    let rows = table.rows();
    let ranges = (0..rows).step_by(RANGE_ROWS).map(move |start| start..(start + RANGE_ROWS).min(rows));
    let (table, operations, wanted) = (Arc::clone(table), Arc::clone(operations), Arc::clone(wanted));
    threads.map(ranges, move |range| evaluate(&table, &operations, &wanted, range)).await
}

/// The values of the wanted nodes for a range of rows.
pub(crate) fn evaluate(
    table: &WideTable,
    operations: &[Operation],
    wanted: &[Node],
    rows: Range<usize>,
) -> Result<Vec<ArrayRef>, SqlError> {
    let mut range = Rows { table, operations, rows, values: vec![None; operations.len()] };
    wanted.iter().map(|&node| range.value(node)).collect()
}

struct Rows<'a> {
    table: &'a WideTable,
    operations: &'a [Operation],
    rows: Range<usize>,
    values: Vec<Option<ArrayRef>>,
}

impl Rows<'_> {
    fn value(&mut self, node: Node) -> Result<ArrayRef, SqlError> {
        if let Some(known) = &self.values[node] {
            return Ok(Arc::clone(known));
        }
        let operations = self.operations;
        let value: ArrayRef = match &operations[node] {
            Operation::Column(column) => self.column(column)?,
            Operation::Constant(value) => constant(*value, self.rows.len()),
            Operation::And(left, right) => {
                let (left, right) = (self.value(*left)?, self.value(*right)?);
                Arc::new(and_kleene(left.as_boolean(), right.as_boolean())?)
            }
            Operation::Or(left, right) => {
                let (left, right) = (self.value(*left)?, self.value(*right)?);
                Arc::new(or_kleene(left.as_boolean(), right.as_boolean())?)
            }
            Operation::Not(inner) => Arc::new(not(self.value(*inner)?.as_boolean())?),
            Operation::IsTrue(inner) => Arc::new(certain(self.value(*inner)?.as_boolean())),
            Operation::Computed { expr, schema, inputs } => {
                let columns = inputs.iter().map(|&input| self.value(input)).collect::<Result<Vec<_>, _>>()?;
                let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
                let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
                expr.evaluate(&batch)
                    .and_then(|value| value.into_array(batch.num_rows()))
                    .map_err(SqlError::from)?
            }
        };
        self.values[node] = Some(Arc::clone(&value));
        Ok(value)
    }

    fn column(&self, column: &WideColumn) -> Result<ArrayRef, SqlError> {
        let (table, rows) = (self.table, &self.rows);
        let part = |values: &dyn Array| values.slice(rows.start, rows.len());
        let missing = || SqlError::Engine(format!("{column:?} was not computed"));
        match column {
            WideColumn::Key => table.keys(rows),
            WideColumn::HasKey => Ok(WideTable::below(rows, table.index.len())),
            WideColumn::Declared => Ok(WideTable::below(rows, table.declared)),
            WideColumn::Universe => Ok(WideTable::below(rows, table.universe)),
            WideColumn::Own(name) => table.own(name, rows),
            WideColumn::Aggregate(number) => table.aggregate(*number, rows),
            WideColumn::Trait(name) => Ok(part(table.traits.get(name).ok_or_else(missing)?)),
            WideColumn::Member(name) => Ok(part(table.members.get(name).ok_or_else(missing)?)),
            // The graph knows what it is for all rows.
            WideColumn::NullKey(_) => Err(missing()),
        }
    }
}

fn constant(value: Option<bool>, rows: usize) -> ArrayRef {
    match value {
        Some(value) => {
            let bits = if value { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) };
            Arc::new(BooleanArray::new(bits, None))
        }
        None => new_null_array(&DataType::Boolean, rows),
    }
}

/// Where a truth value is true, and not unknown.
pub(crate) fn certain(values: &BooleanArray) -> BooleanArray {
    match values.nulls() {
        Some(nulls) => BooleanArray::new(values.values() & nulls.inner(), None),
        None => values.clone(),
    }
}
