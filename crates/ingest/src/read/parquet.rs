//! Parquet: typed columns, read as a stream of batches.
//!
//! INT96, in which Spark and Databricks write instants, is read as microseconds: 64-bit nanoseconds end in
//! 2262, and the decoder wraps what lies beyond (9999-12-31 became a day in 1816).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::basic::Type as PhysicalType;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::SchemaDescriptor;

use super::input::{Input, Object};
use super::problem::InputProblem;
use super::reader::{BATCH_ROWS, Format, RawColumns, RawRows, RawStream, Reader, Sender, produced};
use super::signature::{self, HEAD_BYTES};

/// Apache Parquet.
pub(super) const PARQUET: Format =
    Format { name: "parquet", description: "Apache Parquet.", reader: |_, _| Arc::new(Parquet) };

#[derive(Debug)]
struct Parquet;

impl Reader for Parquet {
    fn is_typed(&self) -> bool {
        true
    }

    fn columns<'a>(&'a self, input: &'a Input) -> BoxFuture<'a, Option<SchemaRef>> {
        // Decoders of damaged files may panic.
        let read = input.object.clone().map(|object| tokio::spawn(columns(object)));
        Box::pin(async move { read?.await.ok()? })
    }

    fn open(&self, input: &Input, wanted: &RawColumns) -> RawStream {
        let (object, wanted) = (input.object.clone(), wanted.clone());
        produced(|sender| async move {
            let object = object.ok_or_else(|| "it is no object that could be Parquet".to_owned())?;
            read(object, &wanted, &sender).await
        })
    }
}

/// The columns of a file that has rows.
async fn columns(object: Object) -> Option<SchemaRef> {
    let mut reader = ObjectReader::new(object);
    let metadata = ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()).await.ok()?;
    if metadata.metadata().file_metadata().num_rows() == 0 {
        return None;
    }
    Some(Arc::clone(with_int96_as_microseconds(metadata).ok()?.schema()))
}

async fn read(object: Object, wanted: &RawColumns, sender: &Sender) -> std::result::Result<(), InputProblem> {
    let mut reader = ObjectReader::new(object);
    let options = ArrowReaderOptions::new();
    let metadata = match ArrowReaderMetadata::load_async(&mut reader, options).await {
        Ok(metadata) => metadata,
        Err(error) => return Err(reader.describe(error).await),
    };
    let sizes = metadata.metadata().row_groups().iter().map(|group| group.total_byte_size());
    wanted.check_size(sizes.map(|size| u64::try_from(size).unwrap_or_default()).sum())?;
    wanted.check_columns(metadata.parquet_schema().num_columns())?;
    let metadata = with_int96_as_microseconds(metadata).map_err(unreadable)?;
    let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata);
    let mut batches = builder.with_batch_size(BATCH_ROWS).build().map_err(unreadable)?;
    let mut row = 0u64;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| damaged_after(row, error))?;
        let rows = (row + 1..=row + batch.num_rows() as u64).collect::<Vec<_>>();
        row += batch.num_rows() as u64;
        if sender.send(Ok(RawRows { batch, rows, unreadable: Vec::new(), texts: None })).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The problem of rows that do not come.
fn damaged_after(row: u64, error: ParquetError) -> InputProblem {
    match &error {
        ParquetError::External(inner) if inner.is::<object_store::Error>() => {
            InputProblem::Storage(format!("it cannot be read after row {row}: {inner}"))
        }
        _ => format!("the file is damaged after row {row}: {error}").into(),
    }
}

fn unreadable(what: impl fmt::Display) -> InputProblem {
    format!("the file is not readable Parquet: {what}").into()
}

fn with_int96_as_microseconds(metadata: ArrowReaderMetadata) -> Result<ArrowReaderMetadata> {
    let schema = metadata.schema();
    let fields = int96_as_microseconds(metadata.parquet_schema(), schema.fields());
    if fields == *schema.fields() {
        return Ok(metadata);
    }
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
}

