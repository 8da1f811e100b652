//! A stored table as the engine queries it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// A table of the table format, but for two things that go wrong.
///
/// Conditions that name no column are left to the engine. The table format takes such a condition for one on
/// partition columns, which it answers from its log, and no other check follows. One that is null, such as a
/// comparison with a column that a contract gained since the last load, then lets every row pass.
///
/// The engine plans without the least and greatest values of columns. From these it reckons how many rows
/// pass a condition; about a cast, as in `CAST(at AS DATE) >= DATE '2026-01-01'`, it may come to more than
/// all, and refuses the query. Files and row groups that cannot hold what is looked for are skipped all the
/// same.
#[derive(Debug)]
pub(crate) struct StoredTable(pub(crate) Arc<dyn TableProvider>);

#[async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = self.0.supports_filters_pushdown(filters)?;
        let names_none = |filter: &&Expr| filter.column_refs().is_empty();
        let kept = |(filter, support)| {
            if names_none(filter) { TableProviderFilterPushDown::Unsupported } else { support }
        };
        Ok(filters.iter().zip(supported).map(kept).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.0.scan(session, projection, filters, limit).await?;
        Ok(plan
            .transform_up(|node| {
                Ok(without_bounds(&node).map_or_else(|| Transformed::no(node), Transformed::yes))
            })?
            .data)
    }
}

/// The same scan of files, which says how many rows they have, and nothing of what these hold. `None` for
/// what scans no files.
fn without_bounds(node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let files = node.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<FileScanConfig>()?;
    let column = |known: &ColumnStatistics| ColumnStatistics {
        null_count: known.null_count,
        byte_size: known.byte_size,
        ..ColumnStatistics::new_unknown()
    };
    let rows_of = |known: &Statistics| Statistics {
        num_rows: known.num_rows,
        total_byte_size: known.total_byte_size,
        column_statistics: known.column_statistics.iter().map(column).collect(),
    };
    let groups =
        files.file_groups.iter().cloned().map(|group| match group.file_statistics(None).map(rows_of) {
            Some(rows) => group.with_statistics(Arc::new(rows)),
            None => group,
        });
    let statistics = rows_of(&files.statistics());
    let scan = FileScanConfigBuilder::from(files.clone())
        .with_file_groups(groups.collect())
        .with_statistics(statistics);
    Some(DataSourceExec::from_data_source(scan.build()))
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{DataFrame, SessionContext, col, lit};
    use datafusion::scalar::ScalarValue;

    use crate::fixture::{Fixture, numbers};
    use crate::{Commit, CommitMode};

    #[tokio::test]
    async fn a_condition_without_a_column_that_is_null_selects_nothing() {
        let fixture = Fixture::new();
        let rows = fixture.plan(numbers(&[1, 2, 3]));
        let snapshot = fixture.commit(Commit::new("t", "one", CommitMode::Append, rows)).await;
        let context = SessionContext::new();
        let table = context.read_table(snapshot.provider(&context.state()).await.unwrap()).unwrap();
        let unknown = lit(ScalarValue::Int64(None)).gt(lit(5_i64));
        let gained = table.clone().select(vec![col("number"), unknown.alias("gained")]).unwrap();
        let check = async |frame: DataFrame, expected: usize| {
            assert_eq!(frame.count().await.unwrap(), expected);
        };
        check(table.clone().filter(col("number").gt(lit(1_i64))).unwrap(), 2).await;
        check(table.filter(col("number").gt(lit(1_i64)).and(lit(ScalarValue::Boolean(None)))).unwrap(), 0)
            .await;
        check(gained.filter(col("gained").and(col("number").gt(lit(1_i64)))).unwrap(), 0).await;
    }
}
