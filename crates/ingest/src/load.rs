//! One load: the files of a source that were not loaded before, into its table, in one commit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;
use tranche_schema::{Contract, Evolution, platform};
use tranche_sql::{Session, SqlError, SqlProblem, table_folder};
use tranche_store::{
    Commit, CommitMode, Lake, Location, RawObject, Snapshot, Storage, StoreError, list_matching,
};

use crate::conform::Conformer;
use crate::keys::SeenKeys;
use crate::mapping::{Mapping, computed_columns};
use crate::quarantine::Reject;
use crate::read::{self, RawRows};
use crate::stage::{Stage, Staged};
use crate::{Format, IngestError, LOADS_TABLE, Source, quarantine, upsert};

/// What a load works with.
pub struct LoadContext<'a> {
    /// Where tables are.
    pub lake: &'a Lake,
    /// Where raw files are.
    pub storage: &'a Storage,
    /// The folder that local paths of sources are relative to.
    pub project_folder: &'a Path,
    /// The engine at the run's `as_of`.
    pub session: &'a Session,
    /// The run.
    pub run_id: &'a str,
    /// When the run started.
    pub started_at: Timestamp,
    /// The application transaction of the step.
    pub transaction: &'a str,
    /// Called with the files read so far and all files of the source.
    pub progress: &'a (dyn Fn(usize, usize) + Send + Sync),
}

/// What a load did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// The source.
    pub source: String,
    /// The table that it went into.
    pub table: String,
    /// Files that were read; those of earlier loads are not.
    pub files: u64,
    /// Rows in these files.
    pub rows: u64,
    /// Rows that went to quarantine.
    pub rejected: u64,
    /// Rows that a later row with the same key replaced within the load.
    pub duplicates: u64,
    /// Rows of earlier loads that were replaced.
    pub replaced: u64,
    /// Rows that were written.
    pub written: u64,
}

/// Loads what is new of a source into the table of `contract`.
///
/// # Errors
/// [`IngestError`]; the table is as it was before, and what was rejected is in quarantine.
pub async fn load(
    source: &Source,
    contract: &Contract,
    context: &LoadContext<'_>,
) -> Result<LoadReport, IngestError> {
    for _ in 1..ATTEMPTS {
        match attempt(source, contract, context).await {
            Err(IngestError::Store(StoreError::Conflict { .. })) => {}
            outcome => return outcome,
        }
    }
    attempt(source, contract, context).await
}

/// How often a load is planned anew when another run committed to the table in the meantime.
const ATTEMPTS: usize = 5;

async fn attempt(
    source: &Source,
    contract: &Contract,
    context: &LoadContext<'_>,
) -> Result<LoadReport, IngestError> {
    let table = table_folder(&contract.table);
    let mut report = LoadReport {
        source: source.name.clone(),
        table: contract.table.clone(),
        files: 0,
        rows: 0,
        rejected: 0,
        duplicates: 0,
        replaced: 0,
        written: 0,
    };
    let identity = format!("{}/{}", context.transaction, source.name);
    let snapshot = context.lake.snapshot(&table).await?;
    if let Some(snapshot) = &snapshot
        && snapshot.has_transaction(&identity).await?
    {
        return Ok(report);
    }
    if let Some(snapshot) = &snapshot {
        check_evolution(contract, snapshot)?;
    }
    let location = context.storage.resolve(&source.path, context.project_folder)?;
    let objects = list_matching(&location).await?;
    if objects.is_empty() {
        return Err(IngestError::NoFiles { source_name: source.name.clone(), path: source.path.clone() });
    }
    let shown = |object: &RawObject| shown_path(&location, object, context.project_folder);
    let files = objects.into_iter().map(|object| RawFile { path: shown(&object), object }).collect();
    let new = new_files(source, snapshot.as_ref(), files).await?;
    if new.is_empty() {
        return Ok(report);
    }
    let read = read_files(source, contract, context, &location, &new).await?;
    report.files = new.len() as u64;
    report.rows = read.files.iter().map(|f| f.rows).sum();
    report.rejected = read.rejects.len() as u64;
    report.duplicates = read.files.iter().map(|f| f.duplicates).sum();
    // What is noted of files is noted once, whoever reads them.
    let note = format!("files/{}/{}", source.name, files_mark(source, &new));
    write_quarantine(source, context, &note, &read.rejects).await?;
    if !source.on_reject.allows(report.rejected, report.rows) {
        return Err(IngestError::TooManyRejects {
            source_name: source.name.clone(),
            rejected: report.rejected,
            rows: report.rows,
            allowed: source.on_reject.to_string(),
            first: read.rejects.first().map(ToString::to_string).unwrap_or_default(),
        });
    }
    let incoming = staged_frame(context.session, read.staged)?;
    let upsert = upsert::plan(context.session, contract, snapshot.as_ref(), incoming).await?;
    report.replaced = upsert.replaced;
    report.written = report.rows - report.rejected - report.duplicates;
    // What was read is noted before it counts: an attempt that is cut short between the two notes it once.
    write_loads(source, contract, context, &note, &new, &read.files).await?;
    let mut commit = Commit::new(&table, &identity, upsert.mode, upsert.rows).on(snapshot);
    if contract.event_time().is_some() {
        commit = commit.partitioned_by(&[platform::EVENT_DAY]);
    }
    commit.transactions.extend(new.iter().map(|file| file_mark(source, file)));
    context.lake.commit(context.session.shared_state(), commit).await?;
    Ok(report)
}

