//! The pass over the files: each is read by one of several workers, whose cells are added up at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use futures::StreamExt;
use object_store::ObjectStore;
use tokio::task::JoinSet;
use tranche_schema::{Contract, platform};

use super::cells::{Arguments, PartOf, Selection};
use super::predicates::{Expressions, only_in_conditions};
use super::{Cells, ClassedSource, Group, files};
use crate::keys::{KeyIndex, KeySample};
use crate::{Session, Source, SqlError};

/// What a fused scan reads.
pub struct FusedInput<'a> {
    /// The contract of the table.
    pub contract: &'a Contract,
    /// The column with the key.
    pub key: &'a str,
    /// The table's folder.
    pub objects: Arc<dyn ObjectStore>,
    /// What is read, each in its class.
    pub sources: Vec<ClassedSource>,
    /// Only these keys, of those that the index has; rows of cells are then their places in the sample.
    pub sample: Option<Arc<KeySample>>,
    /// Called with the number of files that are done.
    pub progress: Option<Arc<dyn Fn(usize) + Send + Sync>>,
}

/// What a fused scan found.
#[derive(Debug)]
pub struct Fused {
    /// The cells of each group; their rows are the numbers of the keys, and after them one for rows whose key is null.
    pub cells: Vec<Cells>,
    /// Rows that were read.
    pub rows_read: u64,
    /// Files that were read.
    pub files_read: usize,
    /// The size of these files.
    pub bytes_read: u64,
}

/// Reads the files once and computes all groups. Keys that the index lacks are added to it; with a sample, they are ignored.
///
/// # Errors
/// [`SqlError::Store`] when a file cannot be read, [`SqlError::Data`] when an expression fails on a value.
pub async fn run(
    groups: &[Group],
    input: FusedInput<'_>,
    index: &mut Arc<KeyIndex>,
    session: &Session,
) -> Result<Fused, SqlError> {
    let event_time = input.contract.event_time().unwrap_or_default().to_owned();
    let from_files = input.sources.iter().all(|source| matches!(source.source, Source::File(_)));
    let schema = columns(groups, input.contract, &event_time, from_files);
    let df_schema = DFSchema::try_from(Arc::clone(&schema)).map_err(SqlError::engine)?;
    let mut sources: Vec<ClassedSource> = input.sources;
    sources.retain(|source| groups.iter().any(|group| has_part(group, source)));
    // Large files first, so that no worker is left alone with one at the end.
    let size_bytes = |source: &ClassedSource| size_of(source).1;
    sources.sort_by_key(|source| std::cmp::Reverse(size_bytes(source)));
    let bytes_read = sources.iter().map(size_bytes).sum();
    let files_read = sources.len();
    let argument_type = |expr: &Option<Expr>| -> Result<_, SqlError> {
        use datafusion::logical_expr::ExprSchemable;
        expr.as_ref().map(|expr| expr.get_type(&df_schema).map_err(SqlError::engine)).transpose()
    };
    let kinds = groups.iter().map(|group| argument_type(&group.argument)).collect::<Result<Vec<_>, _>>()?;
    let shared = Arc::new(Shared {
        expressions: Expressions::plan(groups, session, &df_schema)?,
        groups: groups.to_vec(),
        objects: input.objects,
        key: input.key.to_owned(),
        event_time,
        schema,
        sources,
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        rows_read: AtomicU64::new(0),
        sample: input.sample,
        progress: input.progress,
    });
    let empty =
        || -> Vec<Cells> { groups.iter().zip(&kinds).map(|(group, kind)| Cells::new(group.aggregate, kind.as_ref())).collect() };
    let rows: u64 = shared.sources.iter().map(|source| size_of(source).0).sum();
    // Each worker has cells of its own to fill and to add up, which pays only for more rows than there are keys.
    let worth = usize::try_from(rows / (ROWS_OF_A_KEY * u64::from(index.len()) + 1) + 1).unwrap_or(usize::MAX);
    let threads = if shared.sample.is_some() { session.threads() } else { session.threads().min(worth) };
    let mut workers = JoinSet::new();
    for _ in 0..threads.min(files_read) {
        let worker = Worker::new(Arc::clone(&shared), Arc::clone(index), empty());
        workers.spawn(worker.work());
    }
    let mut found = Vec::new();
    while let Some(worker) = workers.join_next().await {
        found.push(worker.map_err(|error| SqlError::Engine(error.to_string()))??);
    }
    let cells = add_up(groups, found, empty(), index, shared.sample.as_deref())?;
    Ok(Fused { cells, rows_read: shared.rows_read.load(Ordering::Relaxed), files_read, bytes_read })
}

