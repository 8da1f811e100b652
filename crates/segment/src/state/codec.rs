//! Kept measures as objects: a manifest, the keys, and Parquet files of some measures each, encoded and decoded side by side.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema, UInt32Type};
use bytes::Bytes;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::Encoding;
use datafusion::parquet::file::properties::WriterProperties;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::task::JoinSet;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_store::{Lake, ParquetFile, StoreError};

use super::{Kept, KeptMeasure, Kind, Manifest, ManifestMeasure};
use crate::error::SegmentError;
use crate::evaluate::measures::Values;
use crate::plan::Window;

/// Grows when the objects change their meaning; others are ignored.
const FORMAT: u32 = 1;
/// Measures in one object.
const MEASURES_OF_A_PART: usize = 8;

async fn manifest(lake: &Lake, folder: &str) -> Result<Option<Manifest>, SegmentError> {
    let objects = lake.objects();
    let path = Path::from(format!("{folder}/manifest.json"));
    let text = match objects.get(&path).await {
        Ok(found) => found.bytes().await.map_err(|source| StoreError::object(&path, source))?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(source) => return Err(StoreError::object(&path, source).into()),
    };
    // What cannot be read is of another time, and as good as not there.
    Ok(serde_json::from_slice::<Manifest>(&text).ok().filter(|manifest| manifest.format == FORMAT))
}

/// What was kept, without the values.
pub(crate) async fn about(lake: &Lake, folder: &str) -> Result<Option<Kept>, SegmentError> {
    let Some(manifest) = manifest(lake, folder).await? else { return Ok(None) };
    let measures = manifest.measures.into_iter().map(|about| KeptMeasure {
        values: Arc::new(match about.kind {
            Kind::Count => Values::Count(Vec::new()),
            Kind::Sum => Values::Sum(Vec::new()),
            Kind::Decimal => Values::Decimal(Vec::new()),
            Kind::Max => Values::Max(Vec::new()),
            Kind::Min => Values::Min(Vec::new()),
        }),
        identity: about.identity,
        window: Window { from: about.from, to: about.to },
    });
    Ok(Some(Kept { as_of: manifest.as_of, files: manifest.files, measures: measures.collect() }))
}

pub(crate) async fn read(lake: &Lake, folder: &str, index: &mut KeyIndex) -> Result<Option<Kept>, SegmentError> {
    let objects = lake.objects();
    let Some(manifest) = manifest(lake, folder).await? else { return Ok(None) };
    let mut tasks = JoinSet::new();
    for (number, name) in std::iter::once(&manifest.keys).chain(manifest.parts.iter().map(|(name, _)| name)).enumerate() {
        let (objects, path) = (Arc::clone(&objects), Path::from(format!("{folder}/{name}")));
        tasks.spawn(async move {
            let bytes = async { objects.get(&path).await?.bytes().await };
            let bytes = bytes.await.map_err(|source| StoreError::object(&path, source))?;
            let decoded = tokio::task::spawn_blocking(move || decode(bytes)).await;
            let batch = decoded.map_err(|error| SqlError::Engine(error.to_string()))??;
            Ok::<_, SegmentError>((number, batch))
        });
    }
    let mut batches: Vec<Option<RecordBatch>> = vec![None; manifest.parts.len() + 1];
    while let Some(found) = tasks.join_next().await {
        let (number, batch) = found.map_err(|error| SqlError::Engine(error.to_string()))??;
        batches[number] = Some(batch);
    }
    let Some(Some(keys)) = batches.first().cloned() else { return Ok(None) };
    let numbers: Vec<u32> = index.insert(keys.column(0))?.into_iter().map(|number| number.unwrap_or(KeyIndex::NULL)).collect();
    let in_place = numbers.iter().enumerate().all(|(row, &number)| row == number as usize);
    let rows = index.len() as usize + 1;
    let mut measures: Vec<Option<KeptMeasure>> = vec![None; manifest.measures.len()];
    for ((_, members), batch) in manifest.parts.iter().zip(batches.into_iter().skip(1)) {
        let Some(batch) = batch else { return Ok(None) };
        for (column, &measure) in batch.columns().iter().zip(members) {
            let about = &manifest.measures[measure];
            let mut values = values_of(column, about.kind);
            if in_place {
                values.grow(rows);
            } else {
                values = values.moved(&numbers, rows);
            }
            let window = Window { from: about.from, to: about.to };
            measures[measure] = Some(KeptMeasure { identity: about.identity.clone(), window, values: Arc::new(values) });
        }
    }
    let measures = measures.into_iter().flatten().collect();
    Ok(Some(Kept { as_of: manifest.as_of, files: manifest.files, measures }))
}

