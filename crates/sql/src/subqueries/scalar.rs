//! Scalar subqueries in forms that the engine has no plan, or a wrong one, for.
//!
//! - `(SELECT count(*) FROM t WHERE t.id < o.id)`: an aggregate over rows that are compared with the row around by something else
//!   than equality. The rows are joined, and aggregated by the rows around.
//! - `(SELECT x FROM t WHERE false)`, where `x` is never null: the value of no row is null, which the engine does not expect.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, Result, plan_err};
use datafusion::functions_window::row_number::row_number;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Subquery, lit,
};
use datafusion::optimizer::OptimizerConfig;
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

/// A subquery as it may be null where it has no row.
pub(super) fn with_null_for_no_row(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| match part {
        Expr::ScalarSubquery(subquery)
            if subquery.outer_ref_columns.is_empty()
                && subquery.subquery.schema().fields().iter().all(|field| !field.is_nullable())
                && !has_one_row(&subquery.subquery) =>
        {
            let columns = subquery.subquery.schema().columns();
            let joined = LogicalPlanBuilder::empty(true)
                .join_on(LogicalPlan::clone(&subquery.subquery), JoinType::Left, Some(lit(true)))?
                .project(columns.into_iter().map(Expr::Column))?
                .build()?;
            Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(joined), ..subquery })))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// Whether a plan has a row whatever its tables hold.
fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(Projection { input, .. }) => has_one_row(input),
        LogicalPlan::SubqueryAlias(alias) => has_one_row(&alias.input),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        _ => false,
    }
}

/// Which subqueries that refer to the row around the engine has no plan for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unplanned {
    /// In conditions and select lists, those that are compared by something else than equality.
    Inequalities,
    /// Anywhere else, all of them.
    All,
}

