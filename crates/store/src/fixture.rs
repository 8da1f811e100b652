//! A lake in memory and rows for it, for this crate's own tests.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use tranche_faults::{FailingStore, Failure};
use url::Url;

use crate::commit::DeltaPlanner;
use crate::{Commit, Lake, Snapshot, Storage};

/// A lake and a session to commit with.
pub(crate) struct Fixture {
    pub(crate) lake: Lake,
    context: SessionContext,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::over(&FailingStore::new(Failure::Before))
    }

    /// A lake in a store that may be made to fail.
    pub(crate) fn over(store: &Arc<FailingStore>) -> Self {
        let storage = Storage::new(BTreeMap::new());
        storage.register(&Url::parse("memory://lake/").unwrap(), store.objects());
        let lake = Lake::open(&storage, "memory://lake/some/where", FilePath::new("/")).unwrap();
        let state =
            SessionStateBuilder::new_with_default_features().with_query_planner(DeltaPlanner::new()).build();
        Self { lake, context: SessionContext::new_with_state(state) }
    }

    pub(crate) fn session(&self) -> Arc<dyn Session> {
        Arc::new(self.context.state())
    }

    pub(crate) fn plan(&self, rows: RecordBatch) -> LogicalPlan {
        self.context.read_batch(rows).unwrap().logical_plan().clone()
    }

    pub(crate) async fn commit(&self, commit: Commit) -> Snapshot {
        self.lake.commit(self.session(), commit).await.unwrap()
    }

    /// The numbers in a table, in order.
    pub(crate) async fn numbers(&self, snapshot: &Snapshot) -> Vec<i64> {
        self.try_numbers(snapshot).await.unwrap()
    }

    /// The same of a table that may not be readable.
    pub(crate) async fn try_numbers(
        &self,
        snapshot: &Snapshot,
    ) -> Result<Vec<i64>, datafusion::error::DataFusionError> {
        let provider = snapshot.provider(&self.context.state()).await.unwrap();
        let batches = self.context.read_table(provider)?.select_columns(&["number"])?.collect().await?;
        let mut numbers: Vec<i64> = batches
            .iter()
            .flat_map(|batch| {
                batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
            })
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("_day", DataType::Utf8, true),
        Field::new("number", DataType::Int64, true),
    ]))
}

pub(crate) fn rows(rows: &[(&str, i64)]) -> RecordBatch {
    let days: ArrayRef = Arc::new(rows.iter().map(|(day, _)| Some(*day)).collect::<StringArray>());
    let numbers: ArrayRef = Arc::new(rows.iter().map(|(_, number)| Some(*number)).collect::<Int64Array>());
    RecordBatch::try_new(schema(), vec![days, numbers]).unwrap()
}

/// Rows with one column, `number`.
pub(crate) fn numbers(numbers: &[i64]) -> RecordBatch {
    rows(&numbers.iter().map(|&number| ("", number)).collect::<Vec<_>>()).project(&[1]).unwrap()
}
