//! Rows, accepted or rejected, staged until a whole load is read.
//!
//! In memory while they are few, in a temporary file beyond that. As a table partition they can be read as
//! often as a plan wants.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::DataFrame;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::NamedTempFile;
use tranche_sql::{Session, SqlError};

use crate::IngestError;

/// Bytes of accepted rows that are held in memory before they go to a file.
pub(crate) const ACCEPTED_IN_MEMORY: usize = 256 << 20;

/// Collects rows of a load.
pub(crate) struct Stage {
    schema: SchemaRef,
    memory: Vec<RecordBatch>,
    memory_bytes: usize,
    memory_limit: usize,
    file: Option<ArrowWriter<NamedTempFile>>,
}

impl Stage {
    /// No rows yet, of which `memory_limit` bytes are held in memory.
    pub(crate) fn new(schema: SchemaRef, memory_limit: usize) -> Self {
        Self { schema, memory: Vec::new(), memory_bytes: 0, memory_limit, file: None }
    }

    pub(crate) fn add(&mut self, batch: RecordBatch) -> Result<(), IngestError> {
        if let Some(file) = &mut self.file {
            return file.write(&batch).map_err(staging);
        }
        self.memory_bytes += batch.get_array_memory_size();
        self.memory.push(batch);
        if self.memory_bytes > self.memory_limit {
            let target = NamedTempFile::new().map_err(IngestError::Staging)?;
            let mut file = ArrowWriter::try_new(target, Arc::clone(&self.schema), None).map_err(staging)?;
            for batch in self.memory.drain(..) {
                file.write(&batch).map_err(staging)?;
            }
            self.file = Some(file);
        }
        Ok(())
    }

    /// The rows without those whose position, counted over the whole load, is in `superseded` (ascending).
    pub(crate) fn finish(self, superseded: Vec<u64>) -> Result<Staged, IngestError> {
        let rows = match self.file {
            None => Rows::Memory(self.memory),
            Some(writer) => Rows::File(writer.into_inner().map_err(staging)?),
        };
        Ok(Staged { schema: self.schema, rows: Arc::new(rows), superseded: superseded.into() })
    }
}

fn staging(error: parquet::errors::ParquetError) -> IngestError {
    IngestError::Staging(std::io::Error::other(error))
}

/// The rows of a load, as a partition of a table.
#[derive(Debug, Clone)]
pub(crate) struct Staged {
    schema: SchemaRef,
    rows: Arc<Rows>,
    superseded: Arc<[u64]>,
}

#[derive(Debug)]
enum Rows {
    Memory(Vec<RecordBatch>),
    File(NamedTempFile),
}

impl Staged {
    /// The rows as a frame to build a plan on.
    pub(crate) fn frame(self, session: &Session) -> Result<DataFrame, SqlError> {
        let table = StreamingTable::try_new(Arc::clone(&self.schema), vec![Arc::new(self)])
            .map_err(SqlError::engine)?;
        let plan = LogicalPlanBuilder::scan("incoming", provider_as_source(Arc::new(table)), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(SqlError::engine)?;
        Ok(session.frame_of(plan))
    }

    fn batches(
        &self,
    ) -> Result<Box<dyn Iterator<Item = Result<RecordBatch, DataFusionError>> + Send>, DataFusionError> {
        Ok(match self.rows.as_ref() {
            Rows::Memory(batches) => Box::new(batches.clone().into_iter().map(Ok)),
            Rows::File(file) => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file.path())?)?
                    .with_batch_size(16_384)
                    .build()?;
                Box::new(reader.map(|batch| batch.map_err(DataFusionError::from)))
            }
        })
    }
}

impl PartitionStream for Staged {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let superseded = Arc::clone(&self.superseded);
        let mut first = 0u64;
        let keep = move |batch: Result<RecordBatch, DataFusionError>| {
            let batch = batch?;
            let rows = first..first + batch.num_rows() as u64;
            first = rows.end;
            let from = superseded.partition_point(|&row| row < rows.start);
            if superseded.get(from).is_none_or(|row| *row >= rows.end) {
                return Ok(batch);
            }
            let kept: BooleanArray = rows.map(|row| Some(superseded.binary_search(&row).is_err())).collect();
            Ok(filter_record_batch(&batch, &kept)?)
        };
        let schema = Arc::clone(&self.schema);
        match self.batches() {
            Ok(batches) => {
                Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches.map(keep))))
            }
            Err(error) => {
                Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter([Err(error)])))
            }
        }
    }
}
