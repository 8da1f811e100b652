//! What is asked of the rows of a table: distinct conditions and values, each evaluated once a batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32DictionaryArray, RecordBatch, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;

use crate::{Session, SqlError};

/// A condition and a value of a row; over the columns of the contract, unqualified.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowQuery {
    /// All of these hold for a row that counts.
    pub predicate: Vec<Expr>,
    /// The value of a row.
    pub value: Option<Expr>,
}

impl RowQuery {
    /// Every expression.
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.value.iter().chain(&self.predicate)
    }
}

/// The expressions of all queries, over the columns of a scan.
pub(super) struct Expressions {
    /// Single conditions.
    conditions: Vec<Condition>,
    /// Conjunctions of conditions.
    predicates: Vec<Vec<usize>>,
    values: Vec<Arc<dyn PhysicalExpr>>,
    /// Of each query.
    pub(super) uses: Vec<Uses>,
}

/// A condition, planned over the whole schema or over the one column that it is about.
enum Condition {
    OfRow(Arc<dyn PhysicalExpr>),
    OfColumn { column: String, field: Arc<Schema>, expr: Arc<dyn PhysicalExpr> },
}

/// The expressions of one query, by number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uses {
    pub(super) predicate: Option<usize>,
    pub(super) value: Option<usize>,
}

impl Expressions {
    /// Plans queries over the columns of a schema.
    pub(super) fn plan(queries: &[RowQuery], session: &Session, schema: &DFSchema) -> Result<Self, SqlError> {
        let (mut conditions, mut predicates, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut uses = Vec::new();
        for query in queries {
            let value = query.value.as_ref().map(|expr| position(&mut values, expr.clone()));
            let mut conjuncts: Vec<usize> = query
                .predicate
                .iter()
                .map(|condition| position(&mut conditions, condition.clone()))
                .collect();
            conjuncts.sort_unstable();
            let predicate = (!conjuncts.is_empty()).then(|| position(&mut predicates, conjuncts));
            uses.push(Uses { predicate, value });
        }
        let physical = |exprs: Vec<Expr>| -> Result<Vec<_>, SqlError> {
            exprs
                .into_iter()
                .map(|expr| session.physical_expression(expr, schema).map_err(SqlError::engine))
                .collect()
        };
        let condition = |expr: Expr| -> Result<Condition, SqlError> {
            let Some(column) = text_column(&expr, schema.as_arrow()) else {
                return session
                    .physical_expression(expr, schema)
                    .map(Condition::OfRow)
                    .map_err(SqlError::engine);
            };
            let field = Arc::new(Schema::new(vec![Field::new(&column, DataType::Utf8, true)]));
            let of_column = DFSchema::try_from(Arc::clone(&field)).map_err(SqlError::engine)?;
            let expr = session.physical_expression(expr, &of_column).map_err(SqlError::engine)?;
            Ok(Condition::OfColumn { column, field, expr })
        };
        let conditions = conditions.into_iter().map(condition).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { conditions, predicates, values: physical(values)?, uses })
    }

    /// Evaluates what is needed of a batch.
    pub(super) fn evaluate<'a>(&'a self, batch: &'a RecordBatch) -> Evaluated<'a> {
        Evaluated {
            expressions: self,
            batch,
            conditions: vec![None; self.conditions.len()],
            predicates: vec![None; self.predicates.len()],
            values: vec![None; self.values.len()],
        }
    }
}

/// The text column that a condition is about, if that is all.
fn text_column(condition: &Expr, schema: &Schema) -> Option<String> {
    let columns = condition.column_refs();
    let column = columns.iter().next().filter(|_| columns.len() == 1)?;
    is_text(schema.field_with_name(&column.name).ok()?.data_type()).then(|| column.name.clone())
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The text columns that nothing but conditions on them alone needs: those are evaluated on distinct values.
pub(super) fn only_in_conditions(queries: &[RowQuery], schema: &Schema) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let mut alone: Vec<String> = Vec::new();
    for query in queries {
        let columns = query.value.iter().flat_map(Expr::column_refs);
        whole.extend(columns.map(|column| column.name.clone()));
        for condition in &query.predicate {
            match text_column(condition, schema) {
                Some(column) => alone.push(column),
                None => whole.extend(condition.column_refs().into_iter().map(|column| column.name.clone())),
            }
        }
    }
    alone.sort_unstable();
    alone.dedup();
    alone.retain(|column| !whole.contains(column));
    alone
}