/// Whether a source may have events of a group's parts: others are not read.
#[must_use]
pub fn has_part(group: &Group, source: &ClassedSource) -> bool {
    let (from, to) = files::time_range(&source.source);
    group.parts.iter().any(|part| part.class == source.class && part.from < to && from < part.to)
}

/// So many rows for each key are worth another worker.
const ROWS_OF_A_KEY: u64 = 8;

/// The rows and bytes of a source.
#[must_use]
pub fn size_of(source: &ClassedSource) -> (u64, u64) {
    match &source.source {
        Source::File(file) => (file.rows.unwrap_or_default(), file.size_bytes),
        Source::Rows(rows) => (rows.num_rows() as u64, 0),
    }
}

/// The event time, and what the expressions name, as the contract has them; texts as dictionaries where that saves work.
fn columns(groups: &[Group], contract: &Contract, event_time: &str, dictionaries: bool) -> SchemaRef {
    let exprs = groups.iter().flat_map(|group| group.argument.iter().chain(&group.order).chain(&group.predicate));
    let named: Vec<String> = exprs.flat_map(Expr::column_refs).map(|column| column.name.clone()).collect();
    let wanted = |field: &&Arc<Field>| named.contains(field.name()) || field.name() == event_time;
    let contract = contract.arrow_schema();
    let encoded = if dictionaries { only_in_conditions(groups, &contract) } else { Vec::new() };
    let field = |field: &Arc<Field>| match encoded.contains(field.name()) {
        true => Field::new_dictionary(field.name(), DataType::Int32, DataType::Utf8, true),
        false => field.as_ref().clone().with_nullable(true),
    };
    Arc::new(Schema::new(contract.fields().iter().filter(wanted).map(field).collect::<Vec<_>>()))
}

/// What all workers of a scan look at.
struct Shared {
    groups: Vec<Group>,
    expressions: Expressions,
    objects: Arc<dyn ObjectStore>,
    key: String,
    event_time: String,
    schema: SchemaRef,
    sources: Vec<ClassedSource>,
    next: AtomicUsize,
    done: AtomicUsize,
    rows_read: AtomicU64,
    sample: Option<Arc<KeySample>>,
    progress: Option<Arc<dyn Fn(usize) + Send + Sync>>,
}

/// One reader with cells of its own. Its rows: those of the index, one for null keys, and those of keys that only it has seen.
struct Worker {
    shared: Arc<Shared>,
    index: Arc<KeyIndex>,
    new_keys: KeyIndex,
    cells: Vec<Cells>,
    rows: usize,
}

impl Worker {
    fn new(shared: Arc<Shared>, index: Arc<KeyIndex>, cells: Vec<Cells>) -> Self {
        let new_keys = KeyIndex::new(index.data_type());
        let mut worker = Self { shared, index, new_keys, cells, rows: 0 };
        worker.grow();
        worker
    }

    async fn work(mut self) -> Result<(Vec<Cells>, KeyIndex), SqlError> {
        let shared = Arc::clone(&self.shared);
        while let Some(source) = shared.sources.get(shared.next.fetch_add(1, Ordering::Relaxed)) {
            self.read(source).await?;
            let done = shared.done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(progress) = &shared.progress {
                progress(done);
            }
        }
        Ok((self.cells, self.new_keys))
    }