pub(crate) async fn write(lake: &Lake, folder: &str, mut kept: Kept, index: &KeyIndex) -> Result<(), SegmentError> {
    let rows = index.len() as usize + 1;
    // The scans of other tables may have met further keys since.
    for measure in kept.measures.iter_mut().filter(|measure| measure.values.rows() < rows) {
        Arc::make_mut(&mut measure.values).grow(rows);
    }
    let objects = lake.objects();
    let before = listed(&*objects, folder).await;
    let keys = index.column(0..index.len())?;
    let key_batch =
        RecordBatch::try_new(Arc::new(Schema::new(vec![Field::new("key", keys.data_type().clone(), true)])), vec![keys]);
    let about: Vec<ManifestMeasure> = kept.measures.iter().map(manifest_measure).collect();
    let mut tasks = JoinSet::new();
    let mut parts = vec![(0, Vec::new(), Some(key_batch.map_err(SqlError::from)?), Vec::new())];
    let mut numbered: Vec<(usize, KeptMeasure)> = kept.measures.into_iter().enumerate().collect();
    while !numbered.is_empty() {
        let rest = numbered.split_off(numbered.len().min(MEASURES_OF_A_PART));
        let (members, measures) = std::mem::replace(&mut numbered, rest).into_iter().unzip();
        parts.push((parts.len(), members, None, measures));
    }
    for (number, members, batch, measures) in parts {
        let (objects, folder) = (Arc::clone(&objects), folder.to_owned());
        tasks.spawn(async move {
            let encoded = tokio::task::spawn_blocking(move || match batch {
                Some(batch) => encode(&batch),
                None => encode(&columns(measures)?),
            });
            let file = encoded.await.map_err(|error| SqlError::Engine(error.to_string()))??;
            let stored = file.put(&*objects, &format!("{folder}/"), std::collections::BTreeMap::new()).await?;
            let name = stored.file.path.rsplit('/').next().unwrap_or_default().to_owned();
            Ok::<_, SegmentError>((number, name, members))
        });
    }
    let mut stored = Vec::new();
    while let Some(done) = tasks.join_next().await {
        stored.push(done.map_err(|error| SqlError::Engine(error.to_string()))??);
    }
    stored.sort_unstable_by_key(|(number, _, _)| *number);
    let mut names = stored.into_iter().map(|(_, name, members)| (name, members));
    let Some((keys, _)) = names.next() else { return Ok(()) };
    let manifest =
        Manifest { format: FORMAT, as_of: kept.as_of, rows, files: kept.files, measures: about, keys, parts: names.collect() };
    let text = serde_json::to_vec(&manifest).map_err(|error| SqlError::Engine(error.to_string()))?;
    let path = Path::from(format!("{folder}/manifest.json"));
    objects.put(&path, text.into()).await.map_err(|source| StoreError::object(&path, source))?;
    // What nobody points to any more; a failure leaves objects that the next refresh removes.
    for path in before {
        let _ = objects.delete(&path).await;
    }
    Ok(())
}

pub(crate) async fn forget(lake: &Lake, folder: &str) {
    let objects = lake.objects();
    let _ = objects.delete(&Path::from(format!("{folder}/manifest.json"))).await;
}