fn position<T: PartialEq>(known: &mut Vec<T>, new: T) -> usize {
    known.iter().position(|other| *other == new).unwrap_or_else(|| {
        known.push(new);
        known.len() - 1
    })
}

/// What was evaluated of a batch so far.
pub(super) struct Evaluated<'a> {
    expressions: &'a Expressions,
    batch: &'a RecordBatch,
    conditions: Vec<Option<BooleanBuffer>>,
    predicates: Vec<Option<BooleanBuffer>>,
    values: Vec<Option<ArrayRef>>,
}

impl Evaluated<'_> {
    /// Evaluates what a query uses, unless it is there.
    pub(super) fn prepare(&mut self, uses: Uses) -> Result<(), SqlError> {
        if let Some(predicate) = uses.predicate
            && self.predicates[predicate].is_none()
        {
            let mut all: Option<BooleanBuffer> = None;
            for &condition in &self.expressions.predicates[predicate] {
                let holds = self.condition(condition)?;
                all = Some(match all {
                    None => holds,
                    Some(others) => &others & &holds,
                });
            }
            self.predicates[predicate] = all;
        }
        if let Some(value) = uses.value.filter(|&value| self.values[value].is_none()) {
            self.values[value] = Some(array(&self.expressions.values[value], self.batch)?);
        }
        Ok(())
    }

    pub(super) fn predicate(&self, number: Option<usize>) -> Option<&BooleanBuffer> {
        self.predicates[number?].as_ref()
    }

    pub(super) fn value(&self, number: Option<usize>) -> Option<&ArrayRef> {
        self.values[number?].as_ref()
    }

    /// Rows for which a condition is true, and not merely unknown.
    fn condition(&mut self, number: usize) -> Result<BooleanBuffer, SqlError> {
        if let Some(known) = &self.conditions[number] {
            return Ok(known.clone());
        }
        let holds = match &self.expressions.conditions[number] {
            Condition::OfRow(expr) => certain(&array(expr, self.batch)?),
            Condition::OfColumn { column, field, expr } => {
                let missing = || SqlError::Engine(format!("the scan lacks `{column}`"));
                of_column(self.batch.column_by_name(column).ok_or_else(missing)?, field, expr)?
            }
        };
        self.conditions[number] = Some(holds.clone());
        Ok(holds)
    }
}

/// Where a condition on a text column holds: evaluated once for each distinct value of a dictionary, and for null.
fn of_column(
    column: &ArrayRef,
    field: &Arc<Schema>,
    expr: &Arc<dyn PhysicalExpr>,
) -> Result<BooleanBuffer, SqlError> {
    let holds = |values: ArrayRef| -> Result<BooleanBuffer, SqlError> {
        Ok(certain(&array(expr, &RecordBatch::try_new(Arc::clone(field), vec![values])?)?))
    };
    let Some(dictionary) = column.as_any().downcast_ref::<Int32DictionaryArray>() else {
        return holds(Arc::clone(column));
    };
    let null = new_null_array(&DataType::Utf8, 1);
    let values = holds(concat(&[dictionary.values(), &null])?)?;
    let last = values.len() - 1;
    let keys = dictionary.keys();
    #[expect(clippy::cast_sign_loss, reason = "keys of a dictionary are places in it")]
    let place = |row: usize| if keys.is_null(row) { last } else { keys.value(row) as usize };
    Ok(BooleanBuffer::collect_bool(keys.len(), |row| values.value(place(row))))
}

/// Where a truth value is true, and not merely unknown.
fn certain(found: &ArrayRef) -> BooleanBuffer {
    let found = found.as_boolean();
    match found.nulls() {
        Some(nulls) => found.values() & nulls.inner(),
        None => found.values().clone(),
    }
}

fn array(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<ArrayRef, SqlError> {
    expr.evaluate(batch).and_then(|value| value.into_array(batch.num_rows())).map_err(SqlError::engine)
}
