//! State as objects: a manifest, and Parquet files with the parts and the sample, encoded and decoded side by
//! side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Schema};
use bytes::Bytes;
use datafusion::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use datafusion::parquet::basic::Encoding;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tranche_sql::SqlError;
use tranche_sql::keys::KeyShare;
use tranche_sql::parallel::blocking;
use tranche_sql::scan::Extract;
use tranche_store::encoding::{ParquetFile, parquet_options};
use tranche_store::objects::{read_document, write_document};
use tranche_store::{DataFile, StoreError};

use crate::state::{Header, NewState, SavedState, Unusable};

/// Grows when manifests change their meaning; others are not used.
const FORMAT: u32 = 1;
/// The version of the engine whose expressions headers name.
pub(crate) const ENGINE: &str = tranche_sql::ENGINE_VERSION;
/// The object that names the others; state is what it says.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Objects that are read, or written, at a time.
const OBJECTS_AT_A_TIME: usize = 8;
/// Rows that are decoded at a time: few enough to stay in the cache on their way.
const BATCH_ROWS: usize = 1 << 16;

#[derive(Serialize, Deserialize)]
struct Manifest<H> {
    format: u32,
    header_format: u32,
    engine: String,
    as_of: Timestamp,
    files: Vec<DataFile>,
    header: H,
    /// The objects with the parts.
    parts: Vec<String>,
    sample: Option<ManifestSample>,
}

impl<H> Manifest<H> {
    /// The names of the objects.
    fn names(&self) -> BTreeSet<&str> {
        let sample = self.sample.iter().map(|sample| &sample.object);
        self.parts.iter().chain(sample).map(String::as_str).collect()
    }
}

#[derive(Serialize, Deserialize)]
struct ManifestSample {
    share: u64,
    files: Vec<(String, usize)>,
    object: String,
}

/// What every manifest has, whatever its format.
#[derive(Deserialize)]
struct Versions {
    format: u32,
    #[serde(default)]
    header_format: u32,
    #[serde(default)]
    engine: String,
}

/// The manifest of a folder. `header_format` is the one that is understood; any is when `None`.
async fn manifest<H: DeserializeOwned>(
    objects: &dyn ObjectStore,
    folder: &str,
    header_format: Option<u32>,
) -> Result<Manifest<H>, Unusable> {
    let path = Path::from(format!("{folder}/{MANIFEST}"));
    let text = match read_document(objects, &path).await {
        Ok(Some(text)) => text,
        Ok(None) => return Err(Unusable::Missing),
        Err(StoreError::Damaged { reason, .. }) => return Err(Unusable::Damaged(reason)),
        Err(error) => return Err(SqlError::Store(error).into()),
    };
    let damaged = |error: serde_json::Error| Unusable::Damaged(error.to_string());
    let versions: Versions = serde_json::from_slice(&text).map_err(damaged)?;
    if versions.format != FORMAT || header_format.is_some_and(|format| versions.header_format != format) {
        return Err(Unusable::Format);
    }
    if versions.engine != ENGINE {
        return Err(Unusable::Engine { saved: versions.engine, current: ENGINE });
    }
    serde_json::from_slice(&text).map_err(damaged)
}

pub(crate) async fn header<H: Header>(
    objects: &dyn ObjectStore,
    folder: &str,
) -> Result<SavedState<H, ()>, Unusable> {
    let Manifest { as_of, files, header, .. } = manifest::<H>(objects, folder, Some(H::FORMAT)).await?;
    Ok(SavedState { as_of, files, header, parts: Vec::new(), sample: None })
}

