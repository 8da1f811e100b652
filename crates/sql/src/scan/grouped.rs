//! Aggregates by a key: a request, and the accumulators that its scan fills.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::Expr;
use object_store::ObjectStore;
use tranche_schema::Contract;

use super::cells::Cells;
use super::evaluated::Counted;
use super::extract;
use super::failures::Failures;
use super::groups::{Group, Part};
use super::partial::Scanned;
use super::partial_groups::PartialGroups;
use super::queries::RowQuery;
use super::reading::{KeyFilter, Reading};
use super::rows::Rows;
use super::run::{Accumulators, Scan, keys_of_failing, run, schema, type_of};
use super::shared_cells::{Addition, SharedCells};
use super::source::{ClassedSource, Source, TableSources};
use super::update::{Arguments, Selection};
use crate::keys::{KeyIndex, KeySample, KeyShare};
use crate::{Session, SqlError};

/// A scan that computes groups, as data.
pub struct GroupedScan<'a> {
    /// The contract of the table.
    pub contract: &'a Contract,
    /// The column with the key.
    pub key: &'a str,
    /// What is computed.
    pub groups: &'a [Group],
    /// The table's folder.
    pub objects: Arc<dyn ObjectStore>,
    /// What is read, each in its class.
    pub sources: Vec<ClassedSource>,
    /// What columns begin with, by group and column, in the order of the index's numbers and one cell for rows without a key.
    pub start: HashMap<(usize, usize), Cells>,
    /// The keys whose rows are copied from the sources that say so.
    pub share: Option<KeyShare>,
    /// Only these keys, of those that the index has; cells are then in the order of their places in the sample.
    pub sample: Option<Arc<KeySample>>,
}

/// The columns that copied rows for these groups have: with others they are of no use to them.
///
/// # Errors
/// [`SqlError::Engine`] when the contract lacks the key.
pub fn extract_schema(groups: &[Group], contract: &Contract, key: &str) -> Result<SchemaRef, SqlError> {
    let (queries, _) = queries_of(groups);
    let scan = schema(contract, &[contract.event_time().unwrap_or_default()], &queries);
    let of_contract = contract.arrow_schema();
    Ok(extract::schema_of(&scan, key, of_contract.field_with_name(key)?.data_type()))
}

impl GroupedScan<'_> {
    /// Reads the sources that may have rows of the groups, each once. Keys that the index lacks are among what is found; with a
    /// sample, they are ignored.
    ///
    /// # Errors
    /// [`SqlError::Store`] when a file cannot be read. An expression that fails for a row is no error of the scan.
    // OpenTelemetry has signed integers only.
    #[tracing::instrument(
        name = "scan",
        level = "info",
        skip_all,
        fields(
            table = self.contract.table,
            files = i64::try_from(self.sources.len()).unwrap_or(i64::MAX),
            groups = i64::try_from(self.groups.len()).unwrap_or(i64::MAX),
        )
    )]
    pub async fn run(
        self,
        index: &Arc<KeyIndex>,
        session: &Session,
    ) -> Result<Scanned<PartialGroups>, SqlError> {
        let Self { contract, key, groups, objects, mut sources, start, share, sample } = self;
        sources.retain(|source| groups.iter().any(|group| group.reads(source)));
        let (queries, of_group) = queries_of(groups);
        let kind =
            |argument: &Option<Expr>| argument.as_ref().map(|expr| type_of(expr, contract)).transpose();
        let kinds = groups.iter().map(|group| kind(&group.argument)).collect::<Result<Vec<_>, _>>()?;
        let known = sample.as_ref().map_or(index.len(), |sample| sample.len());
        let workers = session.threads().count().min(sources.len());
        let event_time = contract.event_time().unwrap_or_default();
        let accumulators = GroupAccumulators {
            cells: SharedCells::new(groups, kinds, start, known, workers),
            sources: sources.iter().map(|source| ActiveGroups::of(groups, source)).collect(),
            groups: groups.to_vec(),
            queries: of_group,
            key: key.to_owned(),
            event_time: event_time.to_owned(),
            index: Arc::clone(index),
            new_keys: Mutex::new(KeyIndex::new(index.data_type())),
            extract_schema: extract_schema(groups, contract, key)?,
            share,
            extracts: Mutex::default(),
            failures: Failures::default(),
            keys_of_rows: groups.iter().map(|group| keys_of_rows(group, contract)).collect(),
            sample,
        };
        let scan = Scan {
            contract,
            sources: TableSources {
                objects,
                version: 0,
                sources: sources.into_iter().map(|source| source.source).collect(),
            },
            columns: vec![key, event_time],
            queries,
        };
        run(scan, session, accumulators).await
    }
}

/// The numbers of a group's queries: one with the predicate and the argument, and one with the order.
#[derive(Clone, Copy)]
struct GroupQueries {
    argument: usize,
    order: Option<usize>,
}

/// The rows that count for a part of a group, what they have for it, and those of them for which a query fails.
struct Found {
    selected: Option<BooleanBuffer>,
    value: Option<ArrayRef>,
    order: Option<ArrayRef>,
    failed: Vec<(usize, BooleanBuffer)>,
}

