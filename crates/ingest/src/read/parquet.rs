//! Parquet: typed columns, read as a stream of batches.

use std::sync::Arc;

use futures::StreamExt;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::async_reader::ParquetObjectReader;
use tokio::sync::mpsc;

use super::{BATCH_ROWS, FileProblem, RawRows};

pub(super) async fn read(
    store: Arc<dyn ObjectStore>,
    object: &ObjectMeta,
    sender: &mpsc::Sender<Result<RawRows, FileProblem>>,
) -> Result<(), FileProblem> {
    let unreadable = |e: parquet::errors::ParquetError| format!("the file is not readable Parquet: {e}");
    let reader = ParquetObjectReader::new(store, object.location.clone()).with_file_size(object.size);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(unreadable)?;
    let mut batches = builder.with_batch_size(BATCH_ROWS).build().map_err(unreadable)?;
    let mut row = 0u64;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|e| format!("the file is damaged after row {row}: {e}"))?;
        let rows = (row + 1..=row + batch.num_rows() as u64).collect::<Vec<_>>();
        row += batch.num_rows() as u64;
        if sender.send(Ok(RawRows { batch, rows, rejects: Vec::new() })).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