/// A contract may gain nullable columns if it says so, and nothing else.
///
/// # Errors
/// [`IngestError::Evolution`] when the stored table is of a contract that is not an earlier edition of this one.
pub fn check_evolution(contract: &Contract, table: &Snapshot) -> Result<(), IngestError> {
    let changed = |reason: String| Err(IngestError::Evolution { table: contract.table.clone(), reason });
    let stored = table.schema()?;
    for column in &contract.columns {
        match stored.field_with_name(&column.name) {
            Ok(field) if !same_type(field.data_type(), &column.data_type) => {
                return changed(format!(
                    "column `{}` is stored as {}, not {}",
                    column.name,
                    field.data_type(),
                    column.data_type
                ));
            }
            Ok(_) => {}
            Err(_) if contract.evolution == Evolution::Frozen => {
                return changed(format!("column `{}` is new, and the contract is frozen", column.name));
            }
            Err(_) if !column.nullable => {
                return changed(format!("column `{}` is new and must be nullable", column.name));
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// Whether two types hold the same values: a list's element may be named differently.
fn same_type(stored: &DataType, wanted: &DataType) -> bool {
    match (stored, wanted) {
        (DataType::List(a), DataType::List(b)) => a.data_type() == b.data_type(),
        (DataType::Utf8View | DataType::LargeUtf8, DataType::Utf8) => true,
        (a, b) => a == b,
    }
}

/// The mark by which a table knows that a file is in it.
fn file_mark(source: &Source, file: &RawFile) -> String {
    let identity = blake3::hash(format!("{}\n{}", file.path, file.object.edition).as_bytes());
    format!("file/{}/{}", source.name, identity.to_hex())
}

/// What tells these files from any others.
fn files_mark(source: &Source, files: &[RawFile]) -> String {
    let marks: Vec<String> = files.iter().map(|file| file_mark(source, file)).collect();
    blake3::hash(marks.join("\n").as_bytes()).to_hex().to_string()
}

/// A raw file: the object, and its path as people see it.
struct RawFile {
    object: RawObject,
    path: String,
}

async fn new_files(
    source: &Source,
    table: Option<&Snapshot>,
    files: Vec<RawFile>,
) -> Result<Vec<RawFile>, IngestError> {
    let Some(table) = table else { return Ok(files) };
    let mut new = Vec::new();
    for file in files {
        if !table.has_transaction(&file_mark(source, &file)).await? {
            new.push(file);
        }
    }
    Ok(new)
}

/// What came out of the files of a load.
struct ReadFiles {
    staged: Staged,
    rejects: Vec<Reject>,
    files: Vec<FileCounts>,
}

#[derive(Default)]
struct FileCounts {
    /// The place of its first row among all that were let in.
    first_row: u64,
    rows: u64,
    rejected: u64,
    duplicates: u64,
}

async fn read_files(
    source: &Source,
    contract: &Contract,
    context: &LoadContext<'_>,
    location: &Location,
    raw_files: &[RawFile],
) -> Result<ReadFiles, IngestError> {
    let numeric = infer_numbers(source, location, raw_files).await?;
    let conformer = Conformer::new(contract, context.session)
        .map_err(|(column, problem)| mapping_error(source, column, problem))?;
    let mut stage = Stage::new(conformer.schema());
    let mut seen = SeenKeys::new(&conformer.schema(), &contract.key)?;
    let mut rejects = Vec::new();
    let mut files = Vec::new();
    for (done, RawFile { object, path }) in raw_files.iter().enumerate() {
        (context.progress)(done, raw_files.len());
        let mut counts = FileCounts { first_row: seen.rows(), ..FileCounts::default() };
        let mut mapping: Option<(SchemaRef, Mapping)> = None;
        let mut batches = read::open(Arc::clone(&location.store), &object.meta, &source.format);
        while let Some(rows) = next(&mut batches, source, path).await? {
            let schema = rows.batch.schema();
            if mapping.as_ref().is_none_or(|(known, _)| *known != schema) {
                let made = map(source, contract, &schema, &numeric, context.session, path)?;
                mapping = Some((schema, made));
            }
            let Some((_, mapping)) = &mapping else { continue };
            let failed = |e| IngestError::Sql(SqlError::from(e));
            let mapped = mapping.apply(&rows, path).map_err(failed)?;
            let mut conformed = conformer.conform(&rows, mapped, path).map_err(failed)?;
            counts.rows += (rows.rows.len() + rows.rejects.len()) as u64;
            let unread = rows.rejects.into_iter().map(|reject| Reject { file: path.clone(), ..reject });
            conformed.rejects.extend(unread);
            conformed.rejects.sort_by_key(|reject| reject.row);
            counts.rejected += conformed.rejects.len() as u64;
            rejects.append(&mut conformed.rejects);
            seen.add(&conformed.batch)?;
            stage.add(conformed.batch)?;
        }
        files.push(counts);
    }
    (context.progress)(raw_files.len(), raw_files.len());
    let replaced = seen.finish()?;
    for later in replaced.later {
        let file = files.partition_point(|file: &FileCounts| file.first_row <= later) - 1;
        files[file].duplicates += 1;
    }
    Ok(ReadFiles { staged: stage.finish(replaced.earlier)?, rejects, files })
}

async fn next(
    batches: &mut mpsc::Receiver<Result<RawRows, read::FileProblem>>,
    source: &Source,
    path: &str,
) -> Result<Option<RawRows>, IngestError> {
    batches.recv().await.transpose().map_err(|reason| IngestError::File {
        source_name: source.name.clone(),
        file: path.to_owned(),
        reason,
    })
}

fn map(
    source: &Source,
    contract: &Contract,
    schema: &Schema,
    numeric: &BTreeMap<String, DataType>,
    session: &Session,
    path: &str,
) -> Result<Mapping, IngestError> {
    let sparse = source.format == Format::Ndjson;
    Mapping::new(source, contract, schema, numeric, sparse, session, path)
}

fn mapping_error(source: &Source, column: String, problem: SqlProblem) -> IngestError {
    IngestError::Mapping { source_name: source.name.clone(), column, problem }
}

/// A local file is shown as in the project, any other by its URL.
fn shown_path(location: &Location, object: &RawObject, project_folder: &Path) -> String {
    let path = object.meta.location.as_ref();
    if location.url.scheme() == "file" {
        let absolute = Path::new("/").join(path);
        let base = std::path::absolute(project_folder).unwrap_or_else(|_| project_folder.to_owned());
        return absolute.strip_prefix(&base).unwrap_or(&absolute).display().to_string();
    }
    let host = location.url.host_str().unwrap_or_default();
    format!("{}://{host}/{path}", location.url.scheme())
}

/// A share of this many values may be wrong without making a text of a column of numbers: those rows are rejected.
const WRONG_RATIO: f64 = 0.05;

/// The raw text columns that expressions compute with and that hold numbers, over all files of the load: a reader that looked at
/// some rows only could change its mind from night to night.
async fn infer_numbers(
    source: &Source,
    location: &Location,
    files: &[RawFile],
) -> Result<BTreeMap<String, DataType>, IngestError> {
    let wanted = computed_columns(source);
    if wanted.is_empty() || source.format == Format::Parquet {
        return Ok(BTreeMap::new());
    }
    let mut counts = vec![NumberCounts::default(); wanted.len()];
    for file in files {
        let mut batches = read::open(Arc::clone(&location.store), &file.object.meta, &source.format);
        while let Some(rows) = next(&mut batches, source, &file.path).await? {
            for (name, counts) in wanted.iter().zip(&mut counts) {
                if let Some(column) = rows.batch.column_by_name(name) {
                    counts.add(column.as_string::<i32>());
                }
            }
        }
    }
    Ok(wanted
        .into_iter()
        .zip(counts)
        .filter_map(|(name, counts)| Some((name, counts.data_type()?)))
        .collect())
}

#[derive(Clone, Default)]
struct NumberCounts {
    /// Values with a leading zero: post codes, telephone numbers. One of them makes a text of the column.
    identifiers: u64,
    integers: u64,
    floats: u64,
    others: u64,
}

impl NumberCounts {
    fn add(&mut self, column: &StringArray) {
        for text in column.iter().flatten() {
            let text = text.trim();
            let digits = text.trim_start_matches(['-', '+']);
            let identifier = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
            match text {
                _ if identifier => self.identifiers += 1,
                _ if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => self.others += 1,
                _ if text.parse::<i64>().is_ok() => self.integers += 1,
                _ if text.parse::<f64>().is_ok() => self.floats += 1,
                _ => self.others += 1,
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of values")]
    fn data_type(&self) -> Option<DataType> {
        let numbers = self.integers + self.floats;
        if numbers == 0
            || self.identifiers > 0
            || self.others as f64 > WRONG_RATIO * (numbers + self.others) as f64
        {
            return None;
        }
        Some(if self.floats == 0 { DataType::Int64 } else { DataType::Float64 })
    }
}

fn staged_frame(session: &Session, staged: Staged) -> Result<datafusion::prelude::DataFrame, SqlError> {
    let schema = Arc::clone(PartitionStream::schema(&staged));
    let table = StreamingTable::try_new(schema, vec![Arc::new(staged)]).map_err(SqlError::engine)?;
    let plan = LogicalPlanBuilder::scan("incoming", provider_as_source(Arc::new(table)), None)
        .and_then(LogicalPlanBuilder::build)
        .map_err(SqlError::engine)?;
    Ok(session.frame_of(plan))
}

async fn write_quarantine(
    source: &Source,
    context: &LoadContext<'_>,
    identity: &str,
    rejects: &[Reject],
) -> Result<(), IngestError> {
    if rejects.is_empty() {
        return Ok(());
    }
    let batch = quarantine::to_batch(&source.name, context.run_id, context.started_at, rejects)?;
    append(context, &quarantine::table(&source.name), identity, batch).await
}

async fn write_loads(
    source: &Source,
    contract: &Contract,
    context: &LoadContext<'_>,
    identity: &str,
    files: &[RawFile],
    counts: &[FileCounts],
) -> Result<(), IngestError> {
    let n = files.len();
    let text =
        |value: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, n))) };
    let number = |value: &dyn Fn(&FileCounts) -> u64| -> ArrayRef {
        Arc::new(counts.iter().map(|c| i64::try_from(value(c)).ok()).collect::<Int64Array>())
    };
    let as_of = context.session.as_of().as_microsecond();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_value(as_of, n).with_timezone("UTC")),
        text(&source.name),
        text(&contract.table),
        Arc::new(files.iter().map(|f| Some(f.path.as_str())).collect::<StringArray>()),
        Arc::new(files.iter().map(|f| i64::try_from(f.object.meta.size).ok()).collect::<Int64Array>()),
        number(&|c| c.rows),
        number(&|c| c.rejected),
        number(&|c| c.duplicates),
        text(context.run_id),
    ];
    let batch = RecordBatch::try_new(platform::loads::schema(), arrays).map_err(SqlError::from)?;
    append(context, LOADS_TABLE, identity, batch).await
}

async fn append(
    context: &LoadContext<'_>,
    table: &str,
    identity: &str,
    batch: RecordBatch,
) -> Result<(), IngestError> {
    let rows = context.session.frame(batch.schema(), vec![batch])?.logical_plan().clone();
    context
        .lake
        .commit(context.session.shared_state(), Commit::new(table, identity, CommitMode::Append, rows))
        .await?;
    Ok(())
}
