//! Operators whose meaning the engine has otherwise than PostgreSQL and DuckDB, as they are planned.
//!
//! - The quotient of decimals is floating point; the engine's ends some digits behind the point.
//! - Beside floating point, a decimal is floating point; compared, the engine would read both as decimals of fifteen digits.
//! - Intervals, and differences of instants, are compared as lengths of time; the engine compares them field by field, so that
//!   24 hours are not a day.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, cast, lit};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::functions::{length_of_time, quotient};

/// Plans these operators.
#[derive(Debug)]
pub(crate) struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let (left, right) = (expr.left.get_type(schema)?, expr.right.get_type(schema)?);
        if is_comparison(&expr.op) && is_length_of_time(&left) && is_length_of_time(&right) {
            expr.left = length_of_time(expr.left);
            expr.right = length_of_time(expr.right);
            return Ok(PlannerResult::Original(expr));
        }
        if matches!(expr.op, BinaryOperator::Divide) && is_exact_quotient(&left, &right) {
            return Ok(PlannerResult::Planned(quotient(expr.left, expr.right)));
        }
        if left.is_decimal() && right.is_floating() {
            expr.left = floating(expr.left);
        } else if left.is_floating() && right.is_decimal() {
            expr.right = floating(expr.right);
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn is_comparison(operator: &BinaryOperator) -> bool {
    use BinaryOperator as Op;
    matches!(operator, Op::Gt | Op::Lt | Op::GtEq | Op::LtEq | Op::Eq | Op::NotEq | Op::Spaceship)
}

fn is_length_of_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Duration(_) | DataType::Interval(_))
}

/// Whether one is a decimal and the other a decimal or a whole number.
fn is_exact_quotient(left: &DataType, right: &DataType) -> bool {
    let is_exact = |data_type: &DataType| data_type.is_decimal() || data_type.is_integer();
    (left.is_decimal() || right.is_decimal()) && is_exact(left) && is_exact(right)
}

/// A decimal as floating point; of a literal, the literal.
pub(crate) fn floating(decimal: Expr) -> Expr {
    match &decimal {
        Expr::Literal(value, _) => match value.cast_to(&DataType::Float64) {
            Ok(value @ ScalarValue::Float64(_)) => lit(value),
            _ => cast(decimal, DataType::Float64),
        },
        _ => cast(decimal, DataType::Float64),
    }
}
