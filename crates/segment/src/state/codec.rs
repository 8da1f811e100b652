//! What is kept as objects: a manifest, and Parquet files of the keys, of some measures each, and of events, encoded and decoded
//! side by side.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema, UInt32Type};
use bytes::Bytes;
use datafusion::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use datafusion::parquet::basic::Encoding;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use futures::future::OptionFuture;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tranche_sql::keys::{KeyIndex, KeyShare};
use tranche_sql::scan::{Cells, Extract};
use tranche_sql::{SqlError, parallel};
use tranche_store::{Lake, ParquetFile, StoreError, parquet_options};

use super::{Kept, KeptMeasure, Kind, Manifest, ManifestExtract, ManifestMeasure};
use crate::error::SegmentError;
use crate::plan::Window;

/// Grows when the objects change their meaning; others are ignored.
const FORMAT: u32 = 3;
/// Measures in one object.
const MEASURES_OF_A_PART: usize = 4;
/// Objects that are read, or written, at a time.
const OBJECTS_AT_A_TIME: usize = 8;
/// Rows that are decoded at a time: few enough to stay in the cache on their way.
const BATCH_ROWS: usize = 1 << 16;

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

/// What was kept, without values and events.
pub(crate) async fn about(lake: &Lake, folder: &str) -> Result<Option<Kept>, SegmentError> {
    let Some(manifest) = manifest(lake, folder).await? else { return Ok(None) };
    let measures = manifest.measures.into_iter().map(|about| kept_measure(&about, about.kind.cells(0)));
    Ok(Some(Kept {
        as_of: manifest.as_of,
        files: manifest.files,
        measures: measures.collect(),
        extract: None,
    }))
}

fn kept_measure(about: &ManifestMeasure, values: Cells) -> KeptMeasure {
    let window = Window { from: about.from, to: about.to };
    KeptMeasure { identity: about.identity.clone(), window, values: Arc::new(values) }
}

/// What was kept, as it was written.
pub(crate) struct Stored {
    manifest: Manifest,
    keys: RecordBatch,
    extract: Option<RecordBatch>,
    /// The measures of each part.
    parts: Vec<Vec<Cells>>,
}

pub(crate) async fn read(lake: &Lake, folder: &str) -> Result<Option<Stored>, SegmentError> {
    let Some(manifest) = manifest(lake, folder).await? else { return Ok(None) };
    let object = |name: &str| {
        let (objects, path) = (lake.objects(), Path::from(format!("{folder}/{name}")));
        async move {
            let bytes = async { objects.get(&path).await?.bytes().await };
            bytes.await.map_err(|source| SegmentError::from(StoreError::object(&path, source)))
        }
    };
    let rows = |name: &str| {
        let object = object(name);
        async move {
            let bytes = object.await?;
            Ok::<_, SegmentError>(parallel::blocking(move || decode_rows(bytes)).await?)
        }
    };
    let parts = manifest.parts.iter().map(|(name, members)| {
        let kinds: Vec<(Kind, i64)> = members
            .iter()
            .map(|&measure| (manifest.measures[measure].kind, manifest.measures[measure].missing))
            .collect();
        let object = object(name);
        async move {
            let bytes = object.await?;
            Ok::<_, SegmentError>(parallel::blocking(move || decode_measures(bytes, &kinds)).await?)
        }
    });
    let parts = stream::iter(parts.collect::<Vec<_>>()).buffered(OBJECTS_AT_A_TIME).try_collect::<Vec<_>>();
    let extract = OptionFuture::from(manifest.extract.as_ref().map(|extract| rows(&extract.object)));
    let (keys, extract, parts) = tokio::join!(rows(&manifest.keys), extract, parts);
    let (keys, extract, parts) = (keys?, extract.transpose()?, parts?);
    Ok(Some(Stored { manifest, keys, extract, parts }))
}

