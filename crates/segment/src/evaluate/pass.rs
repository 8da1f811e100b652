//! One pass over the wide rows: all nodes that are wanted, for a range of rows at a time, on all threads.
//!
//! A node is evaluated for all rows of a range at once. One that fails there is evaluated again for the rows that need it: beside AND,
//! those where the other side is not false. So the two sides guard each other, whatever stands first.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{and_kleene, not, nullif, or_kleene};
use arrow::datatypes::DataType;
use tranche_sql::by_row::{self, Marked, certain, possible};
use tranche_sql::parallel::Threads;
use tranche_sql::{PersonalColumns, RowFailure, SqlError};

use super::graph::{Computed, Node, Operation};
use super::wide_table::WideTable;
use crate::plan::WideColumn;

/// Rows of a range: few enough that the columns of a definition stay in the cache, and a multiple of eight.
const RANGE_ROWS: usize = 16_384;

/// A wanted node for a range of rows.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its values; null where it fails.
    pub(crate) values: ArrayRef,
    /// A row that it fails for, if there is one.
    pub(crate) failure: Option<RowFailure>,
}

/// The wanted nodes for each range of rows, in order.
pub(crate) async fn pass(
    table: &Arc<WideTable>,
    operations: &Arc<Vec<Operation>>,
    wanted: &Arc<Vec<Node>>,
    threads: Threads,
) -> Result<Vec<Vec<Found>>, SqlError> {
    let rows = table.rows();
    let ranges = (0..rows).step_by(RANGE_ROWS).map(move |start| start..(start + RANGE_ROWS).min(rows));
    let (table, operations, wanted) = (Arc::clone(table), Arc::clone(operations), Arc::clone(wanted));
    threads.map(ranges, move |range| evaluate(&table, &operations, &wanted, range)).await
}

/// The wanted nodes for a range of rows.
pub(crate) fn evaluate(
    table: &WideTable,
    operations: &[Operation],
    wanted: &[Node],
    rows: Range<usize>,
) -> Result<Vec<Found>, SqlError> {
    let mut range = Rows { table, operations, rows, values: vec![None; operations.len()] };
    wanted.iter().map(|&node| range.found(node)).collect()
}

struct Rows<'a> {
    table: &'a WideTable,
    operations: &'a [Operation],
    rows: Range<usize>,
    /// The values of nodes that were evaluated; none of one that fails for some row.
    values: Vec<Option<Option<ArrayRef>>>,
}

