//! What is known of a batch: each condition and value is evaluated once for all queries.
//!
//! What fails for some row of the batch is evaluated again for each query that needs it, where the other conditions of that query
//! hold. So conditions guard each other and the value in whatever order they stand, and a query fails for rows alone that it counts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32DictionaryArray, RecordBatch, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Schema};
use datafusion::logical_expr::Expr;

use super::queries::{Condition, Expressions, Planned, Uses};
use crate::by_row::{self, Marked, certain};
use crate::row_failure::RowFailure;
use crate::{PersonalColumns, SqlError};

/// What was evaluated of a batch so far.
pub(super) struct Evaluated<'a> {
    expressions: &'a Expressions,
    batch: &'a RecordBatch,
    conditions: Vec<Option<Known<BooleanBuffer>>>,
    predicates: Vec<Option<Held>>,
    values: Vec<Option<Known<ArrayRef>>>,
}

/// What an expression is for a batch.
#[derive(Clone)]
enum Known<T> {
    Whole(T),
    /// It fails for some row.
    Fails,
}

/// The rows that a query counts; `None` for all of the batch. Those for which one of its conditions fails are among them.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) rows: Option<BooleanBuffer>,
    pub(super) failed: Option<BooleanBuffer>,
}

/// Where a predicate holds, rows included for which it fails and no condition is known not to hold.
struct Held {
    rows: BooleanBuffer,
    failed: Option<BooleanBuffer>,
}

impl<'a> Evaluated<'a> {
    /// Nothing is evaluated yet.
    pub(super) fn new(expressions: &'a Expressions, batch: &'a RecordBatch) -> Self {
        Self {
            expressions,
            batch,
            conditions: vec![None; expressions.conditions.len()],
            predicates: expressions.predicates.iter().map(|_| None).collect(),
            values: vec![None; expressions.values.len()],
        }
    }

    /// The rows that a query counts, of those within some. Rows for which a condition fails are among them.
    pub(super) fn counted(
        &mut self,
        query: usize,
        within: Option<&BooleanBuffer>,
    ) -> Result<Counted, SqlError> {
        let Some(predicate) = self.expressions.uses[query].predicate else {
            return Ok(Counted { rows: within.cloned(), failed: None });
        };
        if self.predicates[predicate].is_none() {
            self.predicates[predicate] = Some(self.held(predicate)?);
        }
        let Some(Held { rows, failed }) = &self.predicates[predicate] else { return Ok(Counted::default()) };
        let rows = within.map_or_else(|| rows.clone(), |within| rows & within);
        let failed = failed.as_ref().map(|failed| failed & &rows);
        Ok(Counted { failed: failed.filter(has_some), rows: Some(rows) })
    }

    /// The values of a query that has them, for rows that it counts, and the rows that fail; values of other rows are undefined.
    pub(super) fn values(
        &mut self,
        query: usize,
        counted: Option<&BooleanBuffer>,
    ) -> Result<Option<(ArrayRef, Option<BooleanBuffer>)>, SqlError> {
        let Some(value) = self.expressions.uses[query].value else { return Ok(None) };
        let expr = self.expressions.values[value].expr.as_ref();
        if self.values[value].is_none() {
            let whole = by_row::whole(expr, self.batch)?;
            self.values[value] = Some(whole.map_or(Known::Fails, Known::Whole));
        }
        if let Some(Known::Whole(values)) = &self.values[value] {
            return Ok(Some((Arc::clone(values), None)));
        }
        let all = BooleanBuffer::new_set(self.batch.num_rows());
        let Marked { values, failed } = by_row::within(expr, self.batch, counted.unwrap_or(&all))?;
        Ok(Some((values, Some(failed).filter(has_some))))
    }

    fn held(&mut self, predicate: usize) -> Result<Held, SqlError> {
        let expressions = self.expressions;
        let mut held = BooleanBuffer::new_set(self.batch.num_rows());
        let mut failing = Vec::new();
        for &number in &expressions.predicates[predicate] {
            match self.condition(number)? {
                Known::Whole(holds) => held = &held & &holds,
                Known::Fails => failing.push(number),
            }
        }
        let mut failed: Option<BooleanBuffer> = None;
        for number in failing {
            let Held { rows, failed: new } = self.condition_within(number, &held)?;
            held = rows;
            failed = match (failed, new) {
                (Some(before), Some(new)) => Some(&before | &new),
                (before, new) => before.or(new),
            };
        }
        let failed = failed.map(|failed| &failed & &held);
        Ok(Held { rows: held, failed })
    }

    /// Rows for which a condition is true, and not merely unknown.
    fn condition(&mut self, number: usize) -> Result<Known<BooleanBuffer>, SqlError> {
        if let Some(known) = &self.conditions[number] {
            return Ok(known.clone());
        }
        let found = match &self.expressions.conditions[number] {
            Condition::OfRow(planned) => {
                by_row::whole(planned.expr.as_ref(), self.batch)?.map(|found| certain(found.as_boolean()))
            }
            Condition::OfColumn { column, field, planned } => {
                let column = self.column(column)?;
                let found = by_row::whole(planned.expr.as_ref(), &distinct(column, field)?)?;
                found.map(|found| of_rows(column, certain(found.as_boolean())))
            }
        };
        let known = found.map_or(Known::Fails, Known::Whole);
        self.conditions[number] = Some(known.clone());
        Ok(known)
    }

