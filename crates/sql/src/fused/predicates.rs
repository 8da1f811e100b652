//! The distinct conditions of all groups, each evaluated once a batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;

use super::Group;
use crate::{Session, SqlError};

/// The expressions of all groups over the columns of a scan.
pub(crate) struct Expressions {
    /// Single conditions.
    conditions: Vec<Arc<dyn PhysicalExpr>>,
    /// Conjunctions of conditions.
    predicates: Vec<Vec<usize>>,
    /// Arguments and orders.
    values: Vec<Arc<dyn PhysicalExpr>>,
    /// Of each group.
    pub(crate) uses: Vec<Uses>,
}

/// The expressions of one group, by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uses {
    pub(crate) predicate: Option<usize>,
    pub(crate) argument: Option<usize>,
    pub(crate) order: Option<usize>,
}

impl Expressions {
    /// Plans the expressions of groups over the columns of a schema.
    pub(crate) fn plan(groups: &[Group], session: &Session, schema: &DFSchema) -> Result<Self, SqlError> {
        let (mut conditions, mut predicates, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut uses = Vec::new();
        for group in groups {
            let mut number = |expr: &Option<Expr>| expr.as_ref().map(|expr| position(&mut values, expr.clone()));
            let (argument, order) = (number(&group.argument), number(&group.order));
            let mut conjuncts: Vec<usize> =
                group.predicate.iter().map(|condition| position(&mut conditions, condition.clone())).collect();
            conjuncts.sort_unstable();
            let predicate = (!conjuncts.is_empty()).then(|| position(&mut predicates, conjuncts));
            uses.push(Uses { predicate, argument, order });
        }
        let state = session.state();
        let physical = |exprs: Vec<Expr>| -> Result<Vec<_>, SqlError> {
            exprs.into_iter().map(|expr| state.create_physical_expr(expr, schema).map_err(SqlError::engine)).collect()
        };
        Ok(Self { conditions: physical(conditions)?, predicates, values: physical(values)?, uses })
    }

    /// Evaluates what the groups with a part in this batch need.
    pub(crate) fn evaluate<'a>(&'a self, batch: &'a RecordBatch) -> Evaluated<'a> {
        Evaluated {
            expressions: self,
            batch,
            conditions: vec![None; self.conditions.len()],
            predicates: vec![None; self.predicates.len()],
            values: vec![None; self.values.len()],
        }
    }
}

fn position<T: PartialEq>(known: &mut Vec<T>, new: T) -> usize {
    known.iter().position(|other| *other == new).unwrap_or_else(|| {
        known.push(new);
        known.len() - 1
    })
}

/// What was evaluated of a batch so far.
pub(crate) struct Evaluated<'a> {
    expressions: &'a Expressions,
    batch: &'a RecordBatch,
    conditions: Vec<Option<BooleanBuffer>>,
    predicates: Vec<Option<BooleanBuffer>>,
    values: Vec<Option<ArrayRef>>,
}

impl Evaluated<'_> {
    /// Makes sure that everything a group uses is there.
    pub(crate) fn prepare(&mut self, uses: Uses) -> Result<(), SqlError> {
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
        for value in [uses.argument, uses.order].into_iter().flatten() {
            if self.values[value].is_none() {
                self.values[value] = Some(array(&self.expressions.values[value], self.batch)?);
            }
        }
        Ok(())
    }

    pub(crate) fn predicate(&self, number: Option<usize>) -> Option<&BooleanBuffer> {
        self.predicates[number?].as_ref()
    }

    pub(crate) fn value(&self, number: Option<usize>) -> Option<&ArrayRef> {
        self.values[number?].as_ref()
    }

    /// Rows for which a condition is true, and not merely unknown.
    fn condition(&mut self, number: usize) -> Result<BooleanBuffer, SqlError> {
        if let Some(known) = &self.conditions[number] {
            return Ok(known.clone());
        }
        let found = array(&self.expressions.conditions[number], self.batch)?;
        let found = found.as_boolean();
        let holds = match found.nulls() {
            Some(nulls) => found.values() & nulls.inner(),
            None => found.values().clone(),
        };
        self.conditions[number] = Some(holds.clone());
        Ok(holds)
    }
}

fn array(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<ArrayRef, SqlError> {
    expr.evaluate(batch).and_then(|value| value.into_array(batch.num_rows())).map_err(SqlError::engine)
}
