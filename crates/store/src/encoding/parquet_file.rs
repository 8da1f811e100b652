//! Parquet files that a writer lays out itself, row group by row group.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::run_length::RunLength;
use super::statistics;
use crate::checksums::blocks;
use crate::{DataFile, StoreError};

/// A file that is stored, and not yet part of any version of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// The file as a version will know it.
    pub file: DataFile,
    /// Its statistics in Delta's form (JSON): readers skip a file that cannot hold what they look for.
    pub statistics: Option<String>,
}

/// What encodes a file in memory.
pub(crate) fn writer(
    schema: &SchemaRef,
    properties: WriterProperties,
) -> Result<ArrowWriter<Vec<u8>>, StoreError> {
    // The types of Parquet say all that a table's schema does; how the rows lay in memory does not belong in
    // the file.
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    Ok(ArrowWriter::try_new_with_options(Vec::new(), SchemaRef::clone(schema), options)?)
}

/// A file while its columns are encoded one by one, row group by row group, in memory. Encoding takes the
/// processor and nothing else: it may stand on a thread of its own.
pub struct ParquetColumns {
    writer: SerializedFileWriter<Vec<u8>>,
    columns: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
}

/// The values of a column in a row group.
pub enum ColumnValues<'a> {
    /// Piece by piece.
    Arrays(Box<dyn Iterator<Item = Result<ArrayRef, ArrowError>> + 'a>),
    /// Run by run.
    RunLength(RunLength),
}

impl ParquetColumns {
    /// An empty file with columns of this schema, none of them nested.
    ///
    /// # Errors
    /// [`StoreError::Parquet`] when the schema has no form in Parquet.
    pub fn new(schema: &SchemaRef, properties: WriterProperties) -> Result<Self, StoreError> {
        // RunLength have one page, and no need of an index of pages; a file has one for all columns or for
        // none.
        let properties = properties.into_builder().set_offset_index_disabled(true).build();
        let (writer, columns) = writer(schema, properties)?.into_serialized_writer()?;
        Ok(Self { writer, columns, schema: SchemaRef::clone(schema) })
    }

    /// Adds a row group, with values for each column of the schema.
    ///
    /// # Errors
    /// [`StoreError::Parquet`] when they do not have the schema, and what the values themselves fail with.
    pub fn write(&mut self, columns: Vec<ColumnValues<'_>>) -> Result<(), StoreError> {
        let number = self.writer.flushed_row_groups().len();
        let writers = self.columns.create_column_writers(number)?;
        let descriptions = self.writer.schema_descr().columns().to_vec();
        let mut group = self.writer.next_row_group()?;
        for (((values, mut writer), column), field) in
            columns.into_iter().zip(writers).zip(&descriptions).zip(self.schema.fields())
        {
            match values {
                ColumnValues::RunLength(runs) => {
                    let (bytes, close) = runs.encode(column)?;
                    group.append_column(&bytes, close)?;
                }
                ColumnValues::Arrays(arrays) => {
                    for array in arrays {
                        for leaf in compute_leaves(field, &array.map_err(ParquetError::from)?)? {
                            writer.write(&leaf)?;
                        }
                    }
                    writer.close()?.append_to_row_group(&mut group)?;
                }
            }
        }
        group.close()?;
        Ok(())
    }

    /// The whole file.
    ///
    /// # Errors
    /// [`StoreError::Parquet`] when the file cannot be ended.
    pub fn finish(mut self) -> Result<ParquetFile, StoreError> {
        let metadata = self.writer.finish()?;
        ParquetFile::of(&metadata, std::mem::take(self.writer.inner_mut()))
    }
}

/// An encoded file that is not stored yet.
#[derive(Debug, Clone)]
pub struct ParquetFile {
    bytes: Bytes,
    rows: u64,
    statistics: String,
}

impl ParquetFile {
    fn of(metadata: &ParquetMetaData, bytes: Vec<u8>) -> Result<Self, StoreError> {
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
        Ok(Self { bytes: bytes.into(), rows, statistics: statistics::of(metadata)? })
    }

    /// All of `batches` as one file.
    ///
    /// # Errors
    /// [`StoreError::Parquet`] when they do not have the schema.
    pub fn encode<'a>(
        schema: &SchemaRef,
        batches: impl IntoIterator<Item = &'a RecordBatch>,
        properties: WriterProperties,
    ) -> Result<Self, StoreError> {
        let mut writer = writer(schema, properties)?;
        for batch in batches {
            writer.write(batch)?;
        }
        let metadata = writer.finish()?;
        Self::of(&metadata, std::mem::take(writer.inner_mut()))
    }

    /// Rows in the file.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Stores the file in a table's folder, under a name that begins with `prefix` and that no other file
    /// has.
    ///
    /// # Errors
    /// [`StoreError::Object`] when the storage fails; what it may have stored then is part of no table.
    pub async fn put(
        self,
        objects: &dyn ObjectStore,
        prefix: &str,
        partition: BTreeMap<String, Option<String>>,
    ) -> Result<NewFile, StoreError> {
        let path = Path::from(format!("{prefix}{}.parquet", uuid::Uuid::now_v7()));
        let checked = blocks::sealed(path.filename().unwrap_or_default(), &self.bytes);
        let bytes = checked.map_or(self.bytes, Bytes::from);
        let size_bytes = bytes.len() as u64;
        store(objects, &path, bytes).await.map_err(|source| StoreError::object(&path, source))?;
        let file = DataFile { path: path.to_string(), size_bytes, rows: Some(self.rows), partition };
        Ok(NewFile { file, statistics: Some(self.statistics) })
    }
}

/// Above this, a file is sent in parts, several at a time.
const PART_BYTES: usize = 8 << 20;

async fn store(objects: &dyn ObjectStore, path: &Path, bytes: Bytes) -> object_store::Result<()> {
    if bytes.len() <= 2 * PART_BYTES {
        objects.put(path, bytes.into()).await?;
        return Ok(());
    }
    let mut upload = WriteMultipart::new_with_chunk_size(objects.put_multipart(path).await?, PART_BYTES);
    upload.put(bytes);
    upload.finish().await?;
    Ok(())
}