/// Leaves are told by their order, which is the same in both schemas; names of what is between a list and
/// its items differ from writer to writer.
fn int96_as_microseconds(parquet: &SchemaDescriptor, fields: &Fields) -> Fields {
    let mut are_int96 = parquet.columns().iter().map(|leaf| leaf.physical_type() == PhysicalType::INT96);
    fields.iter().map(|field| in_microseconds(field, &mut are_int96)).collect()
}

/// The field with all of its leaves, for each of which `are_int96` tells whether it is one.
fn in_microseconds(field: &FieldRef, are_int96: &mut dyn Iterator<Item = bool>) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| in_microseconds(field, are_int96)).collect())
        }
        DataType::List(item) => DataType::List(in_microseconds(item, are_int96)),
        DataType::LargeList(item) => DataType::LargeList(in_microseconds(item, are_int96)),
        DataType::ListView(item) => DataType::ListView(in_microseconds(item, are_int96)),
        DataType::LargeListView(item) => DataType::LargeListView(in_microseconds(item, are_int96)),
        DataType::FixedSizeList(item, size) => {
            DataType::FixedSizeList(in_microseconds(item, are_int96), *size)
        }
        DataType::Map(entries, sorted) => DataType::Map(in_microseconds(entries, are_int96), *sorted),
        leaf => match (are_int96.next(), leaf) {
            (Some(true), DataType::Timestamp(TimeUnit::Nanosecond, zone)) => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
            }
            _ => leaf.clone(),
        },
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

/// Ranges of an object, as the Parquet reader asks for them.
struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

impl ObjectReader {
    fn new(object: Object) -> Self {
        let Object { store, meta } = object;
        Self { store, path: meta.location, size: meta.size }
    }

    /// Why the metadata at the end of the object cannot be read: its first bytes tell more.
    async fn describe(&self, error: ParquetError) -> InputProblem {
        // What is wrong with the metadata themselves can be external too.
        if let ParquetError::External(error) = &error
            && let Some(error) = error.downcast_ref::<object_store::Error>()
        {
            return InputProblem::of_object(error);
        }
        if self.size == 0 {
            return unreadable("it is empty");
        }
        match self.store.get_range(&self.path, 0..self.size.min(HEAD_BYTES as u64)).await {
            Ok(head) if head.starts_with(b"PAR1") => {
                unreadable(format!("it begins as Parquet, but is cut off or damaged at its end: {error}"))
            }
            Ok(head) => match signature::not_parquet(&head) {
                Some(mistaken) => unreadable(format!("it is {mistaken}")),
                None => unreadable(error),
            },
            Err(_) => unreadable(error),
        }
    }
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

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
    use arrow::datatypes::{TimestampMicrosecondType, TimestampNanosecondType};
    use object_store::memory::InMemory;
    use parquet::data_type::{DataType as Physical, Int64Type, Int96, Int96Type};
    use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// The batches of a file, or why it is refused.
    async fn open(file: Vec<u8>) -> std::result::Result<Vec<RawRows>, InputProblem> {
        let (store, path) = (Arc::new(InMemory::new()), Path::from("a.parquet"));
        store.put(&path, file.into()).await.unwrap();
        let meta = store.head(&path).await.unwrap();
        let object = Some(Object { store, meta });
        let input = Input { name: "a.parquet".to_owned(), edition: String::new(), bytes: 0, object };
        let batches: Vec<_> = Parquet.open(&input, &RawColumns::default()).collect().await;
        batches.into_iter().collect()
    }