impl Stored {
    /// The same in the rows of an index; keys that it lacks are added.
    pub(crate) fn placed(self, index: &mut KeyIndex) -> Result<Kept, SegmentError> {
        let Self { manifest, keys, extract, parts } = self;
        let in_place = index.begins_with(keys.column(0));
        let numbers: Vec<u32> = match in_place {
            true => Vec::new(),
            false => index
                .insert(keys.column(0))?
                .into_iter()
                .map(|number| number.unwrap_or(KeyIndex::NULL))
                .collect(),
        };
        let rows = index.len() as usize + 1;
        let mut measures: Vec<Option<KeptMeasure>> = vec![None; manifest.measures.len()];
        for ((_, members), cells) in manifest.parts.iter().zip(parts) {
            for (mut cells, &measure) in cells.into_iter().zip(members) {
                if in_place {
                    cells.grow(rows);
                } else {
                    cells = cells.moved(&numbers, rows);
                }
                measures[measure] = Some(kept_measure(&manifest.measures[measure], cells));
            }
        }
        let extract = manifest.extract.zip(extract);
        let extract = extract.map(|(about, rows)| Extract {
            share: KeyShare::up_to(about.share),
            files: about.files,
            rows,
        });
        let measures = measures.into_iter().flatten().collect();
        Ok(Kept { as_of: manifest.as_of, files: manifest.files, measures, extract })
    }
}

pub(crate) async fn write(
    lake: &Lake,
    folder: &str,
    mut kept: Kept,
    index: &KeyIndex,
) -> Result<(), SegmentError> {
    let rows = index.len() as usize + 1;
    // The scans of other tables may have met further keys since.
    for measure in kept.measures.iter_mut().filter(|measure| measure.values.len() < rows) {
        Arc::make_mut(&mut measure.values).grow(rows);
    }
    let objects = lake.objects();
    let before = listed(&*objects, folder).await;
    let keys = index.column(0..index.len())?;
    let key_field = Field::new("key", keys.data_type().clone(), true);
    let keys =
        RecordBatch::try_new(Arc::new(Schema::new(vec![key_field])), vec![keys]).map_err(SqlError::from)?;
    let about: Vec<ManifestMeasure> = kept.measures.iter().map(manifest_measure).collect();
    let mut jobs: Vec<Box<dyn FnOnce() -> Result<ParquetFile, SegmentError> + Send>> =
        vec![Box::new(move || encode(&keys))];
    let extract = kept.extract.map(|Extract { share, files, rows }| {
        jobs.push(Box::new(move || {
            Ok(ParquetFile::encode(&rows.schema(), [&rows], parquet_options(&rows.schema()))?)
        }));
        (share, files)
    });
    let mut members = Vec::new();
    let mut numbered: Vec<(usize, KeptMeasure)> = kept.measures.into_iter().enumerate().collect();
    while !numbered.is_empty() {
        let rest = numbered.split_off(numbered.len().min(MEASURES_OF_A_PART));
        let (numbers, measures): (Vec<usize>, Vec<KeptMeasure>) =
            std::mem::replace(&mut numbered, rest).into_iter().unzip();
        let missing: Vec<i64> = numbers.iter().map(|&number| about[number].missing).collect();
        members.push(numbers);
        jobs.push(Box::new(move || encode(&columns(measures, &missing)?)));
    }
    let prefix = format!("{folder}/");
    let puts = jobs.into_iter().map(|job| {
        let (objects, prefix) = (Arc::clone(&objects), &prefix);
        async move {
            let file = parallel::blocking(job).await?;
            let stored = file.put(&*objects, prefix, std::collections::BTreeMap::new()).await?;
            Ok::<_, SegmentError>(stored.file.path.rsplit('/').next().unwrap_or_default().to_owned())
        }
    });
    let puts: Vec<_> = puts.collect();
    let mut names = stream::iter(puts).buffered(OBJECTS_AT_A_TIME).try_collect::<Vec<_>>().await?.into_iter();
    let Some(keys) = names.next() else { return Ok(()) };
    let extract = extract
        .zip(names.as_slice().first().cloned())
        .inspect(|_| drop(names.next()))
        .map(|((share, files), object)| ManifestExtract { share: share.greatest(), files, object });
    let parts = names.zip(members).collect();
    let manifest = Manifest {
        format: FORMAT,
        as_of: kept.as_of,
        files: kept.files,
        measures: about,
        keys,
        parts,
        extract,
    };
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
    found
        .into_iter()
        .map(|object| object.location)
        .filter(|path| path.extension() == Some("parquet"))
        .collect()
}

fn manifest_measure(measure: &KeptMeasure) -> ManifestMeasure {
    let kind = match measure.values.as_ref() {
        Cells::Sum(_) => Kind::Sum,
        Cells::Wide(_) => Kind::Wide,
        Cells::Max(_) => Kind::Max,
        Cells::Min(_) => Kind::Min,
        _ => Kind::Count,
    };
    let missing = match measure.values.as_ref() {
        Cells::Max(values) | Cells::Min(values) => {
            let least = values.iter().copied().filter(|value| *value != i64::MIN).min();
            least.map_or(i64::MIN, |least| least - 1)
        }
        _ => i64::MIN,
    };
    ManifestMeasure {
        identity: measure.identity.clone(),
        from: measure.window.from,
        to: measure.window.to,
        kind,
        missing,
    }
}