impl Rows<'_> {
    fn found(&mut self, node: Node) -> Result<Found, SqlError> {
        if let Some(values) = self.whole(node)? {
            return Ok(Found { values, failure: None });
        }
        let Marked { values, failed } = self.within(node, &BooleanBuffer::new_set(self.rows.len()))?;
        let failure = failed.set_indices().next().map(|row| self.failure(node, row)).transpose()?;
        Ok(Found { values, failure })
    }

    /// The values of a node for all rows; none when it fails for one.
    fn whole(&mut self, node: Node) -> Result<Option<ArrayRef>, SqlError> {
        if let Some(known) = &self.values[node] {
            return Ok(known.clone());
        }
        let operations = self.operations;
        let found: Option<ArrayRef> = match &operations[node] {
            Operation::Column(WideColumn::Aggregate(number))
                if self.table.failed(*number, &self.rows).is_some() =>
            {
                None
            }
            Operation::Column(column) => Some(self.column(column)?),
            Operation::Constant(value) => Some(constant(*value, self.rows.len())),
            Operation::And(left, right) => match (self.whole(*left)?, self.whole(*right)?) {
                (Some(left), Some(right)) => Some(and(&left, &right)?),
                _ => None,
            },
            Operation::Or(left, right) => match (self.whole(*left)?, self.whole(*right)?) {
                (Some(left), Some(right)) => Some(or(&left, &right)?),
                _ => None,
            },
            Operation::Not(inner) => match self.whole(*inner)? {
                Some(inner) => Some(Arc::new(not(inner.as_boolean())?)),
                None => None,
            },
            Operation::IsTrue(inner) => self.whole(*inner)?.map(|inner| truth(&inner)),
            Operation::Computed(computed) => {
                let columns = computed.inputs.iter().map(|&input| self.whole(input));
                match columns.collect::<Result<Option<Vec<_>>, _>>()? {
                    Some(columns) => by_row::whole(computed.expr.as_ref(), &self.batch(computed, columns)?)?,
                    None => None,
                }
            }
        };
        self.values[node] = Some(found.clone());
        Ok(found)
    }

    /// The values of a node for some rows, and which of them fail; values of others are undefined.
    fn within(&mut self, node: Node, rows: &BooleanBuffer) -> Result<Marked, SqlError> {
        if let Some(values) = self.whole(node)? {
            return Ok(Marked { values, failed: BooleanBuffer::new_unset(self.rows.len()) });
        }
        let operations = self.operations;
        Ok(match &operations[node] {
            Operation::And(left, right) => {
                let (first, second) = self.sound_first(*left, *right)?;
                let first = self.within(first, rows)?;
                let second = self.within(second, &(rows & &possible(first.values.as_boolean())))?;
                let failed = &(&first.failed & &possible(second.values.as_boolean())) | &second.failed;
                Marked { values: and(&first.values, &second.values)?, failed }
            }
            Operation::Or(left, right) => {
                let (first, second) = self.sound_first(*left, *right)?;
                let first = self.within(first, rows)?;
                let second = self.within(second, &(rows & &!&certain(first.values.as_boolean())))?;
                let failed = &(&first.failed & &!&certain(second.values.as_boolean())) | &second.failed;
                Marked { values: or(&first.values, &second.values)?, failed }
            }
            Operation::Not(inner) => {
                let inner = self.within(*inner, rows)?;
                Marked { values: Arc::new(not(inner.values.as_boolean())?), failed: inner.failed }
            }
            Operation::IsTrue(inner) => {
                let inner = self.within(*inner, rows)?;
                Marked { values: truth(&inner.values), failed: inner.failed }
            }
            Operation::Computed(computed) => {
                let (columns, before) = self.inputs(computed, rows)?;
                let batch = self.batch(computed, columns)?;
                let found = by_row::within(computed.expr.as_ref(), &batch, &(rows & &!&before))?;
                Marked { failed: &found.failed | &before, ..found }
            }
            Operation::Column(WideColumn::Aggregate(number)) => {
                let none = || BooleanBuffer::new_unset(self.rows.len());
                let failed = self.table.failed(*number, &self.rows).unwrap_or_else(none);
                let values = self.table.aggregate(*number, &self.rows)?;
                Marked { values: null_where(&values, &failed)?, failed: &failed & rows }
            }
            Operation::Column(_) | Operation::Constant(_) => return Err(not_failing()),
        })
    }

    /// Two nodes, the one first that does not fail.
    fn sound_first(&mut self, left: Node, right: Node) -> Result<(Node, Node), SqlError> {
        let is_right_first = self.whole(left)?.is_none() && self.whole(right)?.is_some();
        Ok(if is_right_first { (right, left) } else { (left, right) })
    }

    /// The columns that a node is computed from, and the rows of `rows` for which one of them fails.
    fn inputs(
        &mut self,
        computed: &Computed,
        rows: &BooleanBuffer,
    ) -> Result<(Vec<ArrayRef>, BooleanBuffer), SqlError> {
        let mut failed = BooleanBuffer::new_unset(self.rows.len());
        let mut columns = Vec::new();
        for &input in &computed.inputs {
            let found = self.within(input, rows)?;
            failed = &failed | &(rows & &found.failed);
            columns.push(found.values);
        }
        Ok((columns, failed))
    }

    fn batch(&self, computed: &Computed, columns: Vec<ArrayRef>) -> Result<RecordBatch, SqlError> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&computed.schema), columns, &options)?)
    }

    /// What a node fails with for a row.
    fn failure(&mut self, node: Node, row: usize) -> Result<RowFailure, SqlError> {
        let one = BooleanBuffer::collect_bool(self.rows.len(), |other| other == row);
        let operations = self.operations;
        let needed = match &operations[node] {
            Operation::And(left, right) | Operation::Or(left, right) => vec![*left, *right],
            Operation::Not(inner) | Operation::IsTrue(inner) => vec![*inner],
            Operation::Computed(computed) => computed.inputs.clone(),
            Operation::Column(_) | Operation::Constant(_) => Vec::new(),
        };
        for inner in needed {
            if self.within(inner, &one)?.failed.value(row) {
                return self.failure(inner, row);
            }
        }
        let at = self.rows.start + row;
        let computed = match &operations[node] {
            Operation::Computed(computed) => computed,
            Operation::Column(WideColumn::Aggregate(number)) => {
                return self.table.failure(*number, at).ok_or_else(not_failing);
            }
            _ => return Err(not_failing()),
        };
        let (columns, _) = self.inputs(computed, &one)?;
        let batch = self.batch(computed, columns)?;
        let key = self.table.keys(&(at..at + 1))?;
        let personal = &self.table.personal;
        // What is computed may be made from personal data.
        let is_personal = |node: Node| match &operations[node] {
            Operation::Column(WideColumn::Own(name)) => personal.has_named(name),
            Operation::Column(WideColumn::Key) => personal.has_named(&self.table.key),
            _ => !personal.is_empty(),
        };
        let key = PersonalColumns::shown(personal.has_named(&self.table.key), || by_row::shown(&key, 0));
        let mut described = vec![(self.table.key.clone(), key)];
        let of_personal = computed.inputs.iter().any(|&input| is_personal(input));
        let inputs = computed.inputs.iter().zip(&computed.labels).zip(batch.columns());
        described.extend(inputs.map(|((&node, label), values)| {
            (label.clone(), PersonalColumns::shown(is_personal(node), || by_row::shown(values, row)))
        }));
        described.dedup_by(|again, first| again == first);
        Ok(RowFailure {
            query: 0,
            table: self.table.entity.clone(),
            row: described,
            expression: computed.text(),
            reason: by_row::reason(computed.expr.as_ref(), &batch, row, of_personal).unwrap_or_default(),
        })
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

fn not_failing() -> SqlError {
    SqlError::Engine("a column of the wide row fails".to_owned())
}

/// Values without those of some rows.
fn null_where(values: &ArrayRef, rows: &BooleanBuffer) -> Result<ArrayRef, SqlError> {
    Ok(nullif(values, &BooleanArray::new(rows.clone(), None))?)
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

fn and(left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef, SqlError> {
    Ok(Arc::new(and_kleene(left.as_boolean(), right.as_boolean())?))
}

fn or(left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef, SqlError> {
    Ok(Arc::new(or_kleene(left.as_boolean(), right.as_boolean())?))
}

/// Whether a truth value is true.
fn truth(values: &ArrayRef) -> ArrayRef {
    Arc::new(BooleanArray::new(certain(values.as_boolean()), None))
}