async fn listed(objects: &dyn ObjectStore, folder: &str) -> Vec<Path> {
    let found = objects.list(Some(&Path::from(folder))).try_collect::<Vec<_>>().await.unwrap_or_default();
    found.into_iter().map(|object| object.location).filter(|path| path.extension() == Some("parquet")).collect()
}

fn manifest_measure(measure: &KeptMeasure) -> ManifestMeasure {
    let kind = match measure.values.as_ref() {
        Values::Sum(_) => Kind::Sum,
        Values::Decimal(_) => Kind::Decimal,
        Values::Max(_) => Kind::Max,
        Values::Min(_) => Kind::Min,
        _ => Kind::Count,
    };
    ManifestMeasure { identity: measure.identity.clone(), from: measure.window.from, to: measure.window.to, kind }
}

/// Values as columns; where there is no largest value, null.
fn columns(measures: Vec<KeptMeasure>) -> Result<RecordBatch, SqlError> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (number, measure) in measures.into_iter().enumerate() {
        let array: ArrayRef = match Arc::unwrap_or_clone(measure.values) {
            Values::Count(values) => Arc::new(UInt32Array::from(values)),
            Values::Sum(values) => Arc::new(Int64Array::from(values)),
            Values::Max(values) | Values::Min(values) => {
                Arc::new(values.into_iter().map(|value| (value != i64::MIN).then_some(value)).collect::<Int64Array>())
            }
            Values::Decimal(values) => match values.iter().map(|&value| i64::try_from(value)).collect::<Result<Vec<_>, _>>() {
                Ok(short) => Arc::new(Int64Array::from(short)),
                Err(_) => Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, 0)?),
            },
            _ => return Err(SqlError::Engine("a measure that cannot be kept".to_owned())),
        };
        fields.push(Field::new(format!("m{number}"), array.data_type().clone(), true));
        arrays.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn encode(batch: &RecordBatch) -> Result<ParquetFile, SegmentError> {
    // Differences in few bits are small without compression.
    let mut properties = WriterProperties::builder().set_dictionary_enabled(false);
    let integers = [DataType::Int32, DataType::Int64, DataType::UInt32];
    for field in batch.schema().fields().iter().filter(|field| integers.contains(field.data_type())) {
        properties = properties.set_column_encoding(field.name().as_str().into(), Encoding::DELTA_BINARY_PACKED);
    }
    Ok(ParquetFile::encode(&batch.schema(), [batch], properties.build())?)
}

fn decode(bytes: Bytes) -> Result<RecordBatch, SqlError> {
    let wrong = |error: datafusion::parquet::errors::ParquetError| SqlError::Engine(error.to_string());
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(wrong)?;
    let schema = Arc::clone(builder.schema());
    let batches = builder.with_batch_size(1 << 20).build().map_err(wrong)?.collect::<Result<Vec<_>, _>>()?;
    Ok(concat_batches(&schema, &batches)?)
}

fn values_of(column: &ArrayRef, kind: Kind) -> Values {
    let integers = || -> Vec<i64> { column.as_primitive::<Int64Type>().values().to_vec() };
    let or_none = || -> Vec<i64> { column.as_primitive::<Int64Type>().iter().map(|value| value.unwrap_or(i64::MIN)).collect() };
    match kind {
        Kind::Count => Values::Count(match column.data_type() {
            DataType::UInt32 => column.as_primitive::<UInt32Type>().values().to_vec(),
            _ => integers().into_iter().map(|value| u32::try_from(value).unwrap_or_default()).collect(),
        }),
        Kind::Sum => Values::Sum(integers()),
        Kind::Max => Values::Max(or_none()),
        Kind::Min => Values::Min(or_none()),
        Kind::Decimal => Values::Decimal(match column.data_type() {
            DataType::Int64 => integers().into_iter().map(i128::from).collect(),
            _ => column.as_primitive::<Decimal128Type>().values().to_vec(),
        }),
    }
}
