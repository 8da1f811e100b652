//! What may fail is evaluated for the rows alone for which it counts.
//!
//! The engine evaluates both sides of AND and OR, and the argument of an aggregate with a FILTER, for whole batches of rows:
//! `pieces <> 0 AND total / pieces > 2` would fail for a row without pieces. Its CASE evaluates a branch for those rows only that take
//! it. So a condition with a term that can fail becomes a CASE, with the terms that cannot fail first; the others guard what stands to
//! their right. An argument that can fail becomes one in a CASE on its FILTER.
//!
//! [`guarded`] is for an expression that is planned by itself. For queries there is [`GuardsFirst`], a rule that keeps a guard before
//! what it guards while the engine moves expressions about, and [`lazily`], which rewrites what the engine has made of a query. That
//! comes last: the rules of the engine would make AND and OR of a CASE again.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::expr::{AggregateFunction, Case};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{
    conjunction, disjunction, merge_schema, split_binary, split_conjunction, split_conjunction_owned,
};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, Operator, TableScan, lit, not, when,
};
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;

use crate::engine::Planner;
use crate::fallible::can_fail;

/// The same value, in which the terms of AND and OR that can fail are evaluated where those before them do not decide.
pub(crate) fn guarded(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_down(|part| {
        let Expr::BinaryExpr(BinaryExpr { op: op @ (Operator::And | Operator::Or), .. }) = &part else {
            return Ok(Transformed::no(part));
        };
        let (op, terms) = (*op, split_binary(&part, *op));
        let (fallible, sound): (Vec<&Expr>, Vec<&Expr>) =
            terms.into_iter().partition(|term| can_fail(term, schema));
        if fallible.is_empty() {
            return Ok(Transformed::new(part, false, TreeNodeRecursion::Jump));
        }
        let sound = sound.into_iter().cloned();
        let sound = if op == Operator::And { conjunction(sound) } else { disjunction(sound) };
        let mut terms: Vec<Expr> = sound.into_iter().collect();
        for term in fallible {
            terms.push(guarded(term.clone(), schema)?.data);
        }
        let last = terms.pop().unwrap_or_else(|| lit(true));
        let in_order = terms.into_iter().rev().try_fold(last, |later, term| decided_by(term, op, later))?;
        Ok(Transformed::new(in_order, true, TreeNodeRecursion::Jump))
    })
}

/// AND or OR of two terms, of which the later is evaluated where the first leaves it open.
fn decided_by(term: Expr, op: Operator, later: Expr) -> Result<Expr> {
    match op {
        Operator::And => when(not(term.clone()), lit(false)).otherwise(term.and(later)),
        _ => when(term.clone(), lit(true)).otherwise(term.or(later)),
    }
}

/// A value where a condition holds; anything elsewhere.
fn only_where(condition: Expr, value: Expr, schema: &DFSchema) -> Result<Expr> {
    let otherwise = match value.nullable(schema)? {
        true => ScalarValue::try_from(&value.get_type(schema)?)?,
        // The value has to stay one that is never null.
        false => ScalarValue::new_default(&value.get_type(schema)?)?,
    };
    when(condition, value).otherwise(lit(otherwise))
}

/// A rule of the engine, behind [`GuardsFirst`] where it looks for common parts of expressions: what is evaluated for all rows is
/// computed before the rest.
pub(crate) fn before_common_parts(rule: Rule) -> impl Iterator<Item = Rule> {
    let is_it = rule.name() == CommonSubexprEliminate::new().name();
    let ours = is_it.then(|| -> Rule { Arc::new(GuardsFirst) });
    ours.into_iter().chain(std::iter::once(rule))
}

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// The rule that puts conditions first which cannot fail, and arguments that can behind their FILTER.
#[derive(Debug)]
pub(crate) struct GuardsFirst;

impl OptimizerRule for GuardsFirst {
    fn name(&self) -> &'static str {
        "guards"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let schema = match &plan {
            LogicalPlan::Filter(_) | LogicalPlan::Aggregate(_) => merge_schema(&plan.inputs()),
            _ => return Ok(Transformed::no(plan)),
        };
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = match expr {
                Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) => guards_first(expr, &schema),
                other => other.transform_down(|part| match part {
                    Expr::AggregateFunction(call) => filtered(call, &schema),
                    other => Ok(Transformed::no(other)),
                })?,
            };
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    }
}

/// The conditions that all have to hold, those first that cannot fail.
fn guards_first(predicate: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let fallible: Vec<bool> =
        split_conjunction(&predicate).into_iter().map(|condition| can_fail(condition, schema)).collect();
    if fallible.is_sorted() {
        return Transformed::no(predicate);
    }
    let mut conditions: Vec<(bool, Expr)> =
        fallible.into_iter().zip(split_conjunction_owned(predicate)).collect();
    conditions.sort_by_key(|(fallible, _)| *fallible);
    let conditions = conditions.into_iter().map(|(_, condition)| condition);
    Transformed::yes(conjunction(conditions).unwrap_or_else(|| lit(true)))
}

