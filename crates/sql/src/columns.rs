//! Which columns of a relation a plan reads.

use std::collections::BTreeSet;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;

use crate::{Session, SqlError};

impl Session {
    /// The columns of the relation registered as `relation` that a plan reads, wherever in it that is.
    ///
    /// # Errors
    /// [`SqlError`] when the engine cannot optimise the plan.
    pub fn columns_read(&self, plan: &LogicalPlan, relation: &str) -> Result<BTreeSet<String>, SqlError> {
        let mut columns = BTreeSet::new();
        self.optimized(plan)?
            .apply_with_subqueries(|node| {
                if let LogicalPlan::TableScan(scan) = node
                    && scan.table_name.table() == relation
                {
                    columns.extend(scan.projected_schema.fields().iter().map(|field| field.name().clone()));
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .map_err(SqlError::engine)?;
        Ok(columns)
    }
}