/// Values as columns; where there is no largest value, what stands for it: it is close to the others, so that differences are small.
fn columns(measures: Vec<KeptMeasure>, missing: &[i64]) -> Result<RecordBatch, SqlError> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for ((number, measure), &missing) in measures.into_iter().enumerate().zip(missing) {
        let array: ArrayRef = match Arc::unwrap_or_clone(measure.values) {
            Cells::Count(values) => Arc::new(UInt32Array::from(values)),
            Cells::Sum(values) => Arc::new(Int64Array::from(values)),
            Cells::Max(mut values) | Cells::Min(mut values) => {
                values.iter_mut().filter(|value| **value == i64::MIN).for_each(|value| *value = missing);
                Arc::new(Int64Array::from(values))
            }
            Cells::Wide(values) => Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, 0)?),
            _ => return Err(SqlError::Engine("a measure that cannot be kept".to_owned())),
        };
        fields.push(Field::new(format!("m{number}"), array.data_type().clone(), array.is_nullable()));
        arrays.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn encode(batch: &RecordBatch) -> Result<ParquetFile, SegmentError> {
    // Differences in few bits are small without compression.
    let mut properties = WriterProperties::builder().set_dictionary_enabled(false);
    let integers = [DataType::Int32, DataType::Int64, DataType::UInt32];
    for field in batch.schema().fields().iter().filter(|field| integers.contains(field.data_type())) {
        properties =
            properties.set_column_encoding(field.name().as_str().into(), Encoding::DELTA_BINARY_PACKED);
    }
    Ok(ParquetFile::encode(&batch.schema(), [batch], properties.build())?)
}

/// A reader and the number of its rows.
fn reader(bytes: Bytes) -> Result<(ParquetRecordBatchReader, usize), SqlError> {
    let wrong = |error: ParquetError| SqlError::Engine(error.to_string());
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(wrong)?;
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
    Ok((builder.with_batch_size(BATCH_ROWS).build().map_err(wrong)?, rows))
}

fn decode_rows(bytes: Bytes) -> Result<RecordBatch, SqlError> {
    let (reader, _) = reader(bytes)?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    // The schema as it was written: metadata of the file does not make it another.
    let schema = Arc::new(Schema::new(schema.fields().clone()));
    let batches = reader
        .map(|batch| Ok(batch?.with_schema(Arc::clone(&schema))?))
        .collect::<Result<Vec<_>, SqlError>>()?;
    Ok(concat_batches(&schema, &batches)?)
}

fn decode_measures(bytes: Bytes, kinds: &[(Kind, i64)]) -> Result<Vec<Cells>, SqlError> {
    let (reader, rows) = reader(bytes)?;
    // Room for keys that are new, so that values need not move.
    let mut all: Vec<Cells> = kinds.iter().map(|(kind, _)| kind.cells(rows + rows / 32 + 1)).collect();
    for batch in reader {
        for ((cells, column), &(_, missing)) in all.iter_mut().zip(batch?.columns()).zip(kinds) {
            match cells {
                Cells::Count(values) => {
                    values.extend_from_slice(column.as_primitive::<UInt32Type>().values())
                }
                Cells::Sum(values) => values.extend_from_slice(column.as_primitive::<Int64Type>().values()),
                Cells::Wide(values) => {
                    values.extend_from_slice(column.as_primitive::<Decimal128Type>().values())
                }
                Cells::Max(values) | Cells::Min(values) => {
                    let column = column.as_primitive::<Int64Type>().values().iter();
                    values.extend(column.map(|&value| if value == missing { i64::MIN } else { value }));
                }
                _ => {}
            }
        }
    }
    Ok(all)
}

impl Kind {
    /// No values of this kind, and room for some.
    fn cells(self, room: usize) -> Cells {
        match self {
            Self::Count => Cells::Count(Vec::with_capacity(room)),
            Self::Sum => Cells::Sum(Vec::with_capacity(room)),
            Self::Wide => Cells::Wide(Vec::with_capacity(room)),
            Self::Max => Cells::Max(Vec::with_capacity(room)),
            Self::Min => Cells::Min(Vec::with_capacity(room)),
        }
    }
}
