//! Parquet: typed columns, read as a stream of batches.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::input::{Input, Object};
use super::reader::{BATCH_ROWS, Format, InputProblem, RawRows, RawStream, Reader, Sender, produced};

/// Apache Parquet.
pub(super) const PARQUET: Format =
    Format { name: "parquet", description: "Apache Parquet.", reader: |_, _| Arc::new(Parquet) };

#[derive(Debug)]
struct Parquet;

impl Reader for Parquet {
    fn is_typed(&self) -> bool {
        true
    }

    fn open(&self, input: &Input) -> RawStream {
        let object = input.object.clone();
        produced(|sender| async move {
            let object = object.ok_or_else(|| "it is no object that could be Parquet".to_owned())?;
            read(object, &sender).await
        })
    }
}

async fn read(object: Object, sender: &Sender) -> std::result::Result<(), InputProblem> {
    let Object { store, meta } = object;
    let unreadable = |e: ParquetError| format!("the file is not readable Parquet: {e}");
    let reader = ObjectReader { store, path: meta.location, size: meta.size };
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(unreadable)?;
    let mut batches = builder.with_batch_size(BATCH_ROWS).build().map_err(unreadable)?;
    let mut row = 0u64;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|e| format!("the file is damaged after row {row}: {e}"))?;
        let rows = (row + 1..=row + batch.num_rows() as u64).collect::<Vec<_>>();
        row += batch.num_rows() as u64;
        if sender.send(Ok(RawRows { batch, rows, unreadable: Vec::new() })).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Ranges of an object, as the Parquet reader asks for them.
struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { self.store.get_range(&self.path, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let size = self.size;
            Ok(Arc::new(ParquetMetaDataReader::new().load_and_finish(self, size).await?))
        }
        .boxed()
    }
}