pub(crate) async fn read<H: Header + Sync, P: Send + 'static>(
    objects: &Arc<dyn ObjectStore>,
    folder: &str,
    decode: impl Fn(&H, usize, Bytes) -> Result<P, SqlError> + Send + Sync + 'static,
) -> Result<SavedState<H, P>, Unusable> {
    let Manifest { as_of, files, header, parts, sample, .. } =
        manifest::<H>(&**objects, folder, Some(H::FORMAT)).await?;
    let shared = Arc::new((header, decode));
    let decoded = parts.into_iter().enumerate().map(|(place, name)| {
        let (bytes, shared) = (bytes_of(objects, folder, &name), Arc::clone(&shared));
        async move {
            let bytes = bytes.await?;
            blocking(move || (shared.1)(&shared.0, place, bytes)).await
        }
    });
    let decoded: Vec<_> = decoded.collect();
    let decoded = stream::iter(decoded).buffered(OBJECTS_AT_A_TIME).try_collect::<Vec<P>>();
    let sample = async {
        let Some(sample) = sample else { return Ok(None) };
        let bytes = bytes_of(objects, folder, &sample.object).await?;
        let rows = blocking(move || decode_rows(bytes)).await?;
        Ok::<_, SqlError>(Some(Extract { share: KeyShare::up_to(sample.share), files: sample.files, rows }))
    };
    let (parts, sample) = tokio::try_join!(decoded, sample)?;
    let (header, _) = Arc::into_inner(shared)
        .ok_or_else(|| SqlError::Engine("a part of the state is still being decoded".to_owned()))?;
    Ok(SavedState { as_of, files, header, parts, sample })
}

/// Whether the objects of a folder can be read, whatever they mean.
pub(crate) async fn check(objects: &Arc<dyn ObjectStore>, folder: &str) -> Result<(), Unusable> {
    let manifest = manifest::<serde_json::Value>(&**objects, folder, None).await?;
    for name in manifest.names() {
        let bytes = bytes_of(objects, folder, name).await?;
        blocking(move || decode_rows(bytes)).await?;
    }
    Ok(())
}

pub(crate) async fn write<H: Header>(
    objects: &Arc<dyn ObjectStore>,
    folder: &str,
    state: NewState<H>,
) -> Result<(), SqlError> {
    let NewState { as_of, files, header, parts, sample } = state;
    let replaced = named(&**objects, folder).await;
    let mut jobs: Vec<Box<dyn FnOnce() -> Result<ParquetFile, SqlError> + Send>> = Vec::new();
    for part in parts {
        jobs.push(Box::new(move || encode(&part()?)));
    }
    let sample = sample.map(|Extract { share, files, rows }| {
        jobs.push(Box::new(move || {
            let schema = rows.schema();
            Ok(ParquetFile::encode(&schema, [&rows], parquet_options(&schema))?)
        }));
        (share.greatest(), files)
    });
    let prefix = format!("{folder}/");
    let puts = jobs.into_iter().map(|job| {
        let (objects, prefix) = (Arc::clone(objects), &prefix);
        async move {
            let file = blocking(job).await?;
            let stored = file.put(&*objects, prefix, BTreeMap::new()).await?;
            Ok::<_, SqlError>(stored.file.path.rsplit('/').next().unwrap_or_default().to_owned())
        }
    });
    let puts: Vec<_> = puts.collect();
    let mut parts = stream::iter(puts).buffered(OBJECTS_AT_A_TIME).try_collect::<Vec<_>>().await?;
    let sample =
        sample.and_then(|(share, files)| Some(ManifestSample { share, files, object: parts.pop()? }));
    let (header_format, engine) = (H::FORMAT, ENGINE.to_owned());
    let manifest = Manifest { format: FORMAT, header_format, engine, as_of, files, header, parts, sample };
    let text = serde_json::to_string(&manifest).map_err(|error| SqlError::Engine(error.to_string()))?;
    write_document(&**objects, &Path::from(format!("{folder}/{MANIFEST}")), &text).await?;
    // A failure leaves objects that a later run deletes.
    for path in unused(&**objects, folder, &replaced, &manifest.names()).await {
        let _ = objects.delete(&path).await;
    }
    Ok(())
}

