//! Numbers as PostgreSQL and DuckDB have them, once types agree: [`NumbersRule`] goes over each plan behind the engine's coercion.
//!
//! - `+ - *` of whole numbers fail where the result outgrows its type; the engine's begin anew at the other end.
//! - A cast to a whole number rounds; the engine's cuts.
//!
//! Before the coercion, [`FloatsRule`] makes decimals floating point that stand beside such in BETWEEN, IN, CASE, `coalesce` and the
//! like; the engine would make all of them decimals of fifteen digits.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Between, Case, Cast, InList, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, cast};
use datafusion::optimizer::AnalyzerRule;

use crate::functions::{checked, is_nearest, nearest};
use crate::operators::floating;
use crate::schema_below::schema_below;

/// The rule behind the engine's coercion.
#[derive(Debug)]
pub(crate) struct NumbersRule;

impl AnalyzerRule for NumbersRule {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        every_expression(plan, exact)
    }
}

/// The rule before the engine's coercion.
#[derive(Debug)]
pub(crate) struct FloatsRule;

impl AnalyzerRule for FloatsRule {
    fn name(&self) -> &'static str {
        "floats"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        every_expression(plan, with_floats)
    }
}

/// A plan with each of its expressions rewritten, those of subqueries included; names stay.
fn every_expression(plan: LogicalPlan, rewrite: fn(Expr, &DFSchema) -> Result<Expr>) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let schema = schema_below(&plan);
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = rewrite(expr.clone(), &schema)?;
            Ok(if rewritten == expr {
                Transformed::no(expr)
            } else {
                Transformed::yes(name.restore(rewritten))
            })
        })?
        .map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(rewritten.data)
}

/// An expression whose types agree, with whole numbers that do not begin anew, and casts that round.
pub(crate) fn exact(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let rewritten = expr.transform_up(|part| match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let whole = |expr: &Expr| expr.get_type(schema).ok().filter(DataType::is_integer);
            let agreed = whole(&left).is_some_and(|left| whole(&right) == Some(left));
            let checked = agreed.then(|| checked((*left).clone(), op, (*right).clone())).flatten();
            Ok(match checked {
                Some(checked) => Transformed::yes(checked),
                None => Transformed::no(Expr::BinaryExpr(BinaryExpr::new(left, op, right))),
            })
        }
        Expr::Cast(Cast { expr, field }) => {
            let expr = to_whole(*expr, field.data_type(), schema);
            Ok(expr.update_data(|expr| Expr::Cast(Cast { expr: Box::new(expr), field })))
        }
        Expr::TryCast(TryCast { expr, field }) => {
            let expr = to_whole(*expr, field.data_type(), schema);
            Ok(expr.update_data(|expr| Expr::TryCast(TryCast { expr: Box::new(expr), field })))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// What is cast to a type: rounded, where that is one of whole numbers.
fn to_whole(number: Expr, to: &DataType, schema: &DFSchema) -> Transformed<Expr> {
    match to.is_integer().then(|| rounded(&number, schema)).flatten() {
        Some(rounded) => Transformed::yes(rounded),
        None => Transformed::no(number),
    }
}

/// A number rounded to a whole one: of decimals, a half goes away from zero; of floating point, to the even number.
fn rounded(number: &Expr, schema: &DFSchema) -> Option<Expr> {
    match number.get_type(schema).ok()? {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
            if scale > 0 =>
        {
            // One digit more: 9.5 is rounded to 10.
            let whole = precision.saturating_sub(scale.unsigned_abs()).saturating_add(1).min(38);
            Some(cast(number.clone(), DataType::Decimal128(whole, 0)))
        }
        data_type if data_type.is_floating() && !is_nearest(number) => Some(nearest(number.clone())),
        _ => None,
    }
}

/// Functions whose result is one of their arguments, or that compare them.
const MIXING: [&str; 8] = ["coalesce", "nvl", "ifnull", "nvl2", "nullif", "greatest", "least", "make_array"];

/// An expression whose types need not agree yet, with floating point for decimals that stand beside such.
pub(crate) fn with_floats(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let rewritten = expr.transform_up(|part| {
        Ok(match part {
            Expr::Between(Between { expr, negated, low, high }) => {
                let [expr, low, high] = alike([expr, low, high], schema);
                Transformed::yes(Expr::Between(Between::new(expr, negated, low, high)))
            }
            Expr::InList(InList { expr, list, negated }) => {
                let mut all = all_alike(std::iter::once(*expr).chain(list).collect(), schema);
                let expr = Box::new(all.remove(0));
                Transformed::yes(Expr::InList(InList::new(expr, all, negated)))
            }
            Expr::Case(Case { expr, when_then_expr, else_expr }) => {
                let (when, mut then): (Vec<Expr>, Vec<Expr>) =
                    when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
                let (expr, when) = match expr {
                    Some(expr) => {
                        let mut compared = all_alike(std::iter::once(*expr).chain(when).collect(), schema);
                        (Some(Box::new(compared.remove(0))), compared)
                    }
                    None => (None, when),
                };
                let has_else = else_expr.is_some();
                then.extend(else_expr.map(|otherwise| *otherwise));
                let mut then = all_alike(then, schema);
                let else_expr = if has_else { then.pop().map(Box::new) } else { None };
                let pairs = when.into_iter().zip(then);
                let when_then_expr = pairs.map(|(when, then)| (Box::new(when), Box::new(then))).collect();
                Transformed::yes(Expr::Case(Case { expr, when_then_expr, else_expr }))
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) if MIXING.contains(&func.name()) => {
                let args = all_alike(args, schema);
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(rewritten.data)
}

fn alike<const N: usize>(all: [Box<Expr>; N], schema: &DFSchema) -> [Box<Expr>; N] {
    let has_floating = all.iter().any(|expr| is_floating(expr, schema));
    all.map(|expr| if has_floating { Box::new(decimal_as_floating(*expr, schema)) } else { expr })
}

fn all_alike(all: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    if !all.iter().any(|expr| is_floating(expr, schema)) {
        return all;
    }
    all.into_iter().map(|expr| decimal_as_floating(expr, schema)).collect()
}

fn is_floating(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| data_type.is_floating())
}

fn decimal_as_floating(expr: Expr, schema: &DFSchema) -> Expr {
    match expr.get_type(schema) {
        Ok(data_type) if data_type.is_decimal() => floating(expr),
        _ => expr,
    }
}