/// An expression without the subqueries that the engine has no plan for: `input` gets columns with their values.
pub(super) fn joined(
    expr: Expr,
    unplanned: Unplanned,
    input: &mut LogicalPlan,
    config: &dyn OptimizerConfig,
) -> Result<Transformed<Expr>> {
    let is_unplanned = |subquery: &Subquery| match unplanned {
        Unplanned::Inequalities => is_compared_otherwise(subquery),
        Unplanned::All => Ok(!subquery.outer_ref_columns.is_empty()),
    };
    expr.transform_up(|part| match part {
        Expr::ScalarSubquery(subquery) if is_unplanned(&subquery)? => {
            let (plan, value) = with_value(input.clone(), &subquery, config)?;
            *input = plan;
            Ok(Transformed::yes(value))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// Whether rows of a subquery are compared with the row around by something else than equality.
fn is_compared_otherwise(subquery: &Subquery) -> Result<bool> {
    let mut found = false;
    subquery.subquery.apply(|plan| {
        if let LogicalPlan::Filter(Filter { predicate, .. }) = plan {
            found |= split_conjunction(predicate)
                .into_iter()
                .any(|condition| condition.contains_outer() && !is_equality(condition));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Whether it says that something of the subquery's rows equals something of the row around.
fn is_equality(condition: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return false };
    let is_outer = |expr: &Expr| expr.contains_outer() && expr.column_refs().is_empty();
    let is_inner = |expr: &Expr| !expr.contains_outer() && !expr.column_refs().is_empty();
    (is_outer(left) && is_inner(right)) || (is_inner(left) && is_outer(right))
}

/// A subquery that is one value of an aggregation without groups.
struct Aggregated<'a> {
    aggregate: &'a Aggregate,
    /// What is made of the aggregates.
    value: Expr,
}

fn aggregated(plan: &LogicalPlan) -> Result<Aggregated<'_>> {
    match plan {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
            let value = Expr::Column(plan.schema().columns().remove(0));
            Ok(Aggregated { aggregate, value })
        }
        LogicalPlan::Projection(Projection { expr, input, .. }) => match (expr.as_slice(), input.as_ref()) {
            ([expr], LogicalPlan::Aggregate(aggregate)) if aggregate.group_expr.is_empty() => {
                Ok(Aggregated { aggregate, value: expr.clone().unalias_nested().data })
            }
            _ => refused(),
        },
        _ => refused(),
    }
}

fn refused<T>() -> Result<T> {
    plan_err!(
        "a subquery that compares its rows with the row around it, other than by equality, must be a single aggregate; join its rows and aggregate them"
    )
}

/// A column of the rows that are joined.
const MATCH: &str = "is_match";

/// The rows of `input` with the value of a subquery for each, and the expression that has it.
fn with_value(
    input: LogicalPlan,
    subquery: &Subquery,
    config: &dyn OptimizerConfig,
) -> Result<(LogicalPlan, Expr)> {
    let Aggregated { aggregate, value } = aggregated(&subquery.subquery)?;
    let alias = config.alias_generator().next("__scalar");
    let mut pull_up = PullUpCorrelatedExpr::new();
    let rows = LogicalPlan::clone(&aggregate.input).rewrite(&mut pull_up).data()?;
    if !pull_up.can_pull_up {
        return refused();
    }
    // The columns that are needed of the subquery's rows, by names of their own.
    let needed = pull_up.join_filters.iter().chain(&aggregate.aggr_expr).flat_map(Expr::column_refs);
    let mut columns: Vec<Column> =
        needed.filter(|column| rows.schema().has_column(column)).cloned().collect();
    columns.sort();
    columns.dedup();
    let name = |place: usize| format!("column_{place}");
    let selected =
        columns.iter().enumerate().map(|(place, column)| Expr::Column(column.clone()).alias(name(place)));
    let selected = selected.chain(std::iter::once(lit(true).alias(MATCH))).collect::<Vec<_>>();
    let right = LogicalPlanBuilder::from(rows).project(selected)?.alias(alias.clone())?.build()?;
    let of_right = |expr: Expr| {
        let renamed = expr.transform_up(|part| match part {
            Expr::Column(column) => match columns.iter().position(|known| *known == column) {
                Some(place) => {
                    Ok(Transformed::yes(Expr::Column(Column::new(Some(alias.clone()), name(place)))))
                }
                None => Ok(Transformed::no(Expr::Column(column))),
            },
            other => Ok(Transformed::no(other)),
        });
        renamed.data()
    };
    let conditions = pull_up.join_filters.into_iter().map(of_right).collect::<Result<Vec<_>>>()?;
    let is_match = Expr::Column(Column::new(Some(alias.clone()), MATCH));
    let output = |place: usize| format!("{alias}_{place}");
    let aggregates = aggregate.aggr_expr.iter().enumerate().map(|(place, expr)| {
        let of_matches = of_right(expr.clone().unalias())?.transform_up(|part| match part {
            Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
                let filter = params.filter.take();
                let filter = filter.map_or_else(|| is_match.clone(), |filter| is_match.clone().and(*filter));
                params.filter = Some(Box::new(filter));
                Ok(Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params })))
            }
            other => Ok(Transformed::no(other)),
        });
        Ok(of_matches?.data.alias(output(place)))
    });
    let aggregates = aggregates.collect::<Result<Vec<_>>>()?;
    // Each row around is a group of its own, be there another one like it.
    let left = LogicalPlanBuilder::from(input).window(vec![row_number().alias(format!("{alias}_row"))])?;
    let groups: Vec<Expr> = left.schema().columns().into_iter().map(Expr::Column).collect();
    let plan = left.join_on(right, JoinType::Left, conditions)?.aggregate(groups, aggregates)?.build()?;
    let names = aggregate.aggr_expr.iter().map(|expr| expr.schema_name().to_string()).collect::<Vec<_>>();
    let value = value.transform_up(|part| match part {
        Expr::Column(column) => match names.iter().position(|known| *known == column.name) {
            Some(place) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(output(place))))),
            None => Ok(Transformed::no(Expr::Column(column))),
        },
        other => Ok(Transformed::no(other)),
    });
    Ok((plan, value.data()?))
}
