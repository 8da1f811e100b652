//! One zero. A float can be -0.0, which equals 0; the engine tells the two apart where it looks a float up by its bits, or orders rows
//! by it. There 0.0 is added, which makes the same zero of either and leaves every other number as it is.
//!
//! [`ZerosRule`] goes behind the rules that fold constants and gather comparisons into lists, and adds it
//!
//! - to what IN looks for among values of which one may be a zero;
//! - to the operand of a CASE and to its WHEN, and to what `nullif` compares;
//! - to what is distinct within an aggregate.
//!
//! [`OrdersRule`] goes once, before ties are ordered by more columns, and adds it to what windows divide and order rows by, to keys of
//! ORDER BY and of aggregates. Comparisons, groups and joins hold both zeros for one already.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{AggregateFunction, Case, Cast, InList, ScalarFunction, Sort};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, ExprSchemable, LogicalPlan, Operator, lit};
use datafusion::optimizer::{AnalyzerRule, ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::scalar::ScalarValue;

use crate::schema_below::schema_below;
use crate::ties::ORDERED;

/// The rule, to stand behind those that simplify.
#[derive(Debug)]
pub(crate) struct ZerosRule;

impl OptimizerRule for ZerosRule {
    fn name(&self) -> &'static str {
        "zeros"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let mut is_concerned = false;
        plan.apply_expressions(|expr| {
            is_concerned = is_concerned || expr.exists(|part| Ok(looks_up(part)))?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        if !is_concerned {
            return Ok(Transformed::no(plan));
        }
        let schema = match &plan {
            // Its filters may be over columns that it does not give.
            LogicalPlan::TableScan(scan) => {
                DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?
            }
            plan => schema_below(plan),
        };
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            // A set of groups has to stay one.
            if let Expr::GroupingSet(_) = expr {
                return expr.map_children(|group| {
                    let name = group.schema_name().to_string();
                    let group = one_zero(group, &schema)?;
                    if group.transformed {
                        group.map_data(|group| group.alias_if_changed(name))
                    } else {
                        Ok(group)
                    }
                });
            }
            let name = names.save(&expr);
            let expr = one_zero(expr, &schema)?;
            Ok(if expr.transformed { expr.update_data(|expr| name.restore(expr)) } else { expr })
        })
    }
}

/// The rule about orders, to stand behind the one that makes types agree.
#[derive(Debug)]
pub(crate) struct OrdersRule;

impl AnalyzerRule for OrdersRule {
    fn name(&self) -> &'static str {
        "orders"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Sort(mut sort) => {
                let schema = DFSchema::clone(sort.input.schema());
                let is_changed = without_signs(keys(&mut sort.expr), &schema);
                Ok(changed(is_changed, LogicalPlan::Sort(sort)))
            }
            LogicalPlan::Distinct(Distinct::On(mut on)) => {
                let schema = DFSchema::clone(on.input.schema());
                let is_changed =
                    without_signs(on.sort_expr.iter_mut().flat_map(|order| keys(order)), &schema);
                Ok(changed(is_changed, LogicalPlan::Distinct(Distinct::On(on))))
            }
            plan @ (LogicalPlan::Window(_) | LogicalPlan::Aggregate(_)) => {
                let (names, schema) = (NamePreserver::new(&plan), schema_below(&plan));
                plan.map_expressions(|expr| {
                    let name = names.save(&expr);
                    let ordered = expr.transform_up(|part| Ok(ordered(part, &schema)))?;
                    Ok(if ordered.transformed {
                        ordered.update_data(|expr| name.restore(expr))
                    } else {
                        ordered
                    })
                })
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(rewritten.data)
    }
}

/// A window or an aggregate whose order has one zero.
fn ordered(mut part: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let is_changed = match &mut part {
        Expr::AggregateFunction(AggregateFunction { func, params }) if ORDERED.contains(&func.name()) => {
            without_signs(keys(&mut params.order_by), schema)
        }
        Expr::WindowFunction(window) => {
            let divided = window.params.partition_by.iter_mut();
            without_signs(divided.chain(keys(&mut window.params.order_by)), schema)
        }
        _ => false,
    };
    changed(is_changed, part)
}

