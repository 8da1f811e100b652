//! Reading the columns that a scan needs from one file.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, RowFilter,
};
use datafusion::parquet::arrow::async_reader::{
    AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder,
};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tranche_store::{DataFile, StoreError};

use super::reading::{KeyFilter, Reading};
use crate::SqlError;

/// Rows of a batch: enough that the work per batch does not count, few enough that its columns stay in the cache.
const BATCH_ROWS: usize = 16_384;

/// Opens a file for the columns of a scan, as far as they are needed. Where only the rows of some keys are, the columns of other rows
/// are hardly looked at.
pub(super) async fn open(
    objects: Arc<dyn ObjectStore>,
    file: &DataFile,
    wanted: &SchemaRef,
    Reading { columns, keys }: Reading,
) -> Result<ParquetRecordBatchStream<FileReader>, SqlError> {
    let failed = |error: ParquetError| unreadable(file, &error);
    let path = Path::parse(&file.path).map_err(|error| SqlError::Engine(error.to_string()))?;
    let mut reader = FileReader { objects, path, size_bytes: file.size_bytes };
    let metadata =
        ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()).await.map_err(failed)?;
    let options = ArrowReaderOptions::new().with_schema(with_dictionaries(metadata.schema(), wanted));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).map_err(failed)?;
    let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata);
    let stored = Arc::clone(builder.schema());
    let roots =
        |names: &[&str]| names.iter().filter_map(|name| stored.index_of(name).ok()).collect::<Vec<_>>();
    let names: Vec<&str> = match &columns {
        Some(columns) => columns.iter().map(String::as_str).collect(),
        None => wanted.fields().iter().map(|field| field.name().as_str()).collect(),
    };
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots(&names));
    if let Some(KeyFilter { column, data_type, share }) = keys {
        let of_key = ProjectionMask::roots(builder.parquet_schema(), roots(&[&column]));
        let keep = move |batch: RecordBatch| -> Result<BooleanArray, arrow::error::ArrowError> {
            let held = share.holds(batch.column(0), &data_type);
            Ok(BooleanArray::new(
                held.map_err(|e| arrow::error::ArrowError::ComputeError(e.to_string()))?,
                None,
            ))
        };
        builder =
            builder.with_row_filter(RowFilter::new(vec![Box::new(ArrowPredicateFn::new(of_key, keep))]));
    }
    builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(failed)
}

/// The schema of a file with those columns as dictionaries that are wanted so.
fn with_dictionaries(stored: &SchemaRef, wanted: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| match wanted.field_with_name(field.name()).map(Field::data_type) {
        Ok(data_type @ DataType::Dictionary(_, values)) if **values == *field.data_type() => {
            Arc::new(field.as_ref().clone().with_data_type(data_type.clone()))
        }
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new_with_metadata(
        stored.fields().iter().map(field).collect::<Vec<_>>(),
        stored.metadata().clone(),
    ))
}

/// Bytes of a Parquet file in an object store.
pub(super) struct FileReader {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    size_bytes: u64,
}

/// The end of a file that is read at first: in nearly all files, it holds all of the metadata.
const METADATA_BYTES: usize = 64 * 1024;

type ParquetFuture<'a, T> = BoxFuture<'a, Result<T, ParquetError>>;

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> ParquetFuture<'_, Bytes> {
        async move { Ok(self.objects.get_range(&self.path, range).await?) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> ParquetFuture<'_, Vec<Bytes>> {
        async move { Ok(self.objects.get_ranges(&self.path, &ranges).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> ParquetFuture<'a, Arc<ParquetMetaData>> {
        async move {
            let size_bytes = self.size_bytes;
            let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(METADATA_BYTES));
            Ok(Arc::new(reader.load_and_finish(&mut *self, size_bytes).await?))
        }
        .boxed()
    }
}

/// A batch of a file with the columns of the scan, in its order and types; a column that the file lacks is null.
pub(super) fn conform(batch: &RecordBatch, columns: &SchemaRef) -> Result<RecordBatch, SqlError> {
    let column = |field: &Arc<Field>| -> Result<ArrayRef, SqlError> {
        match batch.column_by_name(field.name()) {
            Some(found) if found.data_type() == field.data_type() => Ok(Arc::clone(found)),
            Some(found) => Ok(cast(found, field.data_type())?),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        }
    };
    let arrays = columns.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let fields: Vec<Field> =
        columns.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

pub(super) fn unreadable(file: &DataFile, error: &ParquetError) -> SqlError {
    use std::error::Error;
    let reason = match error.source().and_then(|cause| cause.downcast_ref::<object_store::Error>()) {
        // What the lake's own store found names the file.
        Some(object_store::Error::Generic { store: "checksums", source }) => source.to_string(),
        _ => format!("{}: {error}", file.path),
    };
    SqlError::Store(StoreError::Read { reason })
}
