//! The pass over the files: each is read by one of several workers, who fill the same columns.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use futures::StreamExt;
use object_store::ObjectStore;
use tranche_schema::{Contract, platform};

use super::cells::{Arguments, Selection};
use super::predicates::{Asked, Expressions, only_in_conditions};
use super::sums::Sums;
use super::{Cells, ClassedSource, Group, Part, extract, files};
use crate::keys::{KeyIndex, KeySample, KeyShare};
use crate::{Session, Source, SqlError, parallel};

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
    /// What columns begin with, by group and column, in the rows of the index and one of rows without a key.
    pub start: HashMap<(usize, usize), Cells>,
    /// The keys whose rows are extracted from those sources that say so.
    pub share: Option<KeyShare>,
    /// Only these keys, of those that the index has; rows of cells are then their places in the sample.
    pub sample: Option<Arc<KeySample>>,
}

/// What a fused scan found.
#[derive(Debug)]
pub struct Fused {
    /// The columns of each group; their rows are the numbers of the keys, and after them one for rows whose key is null.
    pub columns: Vec<Vec<Cells>>,
    /// What was extracted, file by file, in the order of their paths.
    pub extracts: Vec<(String, RecordBatch)>,
    /// Rows that were read.
    pub rows_read: u64,
    /// The size of these files.
    pub bytes_read: u64,
}

/// Reads the files once and computes all groups. Keys that the index lacks are added to it; with a sample, they are ignored.
///
/// # Errors
/// [`SqlError::Store`] when a file cannot be read, [`SqlError::Data`] when an expression fails on a value.
#[tracing::instrument(name = "scan", level = "info", skip_all, fields(table = input.contract.table, files = input.sources.len(), groups = groups.len()))]
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
    let argument_type = |expr: &Option<Expr>| -> Result<_, SqlError> {
        use datafusion::logical_expr::ExprSchemable;
        expr.as_ref().map(|expr| expr.get_type(&df_schema).map_err(SqlError::engine)).transpose()
    };
    let kinds = groups.iter().map(|group| argument_type(&group.argument)).collect::<Result<Vec<_>, _>>()?;
    let threads = session.threads().count().min(sources.len());
    let known = input.sample.as_ref().map_or(index.len(), |sample| sample.len()) as usize;
    let shared = Arc::new(Shared {
        expressions: Expressions::plan(&asked(groups), session, &df_schema)?,
        sums: Sums::new(groups, kinds, input.start, known, threads),
        groups: groups.to_vec(),
        objects: input.objects,
        key: input.key.to_owned(),
        event_time,
        extracted: extract_schema(groups, input.contract, input.key)?,
        schema,
        sources,
        next: AtomicUsize::new(0),
        rows_read: AtomicU64::new(0),
        new_keys: Mutex::new(KeyIndex::new(index.data_type())),
        share: input.share,
        extracts: Mutex::default(),
        sample: input.sample,
    });
    let worker = |number| Worker { shared: Arc::clone(&shared), index: Arc::clone(index), number, threads };
    parallel::workers(threads, |number| worker(number).work()).await?;
    let Ok(shared) = Arc::try_unwrap(shared) else {
        return Err(SqlError::Engine("a scan has not ended".to_owned()));
    };
    let new_keys = shared.new_keys.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !new_keys.is_empty() {
        Arc::make_mut(index).insert(&new_keys.column(0..new_keys.len())?)?;
    }
    let mut extracts = shared.extracts.into_inner().unwrap_or_else(PoisonError::into_inner);
    extracts.sort_by(|(a, _), (b, _)| a.cmp(b));
    let columns = shared.sums.finish(groups, new_keys.len() as usize);
    Ok(Fused { columns, extracts, rows_read: shared.rows_read.into_inner(), bytes_read })
}

/// Whether a source may have events of a group's parts: others are not read.
#[must_use]
pub fn has_part(group: &Group, source: &ClassedSource) -> bool {
    let range = files::time_range(&source.source);
    group.parts.iter().any(|part| part.overlaps(source.class, range))
}

/// The rows and bytes of a source.
#[must_use]
pub fn size_of(source: &ClassedSource) -> (u64, u64) {
    match &source.source {
        Source::File(file) => (file.rows.unwrap_or_default(), file.size_bytes),
        Source::Rows { rows, .. } => (rows.num_rows() as u64, 0),
    }
}

/// The columns that an extract for these groups has: with others it is of no use to them.
///
/// # Errors
/// [`SqlError::Engine`] when the contract lacks the key.
pub fn extract_schema(groups: &[Group], contract: &Contract, key: &str) -> Result<SchemaRef, SqlError> {
    let scan = columns(groups, contract, contract.event_time().unwrap_or_default(), false);
    let of_contract = contract.arrow_schema();
    Ok(extract::schema_of(&scan, key, of_contract.field_with_name(key)?.data_type()))
}

