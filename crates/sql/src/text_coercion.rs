//! Planning rules of ours for binary operators.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// In arithmetic, and next to a number in a comparison, text is read as a number.
///
/// For mappings over raw rows only, where a column that looks like text may hold numbers.
#[derive(Debug)]
pub struct NumericText;

impl ExprPlanner for NumericText {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        use BinaryOperator as Op;
        let arithmetic = matches!(expr.op, Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo);
        let comparison = matches!(expr.op, Op::Gt | Op::Lt | Op::GtEq | Op::LtEq | Op::Eq | Op::NotEq);
        let (left, right) = (expr.left.get_type(schema)?, expr.right.get_type(schema)?);
        let reads_as_number = |own: &DataType, other: &DataType| {
            is_text(own)
                && ((arithmetic && (is_text(other) || other.is_numeric()))
                    || (comparison && other.is_numeric()))
        };
        let to_number = |e: Expr| cast(e, DataType::Float64);
        let (left_is, right_is) = (reads_as_number(&left, &right), reads_as_number(&right, &left));
        if left_is {
            expr.left = to_number(expr.left);
        }
        if right_is {
            expr.right = to_number(expr.right);
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Refuses what the engine would answer wrongly without a word.
///
/// The difference of two instants compared with an interval is such a case: an interval has no fixed length, and the engine
/// compares them field by field.
#[derive(Debug)]
pub(crate) struct RefuseIntervalComparison;

impl ExprPlanner for RefuseIntervalComparison {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        use BinaryOperator as Op;
        if matches!(expr.op, Op::Gt | Op::Lt | Op::GtEq | Op::LtEq | Op::Eq | Op::NotEq) {
            let (left, right) = (expr.left.get_type(schema)?, expr.right.get_type(schema)?);
            let pair = (&left, &right);
            if matches!(
                pair,
                (DataType::Duration(_), DataType::Interval(_))
                    | (DataType::Interval(_), DataType::Duration(_))
            ) {
                return plan_err!(
                    "the difference of two instants cannot be compared with an interval; write `a <= b - INTERVAL '30 days'`, or date_part('day', b - a) >= 30"
                );
            }
        }
        Ok(PlannerResult::Original(expr))
    }
}
