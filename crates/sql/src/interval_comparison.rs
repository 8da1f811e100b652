//! Comparing the difference of two instants with an interval.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::sql::sqlparser::ast::BinaryOperator;

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
