//! Clocks and dice by what they are: a function whose value changes from call to call, under whatever name it was
//! written. Those that people write are refused where they stand ([`dialect`](crate::dialect)); this finds the others.

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

use crate::functions;

/// Refuses a plan in which such a function is called.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            check(expr)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(())
}

/// Refuses an expression in which such a function is called.
pub(crate) fn check(expr: &Expr) -> Result<()> {
    expr.apply(|node| match node {
        Expr::ScalarFunction(call)
            if call.func.signature().volatility != Volatility::Immutable
                && call.name() != functions::AS_OF =>
        {
            Err(DataFusionError::Plan(format!(
                "'{}' changes from run to run; a definition must give the same result at the same as_of",
                call.name()
            )))
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}