impl GroupQueries {
    fn of(self, rows: &mut Rows<'_>, within: Option<&BooleanBuffer>) -> Result<Found, SqlError> {
        let Counted { rows: mut selected, failed } = rows.evaluated.counted(self.argument, within)?;
        let mut all_failed: Vec<(usize, BooleanBuffer)> = Vec::new();
        let mut leave_out = |selected: &mut Option<BooleanBuffer>, query, failed: Option<BooleanBuffer>| {
            let Some(failed) = failed else { return };
            *selected = Some(selected.as_ref().map_or_else(|| !&failed, |selected| selected & &!&failed));
            all_failed.push((query, failed));
        };
        leave_out(&mut selected, self.argument, failed);
        let mut columns = [None, None];
        for (column, query) in columns.iter_mut().zip([Some(self.argument), self.order]) {
            let Some(query) = query else { continue };
            if let Some((values, failed)) = rows.evaluated.values(query, selected.as_ref())? {
                leave_out(&mut selected, query, failed);
                *column = Some(values);
            }
        }
        let [value, order] = columns;
        Ok(Found { selected, value, order, failed: all_failed })
    }
}

fn queries_of(groups: &[Group]) -> (Vec<RowQuery>, Vec<GroupQueries>) {
    let (mut queries, mut of_group) = (Vec::new(), Vec::new());
    for Group { argument, order, predicate, .. } in groups {
        let own = GroupQueries { argument: queries.len(), order: order.as_ref().map(|_| queries.len() + 1) };
        queries.push(RowQuery { predicate: predicate.clone(), value: argument.clone() });
        queries.extend(order.clone().map(|order| RowQuery { predicate: Vec::new(), value: Some(order) }));
        of_group.push(own);
    }
    (queries, of_group)
}

fn keys_of_rows(group: &Group, contract: &Contract) -> Vec<String> {
    keys_of_failing(&queries_of(std::slice::from_ref(group)).0, contract)
}

/// A source, and the groups that may have rows in it.
struct ActiveGroups {
    class: usize,
    times: (i64, i64),
    /// The path of a file whose rows are copied.
    extracted: Option<String>,
    groups: Vec<usize>,
}

impl ActiveGroups {
    fn of(groups: &[Group], source: &ClassedSource) -> Self {
        let extracted = match &source.source {
            Source::File(file) if source.is_extracted => Some(file.path.clone()),
            _ => None,
        };
        Self {
            class: source.class,
            times: source.source.times(),
            extracted,
            groups: (0..groups.len()).filter(|&group| groups[group].reads(source)).collect(),
        }
    }

    /// The groups in an order in which workers begin at different ones, so that none has to wait for another.
    fn in_turn(&self, worker: usize, workers: usize) -> impl Iterator<Item = usize> + use<'_> {
        let first = worker * self.groups.len() / workers.max(1);
        self.groups[first..].iter().chain(&self.groups[..first]).copied()
    }

    /// The parts of a group that the source may have rows of.
    fn parts<'g>(&self, group: &'g Group) -> impl Iterator<Item = &'g Part> + use<'g> {
        let (class, times) = (self.class, self.times);
        group.parts.iter().filter(move |part| part.overlaps(class, times))
    }
}

/// What all workers fill.
struct GroupAccumulators {
    groups: Vec<Group>,
    queries: Vec<GroupQueries>,
    sources: Vec<ActiveGroups>,
    key: String,
    event_time: String,
    cells: SharedCells,
    index: Arc<KeyIndex>,
    /// Keys that the index lacks.
    new_keys: Mutex<KeyIndex>,
    extract_schema: SchemaRef,
    share: Option<KeyShare>,
    /// Copied rows, by source.
    extracts: Mutex<Vec<(usize, RecordBatch)>>,
    failures: Failures,
    /// By group, the columns that name a row for which it fails.
    keys_of_rows: Vec<Vec<String>>,
    sample: Option<Arc<KeySample>>,
}

impl Accumulators for GroupAccumulators {
    type Partial = PartialGroups;

    fn reading(&self, source: usize) -> Reading {
        let active = &self.sources[source];
        // Copied rows have all columns.
        let columns = match self.extracted(active) {
            Some(_) => None,
            None => Some(self.columns_of(active)),
        };
        let keys = self.sample.as_ref().map(|sample| KeyFilter {
            column: self.key.clone(),
            data_type: self.index.data_type().clone(),
            share: sample.share(),
        });
        Reading { columns, keys }
    }

    fn take(&self, rows: &mut Rows<'_>) -> Result<(), SqlError> {
        let keys = rows.column(&self.key)?;
        if let Some(share) = self.extracted(&self.sources[rows.source]) {
            let held = rows.picked(&share.holds(keys, self.index.data_type())?)?;
            let held = extract::conform(&held, &self.extract_schema)?;
            self.extracts.lock().unwrap_or_else(PoisonError::into_inner).push((rows.source, held));
        }
        match &self.sample {
            None => {
                let (numbers, cells) = self.numbers(keys)?;
                self.add(rows, &numbers, cells)
            }
            Some(sample) => {
                let numbers = self.index.numbers(keys)?;
                let (places, sampled) = in_sample(sample, &numbers, rows.batch())?;
                self.add(&mut rows.with_batch(&sampled), &places, sample.len() as usize + 1)
            }
        }
    }