    /// A file of one row group.
    fn written(
        schema: &str,
        columns: impl FnOnce(&mut SerializedRowGroupWriter<'_, &mut Vec<u8>>),
    ) -> Vec<u8> {
        let (mut file, schema) = (Vec::new(), Arc::new(parse_message_type(schema).unwrap()));
        let mut writer = SerializedFileWriter::new(&mut file, schema, Arc::default()).unwrap();
        let mut rows = writer.next_row_group().unwrap();
        columns(&mut rows);
        rows.close().unwrap();
        writer.close().unwrap();
        file
    }

    /// The next column, each value of which is in its row, as deep as the type allows.
    fn column<T: Physical>(
        rows: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
        values: &[T::T],
        (definition, repetition): (Option<i16>, Option<i16>),
    ) {
        let mut column = rows.next_column().unwrap().unwrap();
        let levels = |level: Option<i16>| level.map(|level| vec![level; values.len()]);
        let (definitions, repetitions) = (levels(definition), levels(repetition));
        column.typed::<T>().write_batch(values, definitions.as_deref(), repetitions.as_deref()).unwrap();
        column.close().unwrap();
    }

    /// An instant as Spark writes it: nanoseconds of a day, and its Julian number.
    fn int96(day: u32, nanoseconds: u64) -> Int96 {
        let mut value = Int96::new();
        value.set_data((nanoseconds & 0xFFFF_FFFF) as u32, (nanoseconds >> 32) as u32, day);
        value
    }

    fn microseconds(array: &ArrayRef) -> &PrimitiveArray<TimestampMicrosecondType> {
        array.as_primitive()
    }

    async fn check_refused(file: &[u8], says: &str) {
        let problem = open(file.to_vec()).await.unwrap_err();
        assert_eq!(problem.to_string().get(..says.len()), Some(says), "{problem}");
    }

    #[tokio::test]
    async fn a_file_that_is_no_parquet_is_refused_with_what_it_is() {
        let refused = "the file is not readable Parquet: it is";
        check_refused(b"", "the file is not readable Parquet: it is empty").await;
        check_refused(b"a,b\n1,2\n", &format!("{refused} text, perhaps CSV; set `format: csv`")).await;
        check_refused("größe\n1".as_bytes(), &format!("{refused} text, perhaps CSV")).await;
        check_refused(b"{\"a\": 1}\n", &format!("{refused} JSON; set `format: ndjson`")).await;
        check_refused(b"\x1f\x8b\x08\0\0\0\0\0", &format!("{refused} compressed with gzip; ")).await;
        check_refused(b"\0\x01\x02\x03\x04\x05\x06\x07\x08", "the file is not readable Parquet: ").await;
        let file = written("message m { required int64 a; }", |rows| {
            column::<Int64Type>(rows, &[1], (None, None));
        });
        let cut =
            "the file is not readable Parquet: it begins as Parquet, but is cut off or damaged at its end: ";
        check_refused(&file[..file.len() - 1], cut).await;
        check_refused(b"PAR1PAR1", cut).await;
        assert!(open(file).await.is_ok());
    }

    #[tokio::test]
    async fn int96_keeps_every_instant_wherever_it_stands() {
        // 9999-12-31T00:00:00, 1600-01-01T00:00:00 and 2300-01-01T00:00:00.000001.
        let instants = [int96(5_373_484, 0), int96(2_305_448, 0), int96(2_561_118, 1_000)];
        let expected = [253_402_214_400_000_000, -11_676_096_000_000_000, 10_413_792_000_000_001];
        let schema = "message spark_schema {
            required int96 at;
            optional group visits (LIST) { repeated group bag { optional int96 array_element; } }
            required group last { required int96 seen; }
            required int64 exact (TIMESTAMP(NANOS, false)); }";
        let file = written(schema, |rows| {
            column::<Int96Type>(rows, &instants, (None, None));
            column::<Int96Type>(rows, &instants, (Some(3), Some(0)));
            column::<Int96Type>(rows, &instants, (None, None));
            column::<Int64Type>(rows, &[1, 2, 3], (None, None));
        });
        let batches = open(file).await.unwrap();
        assert_eq!(batches[0].rows, [1, 2, 3]);
        let columns = batches[0].batch.columns();
        for found in [&columns[0], columns[1].as_list::<i32>().values(), columns[2].as_struct().column(0)] {
            assert_eq!(microseconds(found).values(), &expected);
        }
        assert_eq!(columns[3].as_primitive::<TimestampNanosecondType>().values(), &[1, 2, 3]);
    }
}
