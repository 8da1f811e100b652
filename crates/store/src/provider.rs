//! A stored table as the engine queries it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// A table of the table format, but for conditions that name no column, which are left to the engine.
///
/// The table format takes such a condition for one on partition columns, which it answers from its log and nobody asks again. One that is
/// null, such as a comparison with a column that a contract gained since the last load, then lets every row pass.
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
        let kept = |(filter, support)| if names_none(filter) { TableProviderFilterPushDown::Unsupported } else { support };
        Ok(filters.iter().zip(supported).map(kept).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.scan(session, projection, filters, limit).await
    }
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
        check(table.filter(col("number").gt(lit(1_i64)).and(lit(ScalarValue::Boolean(None)))).unwrap(), 0).await;
        check(gained.filter(col("gained").and(col("number").gt(lit(1_i64)))).unwrap(), 0).await;
    }
}