/// The columns of a scan for these groups.
fn columns(groups: &[Group], contract: &Contract, event_time: &str, dictionaries: bool) -> SchemaRef {
    columns_of(&asked(groups), &[event_time], contract, dictionaries)
}

fn asked(groups: &[Group]) -> Vec<Asked<'_>> {
    groups.iter().map(Group::asked).collect()
}

/// What the expressions name and these columns, as the contract has them; texts as dictionaries where that saves work.
pub(crate) fn columns_of(
    asked: &[Asked<'_>],
    whole: &[&str],
    contract: &Contract,
    dictionaries: bool,
) -> SchemaRef {
    let exprs = asked.iter().flat_map(|one| one.exprs());
    let named: Vec<String> = exprs.flat_map(Expr::column_refs).map(|column| column.name.clone()).collect();
    let is_whole = |field: &Field| whole.contains(&field.name().as_str());
    let wanted = |field: &&Arc<Field>| named.contains(field.name()) || is_whole(field);
    let contract = contract.arrow_schema();
    let encoded = if dictionaries { only_in_conditions(asked, &contract) } else { Vec::new() };
    let field = |field: &Arc<Field>| match encoded.contains(field.name()) && !is_whole(field) {
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
    /// The columns of extracts.
    extracted: SchemaRef,
    sources: Vec<ClassedSource>,
    next: AtomicUsize,
    rows_read: AtomicU64,
    sums: Sums,
    /// Keys that the index lacks.
    new_keys: Mutex<KeyIndex>,
    share: Option<KeyShare>,
    extracts: Mutex<Vec<(String, RecordBatch)>>,
    sample: Option<Arc<KeySample>>,
}

/// One reader.
struct Worker {
    shared: Arc<Shared>,
    index: Arc<KeyIndex>,
    number: usize,
    threads: usize,
}

impl Worker {
    async fn work(self) -> Result<(), SqlError> {
        let shared = &self.shared;
        while let Some(source) = shared.sources.get(shared.next.fetch_add(1, Ordering::Relaxed)) {
            self.read(source).await?;
        }
        Ok(())
    }

    async fn read(&self, source: &ClassedSource) -> Result<(), SqlError> {
        let shared = &self.shared;
        let range = files::time_range(&source.source);
        let mut active: Vec<usize> =
            (0..shared.groups.len()).filter(|&group| has_part(&shared.groups[group], source)).collect();
        // Workers begin at different groups, so that none has to wait for another's.
        let first = self.number * active.len() / self.threads;
        active.rotate_left(first);
        let file = match &source.source {
            Source::Rows { rows, .. } => return self.take(&active, source.class, range, rows, &mut None),
            Source::File(file) => file,
        };
        let mut extracted = shared.share.filter(|_| source.is_extracted).map(|share| (share, Vec::new()));
        let names = match extracted {
            Some(_) => shared.extracted.fields().iter().map(|field| field.name().clone()).collect(),
            None => shared.columns_of(&active, source.class, range),
        };
        let share = shared.sample.as_ref().map(|sample| (sample.share(), self.index.data_type().clone()));
        let mut stream =
            files::open(Arc::clone(&shared.objects), file, &names, &shared.schema, &shared.key, share)
                .await?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(|error| files::unreadable(file, &error))?;
            self.take(&active, source.class, range, &batch, &mut extracted)?;
        }
        if let Some((_, batches)) = extracted {
            let rows = concat_batches(&shared.extracted, &batches)?;
            shared.extracts.lock().unwrap_or_else(PoisonError::into_inner).push((file.path.clone(), rows));
        }
        Ok(())
    }

    /// Takes the rows of a batch into the columns of these groups, and those of the share into what is extracted.
    fn take(
        &self,
        active: &[usize],
        class: usize,
        range: (i64, i64),
        batch: &RecordBatch,
        extracted: &mut Option<(KeyShare, Vec<RecordBatch>)>,
    ) -> Result<(), SqlError> {
        let shared = &self.shared;
        shared.rows_read.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        let keys = match batch.column_by_name(&shared.key) {
            Some(keys) => Arc::clone(keys),
            None => new_null_array(self.index.data_type(), batch.num_rows()),
        };
        if let Some((share, batches)) = extracted {
            let held = filter_record_batch(
                batch,
                &BooleanArray::new(share.holds(&keys, self.index.data_type())?, None),
            )?;
            batches.push(extract::conform(&held, &shared.extracted)?);
        }
        let (numbers, known) = self.numbers(&keys)?;
        let rows = files::conform(batch, &shared.schema)?;
        let (numbers, rows) = match &shared.sample {
            Some(sample) => in_sample(sample, &numbers, &rows)?,
            None => (numbers, rows),
        };
        let mut evaluated = shared.expressions.evaluate(&rows);
        let mut times = Times { rows: &rows, event_time: &shared.event_time, known: Vec::new() };
        for &number in active {
            let (group, uses) = (&shared.groups[number], shared.expressions.uses[number]);
            evaluated.prepare(uses)?;
            let predicate = evaluated.predicate(uses.predicate);
            for part in group.parts.iter().filter(|part| part.overlaps(class, range)) {
                let within = if part.covers(range) { None } else { Some(times.within(part)?) };
                let both = predicate.zip(within.as_ref()).map(|(predicate, within)| predicate & within);
                let selected = both.as_ref().or(predicate).or(within.as_ref());
                let selection = Selection { keys: &numbers, selected };
                let arguments =
                    Arguments { value: evaluated.value(uses.argument), order: evaluated.value(uses.order) };
                shared.sums.update(self.number, (number, group), part, &selection, &arguments, known)?;
            }
        }
        Ok(())
    }

    /// The row of each key, and how many rows there are by now.
    fn numbers(&self, keys: &ArrayRef) -> Result<(Vec<u32>, usize), SqlError> {
        let shared = &self.shared;
        let mut numbers = self.index.numbers(keys)?;
        if let Some(sample) = &shared.sample {
            return Ok((numbers, sample.len() as usize + 1));
        }
        let keyless = shared.sums.keyless();
        let unknown: Vec<usize> =
            (0..numbers.len()).filter(|&row| numbers[row] == KeyIndex::UNKNOWN).collect();
        let mut new = 0;
        if !unknown.is_empty() {
            let places: UInt32Array = unknown.iter().map(|&row| u32::try_from(row).ok()).collect();
            let unknown_keys = arrow::compute::take(keys, &places, None)?;
            let mut new_keys = shared.new_keys.lock().unwrap_or_else(PoisonError::into_inner);
            for (row, number) in unknown.into_iter().zip(new_keys.insert(&unknown_keys)?) {
                numbers[row] = number.map_or(KeyIndex::NULL, |number| keyless + 1 + number);
            }
            new = new_keys.len();
        }
        numbers.iter_mut().filter(|number| **number == KeyIndex::NULL).for_each(|number| *number = keyless);
        Ok((numbers, (keyless + 1 + new) as usize))
    }
}

impl Shared {
    /// The columns that these groups need of a source, with the key.
    fn columns_of(&self, groups: &[usize], class: usize, range: (i64, i64)) -> Vec<String> {
        let mut names = vec![self.key.clone()];
        let groups = || groups.iter().map(|&group| &self.groups[group]);
        let parts = groups().flat_map(|group| &group.parts).filter(|part| part.overlaps(class, range));
        if !parts.clone().all(|part| part.covers(range)) {
            names.push(self.event_time.clone());
        }
        for expr in
            groups().flat_map(|group| group.argument.iter().chain(&group.order).chain(&group.predicate))
        {
            for column in expr.column_refs() {
                if !names.contains(&column.name) {
                    names.push(column.name.clone());
                }
            }
        }
        names
    }
}

/// Which rows of a batch are in which stretches of time.
struct Times<'a> {
    rows: &'a RecordBatch,
    event_time: &'a str,
    known: Vec<((i64, i64), BooleanBuffer)>,
}

