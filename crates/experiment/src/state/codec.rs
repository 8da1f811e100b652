//! What is kept as objects: a manifest, and Parquet files of units, of what was added up of them, and of facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Schema};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::Encoding;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tranche_metric::{NewState, SavedState, StateHeader};
use tranche_sql::keys::KeyShare;
use tranche_sql::scan::Extract;
use tranche_sql::{Source, SqlError};
use tranche_store::object_store::path::Path;
use tranche_store::object_store::{self, ObjectStore, ObjectStoreExt};
use tranche_store::{DataFile, Lake, ParquetFile, StoreError, parquet_options};

use crate::error::ExperimentError;
use crate::parallel::on_all_cores;

/// Grows when the objects change their meaning; others are ignored.
const FORMAT: u32 = 1;
/// Objects that are read or written at a time.
const AT_A_TIME: usize = 8;

/// What is written about what is kept.
#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    as_of: Timestamp,
    /// The files of the table.
    files: Vec<DataFile>,
    about: StateHeader,
    /// The objects with the parts.
    parts: Vec<String>,
    extract: Option<ManifestExtract>,
}

#[derive(Serialize, Deserialize)]
struct ManifestExtract {
    share: u64,
    files: Vec<(String, usize)>,
    object: String,
}

/// What was kept, and the instant that it is of; `None` when nothing usable is there.
pub(super) async fn read(
    lake: &Lake,
    folder: &str,
) -> Result<Option<(Timestamp, SavedState)>, ExperimentError> {
    let objects = lake.objects();
    let path = Path::from(format!("{folder}/manifest.json"));
    let text = match objects.get(&path).await {
        Ok(found) => found.bytes().await.map_err(|source| StoreError::object(&path, source))?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(source) => return Err(StoreError::object(&path, source).into()),
    };
    // What cannot be read is of another time, and as good as not there.
    let Some(manifest) =
        serde_json::from_slice::<Manifest>(&text).ok().filter(|manifest| manifest.format == FORMAT)
    else {
        return Ok(None);
    };
    let names = manifest.parts.iter().chain(manifest.extract.as_ref().map(|extract| &extract.object));
    let found = names.map(|name| {
        let (objects, path) = (Arc::clone(&objects), Path::from(format!("{folder}/{name}")));
        async move {
            let bytes = async { objects.get(&path).await?.bytes().await };
            bytes.await.map_err(|source| ExperimentError::from(StoreError::object(&path, source)))
        }
    });
    let found = stream::iter(found.collect::<Vec<_>>()).buffered(AT_A_TIME).try_collect::<Vec<_>>().await?;
    let decoded = on_all_cores(&found, |bytes| -> Result<RecordBatch, SqlError> {
        let wrong = |error: ParquetError| SqlError::Engine(error.to_string());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone())
            .and_then(ParquetRecordBatchReaderBuilder::build);
        let reader = reader.map_err(wrong)?;
        // The schema as it was written: metadata of the file does not make it another.
        let schema = Arc::new(Schema::new(reader.schema().fields().clone()));
        let batches = reader
            .map(|batch| Ok(batch?.with_schema(Arc::clone(&schema))?))
            .collect::<Result<Vec<_>, SqlError>>()?;
        Ok(concat_batches(&schema, &batches)?)
    });
    let mut parts = decoded.into_iter().collect::<Result<Vec<_>, _>>()?;
    let rows = manifest.extract.as_ref().and_then(|_| parts.pop());
    let extract = manifest.extract.zip(rows);
    let extract = extract.map(|(about, rows)| Extract {
        share: KeyShare::up_to(about.share),
        files: about.files,
        rows,
    });
    let files = manifest.files.into_iter().map(Source::File).collect();
    Ok(Some((manifest.as_of, SavedState { files, header: manifest.about, parts, sample: extract })))
}

/// Keeps what was found of a table at an instant, in place of what was kept before.
pub(super) async fn write(
    lake: &Lake,
    folder: &str,
    as_of: Timestamp,
    (files, extract): (Vec<Source>, Option<Extract>),
    keepable: &NewState<'_>,
) -> Result<(), ExperimentError> {
    let objects = lake.objects();
    let before = listed(&*objects, folder).await;
    let numbers: Vec<usize> = (0..keepable.parts()).collect();
    let encoded = on_all_cores(&numbers, |&number| -> Result<ParquetFile, ExperimentError> {
        let part = keepable.part(number)?;
        Ok(ParquetFile::encode(&part.schema(), [&part], properties(&part.schema()))?)
    });
    let mut encoded = encoded.into_iter().collect::<Result<Vec<_>, _>>()?;
    if let Some(extract) = &extract {
        let schema = extract.rows.schema();
        encoded.push(ParquetFile::encode(&schema, [&extract.rows], parquet_options(&schema))?);
    }
    let prefix = format!("{folder}/");
    let puts = encoded.into_iter().map(|file| {
        let (objects, prefix) = (Arc::clone(&objects), &prefix);
        async move {
            let stored = file.put(&*objects, prefix, BTreeMap::new()).await?;
            Ok::<_, ExperimentError>(stored.file.path.rsplit('/').next().unwrap_or_default().to_owned())
        }
    });
    let mut parts =
        stream::iter(puts.collect::<Vec<_>>()).buffered(AT_A_TIME).try_collect::<Vec<_>>().await?;
    let object = extract.as_ref().and_then(|_| parts.pop());
    let extract = extract.zip(object).map(|(Extract { share, files, .. }, object)| ManifestExtract {
        share: share.greatest(),
        files,
        object,
    });
    let in_files = |source| if let Source::File(file) = source { Some(file) } else { None };
    let files = files.into_iter().filter_map(in_files).collect();
    let manifest = Manifest { format: FORMAT, as_of, files, about: keepable.header.clone(), parts, extract };
    let text = serde_json::to_vec(&manifest).map_err(|error| SqlError::Engine(error.to_string()))?;
    let path = Path::from(format!("{folder}/manifest.json"));
    objects.put(&path, text.into()).await.map_err(|source| StoreError::object(&path, source))?;
    // What nobody points to any more; a failure leaves objects that the next measurement removes.
    for path in before {
        let _ = objects.delete(&path).await;
    }
    Ok(())
}

pub(super) async fn forget(lake: &Lake, folder: &str) {
    let _ = lake.objects().delete(&Path::from(format!("{folder}/manifest.json"))).await;
}

async fn listed(objects: &dyn ObjectStore, folder: &str) -> Vec<Path> {
    let found = objects.list(Some(&Path::from(folder))).try_collect::<Vec<_>>().await.unwrap_or_default();
    found
        .into_iter()
        .map(|object| object.location)
        .filter(|path| path.extension() == Some("parquet"))
        .collect()
}

/// Differences in few bits are small without compression.
fn properties(schema: &Schema) -> WriterProperties {
    let mut properties = WriterProperties::builder().set_dictionary_enabled(false);
    let integers = [DataType::Int32, DataType::Int64, DataType::UInt32];
    for field in schema.fields().iter().filter(|field| integers.contains(field.data_type())) {
        properties =
            properties.set_column_encoding(field.name().as_str().into(), Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}