    fn into_partial(self) -> Result<PartialGroups, SqlError> {
        let known = self.cells.keyless();
        let mut by_file: Vec<Vec<RecordBatch>> = vec![Vec::new(); self.sources.len()];
        for (source, batch) in self.extracts.into_inner().unwrap_or_else(PoisonError::into_inner) {
            by_file[source].push(batch);
        }
        let mut extracts = Vec::new();
        for (source, batches) in self.sources.into_iter().zip(by_file).filter(|_| self.share.is_some()) {
            if let Some(path) = source.extracted {
                extracts.push((path, concat_batches(&self.extract_schema, &batches)?));
            }
        }
        extracts.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(PartialGroups {
            known,
            new_keys: self.new_keys.into_inner().unwrap_or_else(PoisonError::into_inner),
            columns: self.cells.into_columns(&self.groups),
            failures: self.failures.into_found(),
            extracts,
        })
    }
}

impl GroupAccumulators {
    /// Adds rows, of which the keys have these numbers, to the cells of all groups. There are so many cells by now.
    fn add(&self, rows: &mut Rows<'_>, numbers: &[u32], cells: usize) -> Result<(), SqlError> {
        let active = &self.sources[rows.source];
        let mut times = Times { event_time: &self.event_time, known: Vec::new() };
        for number in active.in_turn(rows.worker, rows.workers) {
            let group = &self.groups[number];
            for part in active.parts(group) {
                let within = if part.covers(active.times) { None } else { Some(times.within(part, rows)?) };
                let found = self.queries[number].of(rows, within.as_ref())?;
                for (query, failed) in &found.failed {
                    let failure = |row| rows.evaluated.failure(*query, row);
                    self.failures.add((number, part), numbers, failed, failure);
                }
                let arguments = Arguments { value: found.value.as_ref(), order: found.order.as_ref() };
                let selection = Selection { keys: numbers, selected: found.selected.as_ref() };
                let addition = Addition { number, group, part, selection, arguments, cells };
                self.cells.update(rows.worker, &addition)?;
            }
        }
        Ok(())
    }

    /// The cell of each key, and how many cells there are by now.
    fn numbers(&self, keys: &ArrayRef) -> Result<(Vec<u32>, usize), SqlError> {
        let mut numbers = self.index.numbers(keys)?;
        let keyless = self.cells.keyless();
        let unknown: Vec<usize> =
            (0..numbers.len()).filter(|&row| numbers[row] == KeyIndex::UNKNOWN).collect();
        let mut new = 0;
        if !unknown.is_empty() {
            let places: UInt32Array = unknown.iter().map(|&row| u32::try_from(row).ok()).collect();
            let unknown_keys = arrow::compute::take(keys, &places, None)?;
            let mut new_keys = self.new_keys.lock().unwrap_or_else(PoisonError::into_inner);
            for (row, number) in unknown.into_iter().zip(new_keys.insert(&unknown_keys)?) {
                numbers[row] = number.map_or(KeyIndex::NULL, |number| keyless + 1 + number);
            }
            new = new_keys.len();
        }
        numbers.iter_mut().filter(|number| **number == KeyIndex::NULL).for_each(|number| *number = keyless);
        Ok((numbers, (keyless + 1 + new) as usize))
    }

    /// The keys whose rows are copied from a source.
    fn extracted(&self, source: &ActiveGroups) -> Option<KeyShare> {
        self.share.filter(|_| source.extracted.is_some())
    }

    /// The columns that the active groups need of a source, each once, with the key.
    fn columns_of(&self, active: &ActiveGroups) -> Vec<String> {
        let mut names = vec![self.key.clone()];
        let groups = || active.groups.iter().map(|&group| &self.groups[group]);
        if !groups().flat_map(|group| active.parts(group)).all(|part| part.covers(active.times)) {
            names.push(self.event_time.clone());
        }
        names.extend(active.groups.iter().flat_map(|&group| self.keys_of_rows[group].iter().cloned()));
        names.extend(groups().flat_map(Group::exprs).flat_map(Expr::column_refs).map(|c| c.name.clone()));
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Which rows of a batch are in which intervals of time.
struct Times<'a> {
    event_time: &'a str,
    known: Vec<((i64, i64), BooleanBuffer)>,
}

impl Times<'_> {
    /// The rows whose event is in a part; none without a time.
    fn within(&mut self, part: &Part, rows: &Rows<'_>) -> Result<BooleanBuffer, SqlError> {
        let range = (part.from, part.to);
        if let Some((_, known)) = self.known.iter().find(|(known, _)| *known == range) {
            return Ok(known.clone());
        }
        let (values, nulls) = rows.instants(self.event_time)?;
        let mut within = BooleanBuffer::collect_bool(values.len(), |row| {
            part.from <= values[row] && values[row] < part.to
        });
        if let Some(nulls) = nulls {
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