    async fn read(&mut self, source: &ClassedSource) -> Result<(), SqlError> {
        let shared = Arc::clone(&self.shared);
        let range = files::time_range(&source.source);
        let active: Vec<usize> = (0..shared.groups.len()).filter(|&group| has_part(&shared.groups[group], source)).collect();
        let file = match &source.source {
            Source::Rows(rows) => return self.take(&active, source.class, range, rows),
            Source::File(file) => file,
        };
        let in_one_part = |group: &usize| part_of_file(&shared.groups[*group], source.class, range).is_some();
        let names = shared.columns_of(&active, !active.iter().all(in_one_part));
        let sample = shared.sample.as_ref().map(|sample| (Arc::clone(&self.index), Arc::clone(sample)));
        let mut stream = files::open(Arc::clone(&shared.objects), file, &names, &shared.schema, &shared.key, sample).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| files::unreadable(file, &error))?;
            self.take(&active, source.class, range, &batch)?;
        }
        Ok(())
    }

    /// Adds the rows of a batch to the cells of these groups.
    fn take(&mut self, active: &[usize], class: usize, range: (i64, i64), batch: &RecordBatch) -> Result<(), SqlError> {
        let shared = Arc::clone(&self.shared);
        shared.rows_read.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        let keys = match batch.column_by_name(&shared.key) {
            Some(keys) => Arc::clone(keys),
            None => new_null_array(self.index.data_type(), batch.num_rows()),
        };
        let numbers = self.numbers(&keys)?;
        let rows = files::conform(batch, &shared.schema)?;
        let (numbers, rows) = match &shared.sample {
            Some(sample) => in_sample(sample, &numbers, &rows)?,
            None => (numbers, rows),
        };
        let mut evaluated = shared.expressions.evaluate(&rows);
        for &number in active {
            let (group, uses) = (&shared.groups[number], shared.expressions.uses[number]);
            let part_of = match part_of_file(group, class, range) {
                Some(part) => PartOf::One(part),
                None => parts_of_rows(group, class, &rows, &shared.event_time)?,
            };
            evaluated.prepare(uses)?;
            let selection = Selection {
                keys: &numbers,
                selected: evaluated.predicate(uses.predicate),
                part_of: &part_of,
                parts: group.parts.len(),
            };
            let arguments = Arguments { value: evaluated.value(uses.argument), order: evaluated.value(uses.order) };
            self.cells[number].update(&selection, &arguments, group.aggregate)?;
        }
        Ok(())
    }

    /// The row of each key.
    fn numbers(&mut self, keys: &ArrayRef) -> Result<Vec<u32>, SqlError> {
        let null_row = self.index.len();
        let mut numbers = self.index.numbers(keys)?;
        let unknown: Vec<usize> = (0..numbers.len()).filter(|&row| numbers[row] == KeyIndex::UNKNOWN).collect();
        if !unknown.is_empty() && self.shared.sample.is_none() {
            let places: UInt32Array = unknown.iter().map(|&row| u32::try_from(row).ok()).collect();
            let new = self.new_keys.insert(&arrow::compute::take(keys, &places, None)?)?;
            for (row, new) in unknown.into_iter().zip(new) {
                numbers[row] = new.map_or(KeyIndex::NULL, |new| null_row + 1 + new);
            }
            self.grow();
        }
        for number in numbers.iter_mut().filter(|number| **number == KeyIndex::NULL) {
            *number = null_row;
        }
        Ok(numbers)
    }

    fn grow(&mut self) {
        let rows = match &self.shared.sample {
            Some(sample) => sample.len() as usize + 1,
            None => (self.index.len() + 1 + self.new_keys.len()) as usize,
        };
        if rows > self.rows {
            self.rows = rows;
            for (cells, group) in self.cells.iter_mut().zip(&self.shared.groups) {
                cells.grow(rows * group.parts.len());
            }
        }
    }
}