/// An aggregate with a FILTER, whose arguments are evaluated where that holds.
fn filtered(mut call: AggregateFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Some(filter) = call.params.filter.as_deref().cloned() else {
        return Ok(Transformed::no(Expr::AggregateFunction(call)));
    };
    let mut changed = false;
    for argument in &mut call.params.args {
        if !is_within(argument, &filter) && can_fail(argument, schema) {
            *argument = only_where(filter.clone(), std::mem::take(argument), schema)?;
            changed = true;
        }
    }
    Ok(Transformed::new(Expr::AggregateFunction(call), changed, TreeNodeRecursion::Jump))
}

/// The arguments of the aggregates in an expression, where their FILTER holds.
pub(crate) fn arguments(expr: &Expr, schema: &DFSchema) -> Vec<Expr> {
    let mut found = Vec::new();
    let _ = expr.apply(|part| {
        let Expr::AggregateFunction(call) = part else { return Ok(TreeNodeRecursion::Continue) };
        found.extend(call.params.filter.as_deref().cloned());
        if let Expr::AggregateFunction(call) = filtered(call.clone(), schema)?.data {
            found.extend(call.params.args);
        }
        Ok(TreeNodeRecursion::Jump)
    });
    found
}

/// Whether a value is one in a CASE on a condition already.
fn is_within(value: &Expr, condition: &Expr) -> bool {
    let Expr::Case(Case { expr: None, when_then_expr, .. }) = value else { return false };
    matches!(&when_then_expr[..], [(when, _)] if **when == *condition)
}

/// A planner that gets queries in which guards guard.
pub(crate) fn lazily(inner: Planner) -> Planner {
    Arc::new(LazyPlanner(inner))
}

#[derive(Debug)]
struct LazyPlanner(Planner);

#[async_trait]
impl QueryPlanner for LazyPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        state: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let lazy = plan.clone().transform_up_with_subqueries(lazy)?.data;
        self.0.create_physical_plan(&lazy, state).await
    }
}

fn lazy(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = match &plan {
        LogicalPlan::Filter(_)
        | LogicalPlan::Projection(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Join(_) => merge_schema(&plan.inputs()),
        _ => return Ok(Transformed::no(plan)),
    };
    let guard = match &plan {
        LogicalPlan::Projection(projection) => condition_of(&projection.input),
        _ => None,
    };
    let plan = match plan {
        LogicalPlan::Filter(filter) => LogicalPlan::Filter(asked_once(filter)),
        other => other,
    };
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        if !can_fail(&expr, &schema) {
            return Ok(Transformed::no(expr));
        }
        let name = names.save(&expr);
        let expr = guarded(expr, &schema)?.data;
        // The engine may compute columns before it drops rows.
        let expr = match &guard {
            Some(guard) => {
                let (expr, condition) = (expr.unalias(), guard.clone());
                only_where(guarded(condition, &schema)?.data, expr, &schema)?
            }
            None => expr,
        };
        Ok(Transformed::yes(name.restore(expr)))
    })
}

/// A filter over a scan that does not try for itself what is asked of its rows again, behind a guard.
fn asked_once(mut filter: Filter) -> Filter {
    if let LogicalPlan::TableScan(scan) = filter.input.as_ref() {
        let asked = split_conjunction(&filter.predicate);
        let is_left = |of: &&Expr| !(asked.contains(of) && can_fail(of, &scan.projected_schema));
        let filters: Vec<Expr> = scan.filters.iter().filter(is_left).cloned().collect();
        if filters.len() < scan.filters.len() {
            filter.input = Arc::new(LogicalPlan::TableScan(TableScan { filters, ..scan.clone() }));
        }
    }
    filter
}

/// What holds for all rows of a plan because it has dropped the others; over its own columns.
fn condition_of(plan: &LogicalPlan) -> Option<Expr> {
    match plan {
        LogicalPlan::Filter(filter) => Some(filter.predicate.clone()),
        LogicalPlan::SubqueryAlias(alias) => {
            let (inner, outer) = (alias.input.schema(), alias.schema.columns());
            renamed(condition_of(&alias.input)?, |column| {
                outer.get(inner.index_of_column(column).ok()?).cloned().map(Expr::Column)
            })
        }
        LogicalPlan::Projection(projection) => {
            let outer = projection.schema.columns();
            renamed(condition_of(&projection.input)?, |column| {
                let is_it = |expr: &Expr| matches!(expr.clone().unalias(), Expr::Column(of) if of == *column);
                outer.get(projection.expr.iter().position(is_it)?).cloned().map(Expr::Column)
            })
        }
        _ => None,
    }
}

/// A condition over other columns, where there is one for each of its own.
fn renamed(condition: Expr, other: impl Fn(&datafusion::common::Column) -> Option<Expr>) -> Option<Expr> {
    if !condition.column_refs().into_iter().all(|column| other(column).is_some()) {
        return None;
    }
    let renamed = condition.transform_up(|part| match &part {
        Expr::Column(column) => {
            Ok(other(column).map_or_else(|| Transformed::no(part.clone()), Transformed::yes))
        }
        _ => Ok(Transformed::no(part)),
    });
    renamed.ok().map(|condition| condition.data)
}

#[cfg(test)]
#[path = "guards_tests.rs"]
mod tests;
