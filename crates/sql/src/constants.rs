//! Constants that would be larger than a value may be. The engine computes them while it plans, whatever they take.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use crate::limits::StatementLimits;

/// Refuses a plan one of whose expressions asks for a value that is too large.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            check(expr)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(())
}

/// The same for an expression.
pub(crate) fn check(expr: &Expr) -> Result<()> {
    let most = StatementLimits::current().value_bytes;
    expr.apply(|node| {
        if let Expr::ScalarFunction(call) = node
            && size(node) > most
        {
            return Err(DataFusionError::Plan(format!(
                "'{}' makes a value of {} bytes, and a value may have {most} (`limits.value_bytes` in tranche.yaml)",
                call.name(),
                size(node),
            )));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// At least so many bytes has the value of an expression, where that follows from its constants.
fn size(expr: &Expr) -> u64 {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(Some(text))
            | ScalarValue::LargeUtf8(Some(text))
            | ScalarValue::Utf8View(Some(text)),
            _,
        ) => text.len() as u64,
        Expr::Alias(alias) => size(&alias.expr),
        Expr::Cast(cast) => size(&cast.expr),
        Expr::BinaryExpr(binary) if binary.op == Operator::StringConcat => {
            size(&binary.left).saturating_add(size(&binary.right))
        }
        Expr::ScalarFunction(call) => size_of_call(call.name(), &call.args),
        _ => 1,
    }
}

fn size_of_call(name: &str, args: &[Expr]) -> u64 {
    let number = |at: usize| args.get(at).and_then(constant).unwrap_or(1);
    let positive = |number: i128| u64::try_from(number.max(0)).unwrap_or(u64::MAX);
    let first = args.first().map_or(1, size);
    match name {
        "repeat" => first.saturating_mul(positive(number(1))),
        "lpad" | "rpad" => positive(number(1)).max(1),
        "array_repeat" | "list_repeat" => first.saturating_mul(positive(number(1))),
        "array_resize" | "list_resize" => positive(number(1)).saturating_mul(8),
        "range" | "generate_series" => {
            let (from, to) = if args.len() > 1 { (number(0), number(1)) } else { (0, number(0)) };
            let step = if args.len() > 2 { number(2).max(1) } else { 1 };
            positive((to - from) / step).saturating_mul(8)
        }
        "concat" | "concat_ws" | "array_concat" | "list_concat" | "make_array" => {
            args.iter().map(size).fold(0, u64::saturating_add)
        }
        "upper" | "lower" | "trim" | "btrim" | "ltrim" | "rtrim" | "reverse" | "replace" | "coalesce" => {
            first
        }
        _ => 1,
    }
}

/// The whole number that an expression without columns is.
fn constant(expr: &Expr) -> Option<i128> {
    if expr.any_column_refs() || size(expr) > 1 {
        return None;
    }
    let schema = std::sync::Arc::new(DFSchema::empty());
    let simplifier =
        ExprSimplifier::new(SimplifyContext::builder().with_schema(std::sync::Arc::clone(&schema)).build());
    let typed = simplifier.coerce(expr.clone(), &schema).ok()?;
    match simplifier.simplify(typed).ok()? {
        Expr::Literal(value, _) => {
            value.cast_to(&arrow::datatypes::DataType::Int64).ok().and_then(|value| match value {
                ScalarValue::Int64(number) => number.map(i128::from),
                _ => None,
            })
        }
        _ => None,
    }
}
