//! One order where a query leaves several: what `row_number`, `ntile`, `first_value`, LIMIT and `array_agg` give over ties is the same in
//! every run, on any number of threads.
//!
//! Rows that agree in every column that a query looks at can change places without a trace; so ties are ordered by all those columns.
//! [`LimitRule`] goes first, before a LIMIT without ORDER BY reaches the files; [`TiesRule`] goes last, when no plan has a column more
//! than it needs.
//!
//! | of | ties are ordered by |
//! |---|---|
//! | `row_number`, `ntile`, `lead`, `lag`, frames in ROWS, `first_value` over a partition's start | the columns of the rows |
//! | LIMIT, DISTINCT ON | the columns of the rows |
//! | `array_agg`, `string_agg`, `first_value`, `last_value`, `nth_value` as aggregates | the columns of the rows |

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{AggregateFunction, Sort as SortExpr, WindowFunction};
use datafusion::logical_expr::{
    Distinct, DistinctOn, Expr, ExprSchemable, Limit, LogicalPlan, Sort, WindowFrameBound, WindowFrameUnits,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// Orders the rows of a LIMIT, and of DISTINCT ON.
#[derive(Debug)]
pub(crate) struct LimitRule;

impl OptimizerRule for LimitRule {
    fn name(&self) -> &'static str {
        "limits"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Limit(Limit { skip, fetch, input }) if !is_ordered(&input) => {
                let expr = by_columns(input.schema(), &[]);
                if expr.is_empty() {
                    return Ok(Transformed::no(LogicalPlan::Limit(Limit { skip, fetch, input })));
                }
                let input = Arc::new(LogicalPlan::Sort(Sort { expr, input, fetch: None }));
                Ok(Transformed::yes(LogicalPlan::Limit(Limit { skip, fetch, input })))
            }
            LogicalPlan::Distinct(Distinct::On(on)) => {
                let known = on.sort_expr.clone();
                let mut sort = known.unwrap_or_else(|| {
                    on.on_expr.iter().map(|expr| expr.clone().sort(true, false)).collect()
                });
                let ordered = sort.len();
                for expr in &on.select_expr {
                    let expr = expr.clone().unalias();
                    if is_sortable(&expr, on.input.schema()) && !sort.iter().any(|key| key.expr == expr) {
                        sort.push(expr.sort(true, false));
                    }
                }
                let changed = sort.len() > ordered || on.sort_expr.is_none();
                let plan = LogicalPlan::Distinct(Distinct::On(DistinctOn { sort_expr: Some(sort), ..on }));
                Ok(if changed { Transformed::yes(plan) } else { Transformed::no(plan) })
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// Whether the rows of a plan come in an order that its author chose.
fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_ordered(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_ordered(&alias.input),
        LogicalPlan::Limit(limit) => is_ordered(&limit.input),
        // One row, or none.
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}

/// Orders ties of windows, of sorts of which the first rows are taken, and within aggregates.
#[derive(Debug)]
pub(crate) struct TiesRule;

impl OptimizerRule for TiesRule {
    fn name(&self) -> &'static str {
        "ties"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Sort(Sort { mut expr, input, fetch: Some(fetch) }) => {
                let ties = by_columns(input.schema(), &expr);
                let changed = !ties.is_empty();
                expr.extend(ties);
                let plan = LogicalPlan::Sort(Sort { expr, input, fetch: Some(fetch) });
                Ok(if changed { Transformed::yes(plan) } else { Transformed::no(plan) })
            }
            LogicalPlan::Window(window) => {
                let schema = Arc::clone(window.input.schema());
                LogicalPlan::Window(window)
                    .map_expressions(|expr| named(expr, |part| in_window(part, &schema)))
            }
            LogicalPlan::Aggregate(aggregate) => {
                match common_order(&aggregate.aggr_expr, aggregate.input.schema()) {
                    Some(order) => LogicalPlan::Aggregate(aggregate)
                        .map_expressions(|expr| named(expr, |part| Ok(in_order(part, &order)))),
                    None => Ok(Transformed::no(LogicalPlan::Aggregate(aggregate))),
                }
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// An expression with its parts rewritten, under the name that it had.
fn named(
    expr: Expr,
    mut rewrite: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<Expr>> {
    let name = expr.schema_name().to_string();
    let rewritten = expr.transform_up(&mut rewrite)?;
    match rewritten.transformed {
        true => Ok(Transformed::yes(rewritten.data.alias_if_changed(name)?)),
        false => Ok(rewritten),
    }
}

fn in_window(part: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::WindowFunction(mut window) = part else { return Ok(Transformed::no(part)) };
    if !is_of_one_row_after_another(&window) {
        return Ok(Transformed::no(Expr::WindowFunction(window)));
    }
    let mut known = window.params.order_by.clone();
    known.extend(window.params.partition_by.iter().map(|expr| expr.clone().sort(true, false)));
    let ties = by_columns(schema, &known);
    let changed = !ties.is_empty();
    window.params.order_by.extend(ties);
    let expr = Expr::WindowFunction(window);
    Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
}

/// Whether the value depends on which of two rows that tie comes first, and a longer order leaves the frame what it is.
fn is_of_one_row_after_another(window: &WindowFunction) -> bool {
    let frame = &window.params.window_frame;
    let from_the_start = matches!(&frame.start_bound, WindowFrameBound::Preceding(rows) if rows.is_null());
    let is_unbounded = |bound: &WindowFrameBound| !matches!(bound, WindowFrameBound::CurrentRow);
    match window.fun.name() {
        "row_number" | "ntile" | "lead" | "lag" => true,
        "rank" | "dense_rank" | "percent_rank" | "cume_dist" => false,
        _ if frame.units == WindowFrameUnits::Rows => true,
        "first_value" => from_the_start,
        // Of a whole partition.
        "last_value" | "nth_value" | "array_agg" | "string_agg" => {
            from_the_start && is_unbounded(&frame.end_bound)
        }
        _ => false,
    }
}

/// Aggregates whose value depends on the order of their rows.
pub(crate) const ORDERED: [&str; 5] = ["array_agg", "string_agg", "first_value", "last_value", "nth_value"];

/// An order in which the rows of all these aggregates may come, ties included: the engine has one for all of them. `None` where there is
/// none that suits each, or none is needed.
fn common_order(aggregates: &[Expr], schema: &DFSchema) -> Option<Vec<SortExpr>> {
    let mut orders = Vec::new();
    for aggregate in aggregates {
        match aggregate.clone().unalias() {
            Expr::AggregateFunction(AggregateFunction { func, params }) if ORDERED.contains(&func.name()) => {
                orders.push((params.distinct, params.order_by));
            }
            _ => {}
        }
    }
    let longest = orders.iter().map(|(_, order)| order).max_by_key(|order| order.len())?;
    let suits = |(distinct, order): &(bool, Vec<SortExpr>)| {
        // Of distinct values, none but themselves can say which comes first.
        !distinct && (longest.starts_with(order) || reversed(longest).starts_with(order))
    };
    if !orders.iter().all(suits) {
        return None;
    }
    let mut common = longest.clone();
    common.extend(by_columns(schema, longest));
    Some(common)
}

fn reversed(order: &[SortExpr]) -> Vec<SortExpr> {
    order.iter().map(|key| key.expr.clone().sort(!key.asc, !key.nulls_first)).collect()
}

/// An aggregate with the common order, from whichever end it has its own.
fn in_order(part: Expr, common: &[SortExpr]) -> Transformed<Expr> {
    let Expr::AggregateFunction(AggregateFunction { func, mut params }) = part else {
        return Transformed::no(part);
    };
    if !ORDERED.contains(&func.name()) || params.order_by.len() == common.len() {
        return Transformed::no(Expr::AggregateFunction(AggregateFunction { func, params }));
    }
    let from_the_start = common.starts_with(&params.order_by);
    params.order_by = if from_the_start { common.to_vec() } else { reversed(common) };
    Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params }))
}

/// The columns of rows as an order, but for those that rows are ordered by already.
fn by_columns(schema: &DFSchema, known: &[SortExpr]) -> Vec<SortExpr> {
    let columns = schema.columns().into_iter().map(Expr::Column);
    columns
        .filter(|column| is_sortable(column, schema) && !known.iter().any(|key| key.expr == *column))
        .map(|column| column.sort(true, false))
        .collect()
}

/// Nested values have no order.
fn is_sortable(expr: &Expr, schema: &DFSchema) -> bool {
    let is_constant = matches!(expr, Expr::Literal(..));
    !is_constant
        && expr.get_type(schema).is_ok_and(|data_type| {
            !data_type.is_nested() && !matches!(data_type, DataType::Null | DataType::Interval(_))
        })
}