/// The objects that the present manifest names.
async fn named(objects: &dyn ObjectStore, folder: &str) -> BTreeSet<String> {
    let manifest = manifest::<serde_json::Value>(objects, folder, None).await;
    manifest.map(|manifest| manifest.names().into_iter().map(str::to_owned).collect()).unwrap_or_default()
}

/// The objects of a folder that a new manifest made useless: those that the one before named, and those that nobody has named for
/// long. Others may belong to a run that is about to write its own.
async fn unused(
    objects: &dyn ObjectStore,
    folder: &str,
    replaced: &BTreeSet<String>,
    own: &BTreeSet<&str>,
) -> Vec<Path> {
    let found = objects.list(Some(&Path::from(folder))).try_collect::<Vec<_>>().await.unwrap_or_default();
    // By the storage's own clock.
    let Some(now) = found.iter().map(|object| object.last_modified).max() else { return Vec::new() };
    let is_unused = |object: &ObjectMeta| {
        let name = object.location.filename().unwrap_or_default();
        let is_old = (now - object.last_modified).num_days() >= 1;
        object.location.extension() == Some("parquet")
            && !own.contains(name)
            && (is_old || replaced.contains(name))
    };
    found.into_iter().filter(is_unused).map(|object| object.location).collect()
}

pub(crate) async fn forget(objects: &dyn ObjectStore, folder: &str) {
    let path = Path::from(format!("{folder}/{MANIFEST}"));
    if let Err(error) = objects.delete(&path).await {
        tracing::warn!(folder, %error, "saved state could not be deleted");
    }
}

/// A reader of a Parquet file in memory, and the number of its rows.
///
/// # Errors
/// [`SqlError::Engine`] when it is no Parquet file.
pub fn reader(bytes: Bytes) -> Result<(ParquetRecordBatchReader, usize), SqlError> {
    let wrong = |error: ParquetError| SqlError::Engine(error.to_string());
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(wrong)?;
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
    Ok((builder.with_batch_size(BATCH_ROWS).build().map_err(wrong)?, rows))
}

/// The rows of a Parquet file in memory.
///
/// # Errors
/// [`SqlError::Engine`] when it is no Parquet file, [`SqlError::Data`] when its rows cannot be decoded.
pub fn decode_rows(bytes: Bytes) -> Result<RecordBatch, SqlError> {
    let (reader, _) = reader(bytes)?;
    // The schema as it was written: metadata of the file does not make it another.
    let schema = Arc::new(Schema::new(reader.schema().fields().clone()));
    let batches = reader.map(|batch| Ok(batch?.with_schema(Arc::clone(&schema))?));
    let batches = batches.collect::<Result<Vec<_>, SqlError>>()?;
    Ok(concat_batches(&schema, &batches)?)
}

fn encode(batch: &RecordBatch) -> Result<ParquetFile, SqlError> {
    // Differences in few bits are small without compression.
    let mut properties = WriterProperties::builder().set_dictionary_enabled(false);
    let integers = [DataType::Int32, DataType::Int64, DataType::UInt32];
    for field in batch.schema().fields().iter().filter(|field| integers.contains(field.data_type())) {
        properties =
            properties.set_column_encoding(field.name().as_str().into(), Encoding::DELTA_BINARY_PACKED);
    }
    Ok(ParquetFile::encode(&batch.schema(), [batch], properties.build())?)
}

fn bytes_of(
    objects: &Arc<dyn ObjectStore>,
    folder: &str,
    name: &str,
) -> impl Future<Output = Result<Bytes, SqlError>> + Send + use<> {
    let (objects, path) = (Arc::clone(objects), Path::from(format!("{folder}/{name}")));
    async move {
        let bytes = async { objects.get(&path).await?.bytes().await };
        bytes.await.map_err(|source| stored(&path, source))
    }
}

fn stored(path: &Path, source: object_store::Error) -> SqlError {
    StoreError::object(path, source).into()
}