impl Times<'_> {
    /// The rows whose event is in a part; none without a time.
    fn within(&mut self, part: &Part) -> Result<BooleanBuffer, SqlError> {
        let range = (part.from, part.to);
        if let Some((_, known)) = self.known.iter().find(|(known, _)| *known == range) {
            return Ok(known.clone());
        }
        let missing = || SqlError::Engine(format!("the scan lacks `{}`", self.event_time));
        let instants = self.rows.column_by_name(self.event_time).ok_or_else(missing)?;
        let instants = arrow::compute::cast(instants, &platform::instant())?;
        let instants = instants.as_primitive::<TimestampMicrosecondType>();
        let values = instants.values();
        let mut within = BooleanBuffer::collect_bool(values.len(), |row| {
            part.from <= values[row] && values[row] < part.to
        });
        if let Some(nulls) = instants.nulls() {
            within = &within & nulls.inner();
        }
        self.known.push((range, within.clone()));
        Ok(within)
    }
}

/// The rows whose key is in a sample, and the places of their keys in it.
fn in_sample(
    sample: &KeySample,
    numbers: &[u32],
    rows: &RecordBatch,
) -> Result<(Vec<u32>, RecordBatch), SqlError> {
    let places: Vec<Option<u32>> = numbers.iter().map(|&number| sample.place(number)).collect();
    let keep: BooleanArray = places.iter().map(|place| Some(place.is_some())).collect();
    Ok((places.into_iter().flatten().collect(), filter_record_batch(rows, &keep)?))
}