fn keys(order: &mut [Sort]) -> impl Iterator<Item = &mut Expr> {
    order.iter_mut().map(|key| &mut key.expr)
}

/// An expression of which constants are folded, with one zero wherever it looks for it.
///
/// # Errors
/// Those of the engine.
pub(crate) fn one_zero(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if !expr.exists(|part| Ok(looks_up(part)))? {
        return Ok(Transformed::no(expr));
    }
    expr.transform_up(|mut part| {
        let is_changed = match &mut part {
            Expr::InList(InList { expr, list, .. }) => {
                list.iter().any(may_be_zero)
                    && without_signs(std::iter::once(&mut **expr).chain(list), schema)
            }
            Expr::Case(Case { expr: Some(operand), when_then_expr, .. }) => {
                let is_looked_up = when_then_expr.iter().any(|(when, _)| may_be_zero(when));
                let whens = when_then_expr.iter_mut().map(|(when, _)| &mut **when);
                is_looked_up && without_signs(std::iter::once(&mut **operand).chain(whens), schema)
            }
            Expr::ScalarFunction(function) if is_null_if(function) => {
                function.args.iter().all(may_be_zero) && without_signs(&mut function.args, schema)
            }
            Expr::AggregateFunction(AggregateFunction { params, .. }) if params.distinct => {
                without_signs(&mut params.args, schema)
            }
            _ => false,
        };
        Ok(changed(is_changed, part))
    })
}

fn changed<T>(is_changed: bool, data: T) -> Transformed<T> {
    if is_changed { Transformed::yes(data) } else { Transformed::no(data) }
}

/// Whether a part of an expression may look a float up by its bits.
fn looks_up(part: &Expr) -> bool {
    match part {
        Expr::InList(_) => true,
        Expr::Case(case) => case.expr.is_some(),
        Expr::ScalarFunction(function) => is_null_if(function),
        Expr::AggregateFunction(aggregate) => aggregate.params.distinct,
        _ => false,
    }
}

fn is_null_if(function: &ScalarFunction) -> bool {
    function.func.name() == "nullif"
}

/// Takes the signs of zeros away, and says whether one of the expressions is another now.
fn without_signs<'a>(expressions: impl IntoIterator<Item = &'a mut Expr>, schema: &DFSchema) -> bool {
    expressions.into_iter().filter_map(|expr| without_sign(expr, schema).then_some(())).count() > 0
}

/// A literal, which will be 0.0 when it is folded if it is -0.0; anything else as it is.
pub(crate) fn literal(expr: Expr) -> Expr {
    let data_type = match &expr {
        Expr::Literal(value, _) => value.data_type(),
        Expr::Negative(number) => match &**number {
            Expr::Literal(value, _) => value.data_type(),
            Expr::Cast(Cast { expr, field }) if matches!(**expr, Expr::Literal(..)) => {
                field.data_type().clone()
            }
            _ => return expr,
        },
        _ => return expr,
    };
    match ScalarValue::new_zero(&data_type).map(lit) {
        Ok(zero) if data_type.is_floating() && may_be_zero(&expr) => match expr {
            Expr::Literal(..) => zero,
            _ => expr + zero,
        },
        _ => expr,
    }
}

fn without_sign(expr: &mut Expr, schema: &DFSchema) -> bool {
    let data_type = expr.get_type(schema).ok().filter(|data_type| data_type.is_floating());
    let zero = data_type.and_then(|data_type| ScalarValue::new_zero(&data_type).ok());
    let Some(zero) = zero.map(lit).filter(|_| may_be_zero(expr)) else { return false };
    match expr {
        Expr::Literal(..) if *expr == zero => return false,
        Expr::Literal(..) => *expr = zero,
        Expr::BinaryExpr(BinaryExpr { op: Operator::Plus, right, .. }) if **right == zero => return false,
        _ => *expr = expr.clone() + zero,
    }
    true
}

/// Whether an expression can be a zero: all but literals of other numbers.
fn may_be_zero(expr: &Expr) -> bool {
    let Expr::Literal(value, _) = expr else { return true };
    ScalarValue::new_zero(&value.data_type())
        .is_ok_and(|zero| *value == zero || value.arithmetic_negate().is_ok_and(|negated| negated == zero))
}
