//! Which row a query failed for.
//!
//! The engine says what went wrong, and not where. So the query is looked at again, from its tables up: the rows that a step of it gets
//! are evaluated one by one until one fails.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, LogicalPlan, UNNAMED_TABLE};
use futures::StreamExt;
use futures::future::BoxFuture;

use arrow::array::RecordBatch;
use arrow::buffer::BooleanBuffer;

use crate::fallible::can_fail;
use crate::{PersonalColumns, RowFailure, Session, by_row, column_lineage, guards};

/// So many columns of a row are shown, besides those that the expression names.
const MOST_COLUMNS: usize = 6;

impl Session {
    /// The first row that a query fails for, if one can be found.
    pub(crate) fn culprit<'a>(&'a self, plan: &'a LogicalPlan) -> BoxFuture<'a, Option<RowFailure>> {
        Box::pin(async move {
            for input in plan.inputs() {
                if let Some(found) = self.culprit(input).await {
                    return Some(found);
                }
            }
            let [input] = plan.inputs()[..] else { return None };
            let exprs = self.evaluated_by(plan, input.schema());
            if exprs.is_empty() {
                return None;
            }
            let mut rows = self.frame_of(input.clone()).execute_stream().await.ok()?;
            while let Some(Ok(batch)) = rows.next().await {
                if let Some(found) = exprs.iter().find_map(|expr| self.failing(expr, input, &batch)) {
                    return Some(found);
                }
            }
            None
        })
    }

    /// What a step evaluates for each of its rows and can fail.
    fn evaluated_by(&self, plan: &LogicalPlan, schema: &DFSchema) -> Vec<Expr> {
        let exprs = match plan {
            // Conditions that look at other rows are left out.
            LogicalPlan::Filter(filter) => {
                let alone =
                    |condition: &&Expr| self.physical_expression((*condition).clone(), schema).is_ok();
                let conditions = split_conjunction(&filter.predicate).into_iter().filter(alone).cloned();
                conjunction(conditions).into_iter().collect()
            }
            LogicalPlan::Projection(projection) => {
                projection.expr.iter().map(|expr| expr.clone().unalias()).collect()
            }
            LogicalPlan::Aggregate(aggregate) => {
                let calls = aggregate.aggr_expr.iter().flat_map(|expr| guards::arguments(expr, schema));
                aggregate.group_expr.iter().cloned().chain(calls).collect()
            }
            _ => Vec::new(),
        };
        exprs.into_iter().filter(|expr| can_fail(expr, schema)).collect()
    }

    /// The first row of a batch that an expression fails for.
    fn failing(&self, asked: &Expr, input: &LogicalPlan, batch: &RecordBatch) -> Option<RowFailure> {
        let expr = self.physical_expression(asked.clone(), input.schema()).ok()?;
        if by_row::whole(expr.as_ref(), batch).ok()?.is_some() {
            return None;
        }
        let all = BooleanBuffer::new_set(batch.num_rows());
        let row = by_row::within(expr.as_ref(), batch, &all).ok()?.failed.set_indices().next()?;
        let named = asked.column_refs();
        let is_named = |name: &String| named.iter().any(|column| column.name == *name);
        let schema = batch.schema();
        let origins = column_lineage(input);
        let is_personal = |name: &String| {
            origins.get(name).is_none_or(|all| all.iter().any(|origin| self.personal().may_be(origin)))
        };
        let columns = schema.fields().iter().zip(batch.columns()).enumerate();
        let shown = columns.filter(|(place, (field, _))| *place < MOST_COLUMNS || is_named(field.name()));
        Some(RowFailure {
            query: 0,
            table: table_of(input),
            row: shown
                .map(|(_, (field, values))| {
                    let name = field.name().clone();
                    let value = PersonalColumns::shown(is_personal(&name), || by_row::shown(values, row));
                    (name, value)
                })
                .collect(),
            expression: by_row::text_of(asked),
            reason: by_row::reason(
                expr.as_ref(),
                batch,
                row,
                named.iter().any(|column| is_personal(&column.name)),
            )?,
        })
    }
}

/// The table that rows come from; empty where it has no name.
fn table_of(plan: &LogicalPlan) -> String {
    let mut name = String::new();
    let _ = plan.apply(|node| {
        Ok(match node {
            LogicalPlan::TableScan(scan) => {
                if scan.table_name.table() != UNNAMED_TABLE {
                    scan.table_name.table().clone_into(&mut name);
                }
                TreeNodeRecursion::Stop
            }
            _ => TreeNodeRecursion::Continue,
        })
    });
    name
}