impl Shared {
    /// The columns that these groups need, with the key.
    fn columns_of(&self, groups: &[usize], clock_needed: bool) -> Vec<String> {
        let mut names = vec![self.key.clone()];
        if clock_needed {
            names.push(self.event_time.clone());
        }
        for group in groups.iter().map(|&group| &self.groups[group]) {
            for expr in group.argument.iter().chain(&group.order).chain(&group.predicate) {
                for column in expr.column_refs() {
                    if !names.contains(&column.name) {
                        names.push(column.name.clone());
                    }
                }
            }
        }
        names
    }
}

/// The part that all rows of a file are in.
fn part_of_file(group: &Group, class: usize, (from, to): (i64, i64)) -> Option<usize> {
    let mut overlapping =
        group.parts.iter().enumerate().filter(|(_, part)| part.class == class && part.from < to && from < part.to);
    match (overlapping.next(), overlapping.next()) {
        (Some((number, part)), None) if part.from <= from && to <= part.to => Some(number),
        _ => None,
    }
}

fn parts_of_rows(group: &Group, class: usize, rows: &RecordBatch, event_time: &str) -> Result<PartOf, SqlError> {
    let missing = || SqlError::Engine(format!("the scan lacks `{event_time}`"));
    let instants = arrow::compute::cast(rows.column_by_name(event_time).ok_or_else(missing)?, &platform::instant())?;
    let instants = instants.as_primitive::<TimestampMicrosecondType>();
    let parts: Vec<(u8, super::Part)> =
        (0_u8..).zip(group.parts.iter().copied()).filter(|(_, part)| part.class == class).collect();
    let part_of = |row: usize| {
        let found = parts.iter().find(|(_, part)| part.contains(instants.value(row)));
        found.filter(|_| instants.is_valid(row)).map_or(PartOf::NONE, |(number, _)| *number)
    };
    Ok(PartOf::Each((0..rows.num_rows()).map(part_of).collect()))
}

/// The rows whose key is in a sample, and the places of their keys in it.
fn in_sample(sample: &KeySample, numbers: &[u32], rows: &RecordBatch) -> Result<(Vec<u32>, RecordBatch), SqlError> {
    let places: Vec<Option<u32>> = numbers.iter().map(|&number| sample.place(number)).collect();
    let keep: BooleanArray = places.iter().map(|place| Some(place.is_some())).collect();
    Ok((places.into_iter().flatten().collect(), filter_record_batch(rows, &keep)?))
}

/// The workers' cells in rows that all agree on.
fn add_up(
    groups: &[Group],
    found: Vec<(Vec<Cells>, KeyIndex)>,
    empty: Vec<Cells>,
    index: &mut Arc<KeyIndex>,
    sample: Option<&KeySample>,
) -> Result<Vec<Cells>, SqlError> {
    let known = sample.map_or(index.len(), KeySample::len) as usize;
    let mut rows_of_new = Vec::new();
    for (_, new_keys) in &found {
        let keys = new_keys.column(0..new_keys.len())?;
        let numbers = match new_keys.is_empty() {
            true => Vec::new(),
            false => Arc::make_mut(index).insert(&keys)?,
        };
        rows_of_new.push(numbers);
    }
    let null_row = sample.map_or(index.len(), KeySample::len) as usize;
    let mut total = empty;
    for (cells, group) in total.iter_mut().zip(groups) {
        cells.grow((null_row + 1) * group.parts.len());
    }
    let mut first = true;
    for ((cells, _), new) in found.into_iter().zip(rows_of_new) {
        let row_of = |row: usize| match row.checked_sub(known + 1) {
            None => null_row,
            Some(new_key) => new[new_key].map_or(null_row, |number| number as usize),
        };
        // Nobody met a new key: the first worker's cells are the total to begin with.
        if std::mem::take(&mut first) && null_row == known {
            total = cells;
            continue;
        }
        for ((total, cells), group) in total.iter_mut().zip(cells).zip(groups) {
            total.merge(cells, &row_of, group.parts.len(), known);
        }
    }
    Ok(total)
}
