//! What the expressions of a step of a plan are over.

use datafusion::common::DFSchema;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::utils::merge_schema;

/// The columns of a step's inputs together; of a scan, those that it reads.
pub(crate) fn schema_below(plan: &LogicalPlan) -> DFSchema {
    match plan {
        LogicalPlan::TableScan(scan) => DFSchema::clone(&scan.projected_schema),
        plan => merge_schema(&plan.inputs()),
    }
}