    /// Some rows, of which a condition is true or fails.
    fn condition_within(&self, number: usize, rows: &BooleanBuffer) -> Result<Held, SqlError> {
        let (holds, failed) = match &self.expressions.conditions[number] {
            Condition::OfRow(planned) => {
                let Marked { values, failed } = by_row::within(planned.expr.as_ref(), self.batch, rows)?;
                (certain(values.as_boolean()), failed)
            }
            Condition::OfColumn { column, field, planned } => {
                let column = self.column(column)?;
                let values = distinct(column, field)?;
                let all = BooleanBuffer::new_set(values.num_rows());
                let Marked { values, failed } = by_row::within(planned.expr.as_ref(), &values, &all)?;
                (of_rows(column, certain(values.as_boolean())), of_rows(column, failed))
            }
        };
        Ok(Held { rows: rows & &(&holds | &failed), failed: Some(rows & &failed) })
    }

    fn column(&self, name: &str) -> Result<&'a ArrayRef, SqlError> {
        let missing = || SqlError::Engine(format!("the scan lacks `{name}`"));
        self.batch.column_by_name(name).ok_or_else(missing)
    }

    /// What a query fails with for a row that it counts.
    pub(super) fn failure(&self, query: usize, row: usize) -> RowFailure {
        let Uses { predicate, value } = self.expressions.uses[query];
        let conditions = predicate.map_or(&[][..], |predicate| &self.expressions.predicates[predicate]);
        let conditions = conditions.iter().map(|&number| match &self.expressions.conditions[number] {
            Condition::OfRow(planned) => (&planned.asked, self.reason(planned, row)),
            Condition::OfColumn { column, field, planned } => {
                let text = self.column(column).and_then(|column| text_of(column, field, row));
                let is_personal = self.is_personal(&planned.asked);
                let reason =
                    text.ok().and_then(|text| by_row::reason(planned.expr.as_ref(), &text, 0, is_personal));
                (&planned.asked, reason)
            }
        });
        let values = value.map(|value| &self.expressions.values[value]);
        let values = values.map(|planned| (&planned.asked, self.reason(planned, row)));
        let found = conditions.chain(values).find_map(|(asked, reason)| reason.map(|reason| (asked, reason)));
        let table = self.expressions.table.clone();
        match found {
            Some((asked, reason)) => {
                let (row, expression) = (self.described(asked, row), by_row::text_of(asked));
                RowFailure { query, table, row, expression, reason }
            }
            None => RowFailure { query, table, ..RowFailure::default() },
        }
    }

    fn reason(&self, planned: &Planned, row: usize) -> Option<String> {
        by_row::reason(planned.expr.as_ref(), self.batch, row, self.is_personal(&planned.asked))
    }

    fn is_personal(&self, asked: &Expr) -> bool {
        asked.column_refs().iter().any(|column| self.expressions.personal.has_named(&column.name))
    }

    /// The key of a row, and the values that an expression names.
    fn described(&self, asked: &Expr, row: usize) -> Vec<(String, String)> {
        let named = asked.column_refs();
        let is_known =
            |name: &&String| self.batch.column_by_name(name).is_some_and(|column| column.is_valid(row));
        let mut names: Vec<&String> = self.expressions.keys.iter().filter(is_known).collect();
        let schema = self.batch.schema_ref();
        let others = schema.fields().iter().map(|field| field.name());
        let others = others.filter(|name| named.iter().any(|column| column.name == **name));
        names.extend(others.filter(|name| !self.expressions.keys.contains(name)));
        let shown = names
            .into_iter()
            .filter_map(|name| Some((name.clone(), self.batch.column_by_name(name)?)))
            .map(|(name, values)| {
                let is_personal = self.expressions.personal.has_named(&name);
                (name, PersonalColumns::shown(is_personal, || by_row::shown(values, row)))
            });
        shown.collect()
    }
}

/// What a condition on one column is evaluated for: the distinct values of a dictionary and null, or the column.
fn distinct(column: &ArrayRef, field: &Arc<Schema>) -> Result<RecordBatch, SqlError> {
    let values = match column.as_any().downcast_ref::<Int32DictionaryArray>() {
        Some(dictionary) => concat(&[dictionary.values(), &new_null_array(&DataType::Utf8, 1)])?,
        None => Arc::clone(column),
    };
    Ok(RecordBatch::try_new(Arc::clone(field), vec![values])?)
}

/// What is true of the distinct values, for the rows that have them.
fn of_rows(column: &ArrayRef, values: BooleanBuffer) -> BooleanBuffer {
    let Some(dictionary) = column.as_any().downcast_ref::<Int32DictionaryArray>() else { return values };
    let (keys, last) = (dictionary.keys(), values.len() - 1);
    #[expect(clippy::cast_sign_loss, reason = "keys of a dictionary are places in it")]
    let place = |row: usize| if keys.is_null(row) { last } else { keys.value(row) as usize };
    BooleanBuffer::collect_bool(keys.len(), |row| values.value(place(row)))
}

/// The text of a column in a row.
fn text_of(column: &ArrayRef, field: &Arc<Schema>, row: usize) -> Result<RecordBatch, SqlError> {
    let text = cast(&column.slice(row, 1), &DataType::Utf8)?;
    Ok(RecordBatch::try_new(Arc::clone(field), vec![text])?)
}

fn has_some(rows: &BooleanBuffer) -> bool {
    rows.set_indices().next().is_some()
}
