//! The scans of a program: one for each event table, of what changed where an earlier refresh kept something.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use object_store::ObjectStore;
use tranche_schema::Contract;
use tranche_sql::fused::{Cells, Extract, FusedInput, extract_schema, run};
use tranche_sql::keys::{KeyIndex, KeyShare, Sample};
use tranche_sql::{Session, Source, SqlError, Tables};
use tranche_store::{DataFile, Lake, StoreError};

use super::Cost;
use super::changes::{Changes, REMOVED, is_latest_event};
use super::measures::{Recipe, groups_of, measures_of};
use crate::definitions::Definitions;
use crate::error::SegmentError;
use crate::plan::{Program, Scan};
use crate::state::{Kept, KeptMeasure, Reading, StatePlace, identity, is_keepable, prove};

/// Where the state of an entity's scans lies.
pub(crate) struct Memory<'a> {
    lake: &'a Lake,
    pipeline: &'a str,
    entity: &'a str,
    /// Of which entities an incremental result is computed again in full.
    pub(crate) sample: Sample,
    /// What was kept of each table.
    reading: HashMap<String, Reading>,
}

impl<'a> Memory<'a> {
    /// Begins to read what was kept of an entity's events, unless it is to be left aside.
    pub(crate) fn read(
        lake: &'a Lake,
        pipeline: &'a str,
        entity: &'a str,
        definitions: &Definitions,
        full: bool,
    ) -> Self {
        let mut memory = Self { lake, pipeline, entity, sample: Sample::default(), reading: HashMap::new() };
        let contracts = definitions.contracts.values().filter(|_| !full);
        for contract in contracts.filter(|c| c.event_time().is_some() && c.entity_column(entity).is_some()) {
            let place = StatePlace { pipeline, entity, table: &contract.table };
            memory.reading.insert(contract.table.clone(), place.read(lake));
        }
        memory
    }

    pub(crate) fn place(&self, table: &'a str) -> StatePlace<'a> {
        StatePlace { pipeline: self.pipeline, entity: self.entity, table }
    }
}

/// The measures of each table, and what it took to compute them.
#[derive(Default)]
pub(crate) struct Scanned {
    pub(crate) measures: HashMap<String, Vec<Arc<Cells>>>,
    pub(crate) cost: Cost,
    /// What may be kept for the next refresh, once this one is published.
    pub(crate) kept: Vec<(String, Kept)>,
}

/// Computes all measures of a program. With a memory, it starts from what is kept there, and holds a sample against all events.
pub(crate) async fn scan(
    definitions: &Definitions,
    program: &Program,
    tables: &Tables,
    index: &mut Arc<KeyIndex>,
    session: &Session,
    mut memory: Option<Memory<'_>>,
) -> Result<Scanned, SegmentError> {
    let mut scanned = Scanned::default();
    for (table, scan) in &program.scans {
        let contract =
            definitions.contracts.get(table).ok_or_else(|| SegmentError::Unknown(table.clone()))?;
        let input = TableScan { contract, scan, tables, session };
        let kept = match memory.as_mut().and_then(|memory| memory.reading.remove(table)) {
            Some(reading) => reading.done(Arc::make_mut(index)).await,
            None => None,
        };
        let was_kept = kept.is_some();
        let share = memory.as_ref().map(|memory| memory.sample.share(index.len()));
        tracing::debug!(table, kept = was_kept, "scan");
        let (found, cost) = match input.run(kept, share, index).await {
            // A file that is no longer there may be one that was removed, and cleaned up since.
            Err(SegmentError::Sql(SqlError::Store(StoreError::Read { reason }))) if was_kept => {
                tracing::warn!(table, reason, "what changed cannot be read; everything is read");
                input.run(None, share, index).await?
            }
            outcome => outcome?,
        };
        scanned.cost.rows_read += cost.rows_read;
        scanned.cost.bytes_read += cost.bytes_read;
        tracing::debug!(table, rows = cost.rows_read, bytes = cost.bytes_read, "scanned");
        let mut extract = found.extract;
        if let (Some(memory), Some(known)) = (&memory, extract.take_if(|_| found.is_incremental)) {
            match prove(&input, &found.measures, index, (known, found.keeps_extract), program).await {
                Ok(proof) => {
                    scanned.cost.rows_read += proof.rows_read;
                    extract = Some(proof.extract);
                }
                Err(error) => {
                    memory.place(table).forget(memory.lake).await;
                    return Err(error);
                }
            }
            tracing::debug!(table, "proved");
        }
        if let (Some(_), Some(files)) = (&memory, found.files) {
            let measures = scan.measures.iter().zip(&found.measures);
            let measures = measures.filter(|(measure, values)| is_keepable(values, measure.aggregate)).map(
                |(measure, values)| KeptMeasure {
                    identity: identity(measure, contract),
                    window: measure.window,
                    values: Arc::clone(values),
                },
            );
            let kept = Kept {
                as_of: session.as_of().as_microsecond(),
                files,
                measures: measures.collect(),
                extract: extract.filter(|_| found.keeps_extract),
            };
            scanned.kept.push((table.clone(), kept));
        }
        scanned.measures.insert(table.clone(), found.measures);
    }
    Ok(scanned)
}

/// The scan of one table.
pub(crate) struct TableScan<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) scan: &'a Scan,
    pub(crate) tables: &'a Tables,
    pub(crate) session: &'a Session,
}

/// What a scan found.
struct Found {
    measures: Vec<Arc<Cells>>,
    /// Whether some of it follows from what was kept.
    is_incremental: bool,
    /// The files that the table has, where it was read from files.
    files: Option<Vec<DataFile>>,
    /// The events of the entities that are computed again each time.
    extract: Option<Extract>,
    /// Whether they are few enough to be kept.
    keeps_extract: bool,
}

/// So many events are kept for proofs. Of more, each proof looks for them in the files.
const EXTRACT_ROWS: f64 = 4e6;

impl TableScan<'_> {
    /// Computes the measures, from what was kept where there is something, and copies the events of a share of the keys.
    async fn run(
        &self,
        kept: Option<Kept>,
        share: Option<KeyShare>,
        index: &mut Arc<KeyIndex>,
    ) -> Result<(Found, Cost), SegmentError> {
        let (objects, sources): (Arc<dyn ObjectStore>, _) = match self.tables.sources(&self.contract.table)? {
            Some(found) => (found.objects, found.sources),
            // The table was never written.
            None => (Arc::new(object_store::memory::InMemory::new()), Vec::new()),
        };
        let files: Option<Vec<DataFile>> = sources
            .iter()
            .map(|source| match source {
                Source::File(file) => Some(file.clone()),
                Source::Rows { .. } => None,
            })
            .collect();
        let kept = kept.filter(|_| files.is_some());
        let changes = Changes::since(kept.as_ref(), self.scan, self.contract, sources);
        let is_incremental = changes.measures.iter().any(|change| change.base.is_ok());
        let (groups, recipes) = groups_of(&changes.wanted(self.scan));
        let schema = extract_schema(&groups, self.contract, &self.scan.key)?;
        let (mut values, extract) = match kept {
            Some(kept) => {
                (kept.measures.into_iter().map(|measure| Some(measure.values)).collect(), kept.extract)
            }
            None => (Vec::new(), None),
        };
        let extract =
            extract.filter(|extract| extract.rows.schema() == schema && Some(extract.share) == share);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let events = files.iter().flatten().filter_map(|file| file.rows).sum::<u64>() as f64;
        let keeps_extract = share.is_some_and(|share| events * share.fraction() <= EXTRACT_ROWS);
        let extract = extract.filter(|_| keeps_extract);
        let mut sources = changes.sources;
        let extracted: HashSet<&str> =
            extract.iter().flat_map(|extract| extract.files.iter().map(|(path, _)| path.as_str())).collect();
        for source in &mut sources {
            let is_new = |file: &DataFile| source.class != REMOVED && !extracted.contains(file.path.as_str());
            source.is_extracted =
                matches!(&source.source, Source::File(file) if keeps_extract && is_new(file));
        }
        let mut start = HashMap::new();
        for (recipe, change) in recipes.iter().zip(&changes.measures) {
            // Two measures may start from the same one; the last of them takes it.
            let Ok(base) = change.base else { continue };
            let is_wanted_again = changes.measures.iter().filter(|other| other.base == Ok(base)).count() > 1;
            let cells = if is_wanted_again { values[base].clone() } else { values[base].take() };
            if let Some(cells) = cells {
                start.insert((recipe.group, recipe.columns[0]), Arc::unwrap_or_clone(cells));
            }
        }
        let input = FusedInput {
            contract: self.contract,
            key: &self.scan.key,
            objects,
            sources,
            start,
            share: share.filter(|_| keeps_extract),
            sample: None,
        };
        let fused = run(&groups, input, index, self.session).await?;
        let measures = self.measures(fused.columns, recipes, is_incremental).await?;
        let extract = match (share, &files) {
            (Some(share), Some(files)) => Some(extract_of(share, &schema, extract, fused.extracts, files)?),
            _ => None,
        };
        let cost = Cost { rows_read: fused.rows_read, bytes_read: fused.bytes_read };
        Ok((Found { measures, is_incremental, files, extract, keeps_extract }, cost))
    }

    /// The measures from the columns of groups, on all threads.
    async fn measures(
        &self,
        columns: Vec<Vec<Cells>>,
        recipes: Vec<Recipe>,
        is_incremental: bool,
    ) -> Result<Vec<Arc<Cells>>, SegmentError> {
        let mut by_group: Vec<Vec<(usize, Recipe)>> = vec![Vec::new(); columns.len()];
        for (number, recipe) in recipes.into_iter().enumerate() {
            by_group[recipe.group].push((number, recipe));
        }
        let mut all: Vec<Option<Cells>> = vec![None; self.scan.measures.len()];
        let measures = |(columns, recipes)| Ok::<_, SegmentError>(measures_of(columns, recipes));
        for found in self.session.threads().map(columns.into_iter().zip(by_group), measures).await? {
            found.into_iter().for_each(|(number, cells)| all[number] = Some(cells));
        }
        for (cells, measure) in all.iter_mut().zip(&self.scan.measures).filter(|_| is_incremental) {
            if let (Some(Cells::Max(values)), true) = (cells, is_latest_event(measure, self.contract)) {
                // What slid out of its window is older than all that is in it.
                let oldest = measure.window.from;
                values.iter_mut().filter(|value| **value < oldest).for_each(|value| *value = i64::MIN);
            }
        }
        Ok(all.into_iter().flatten().map(Arc::new).collect())
    }
}

/// What was extracted before and now, of the files that the table has.
fn extract_of(
    share: KeyShare,
    schema: &SchemaRef,
    before: Option<Extract>,
    new: Vec<(String, RecordBatch)>,
    files: &[DataFile],
) -> Result<Extract, SqlError> {
    let mut rows: HashMap<String, RecordBatch> = new.into_iter().collect();
    for (path, held) in before.iter().flat_map(Extract::by_file) {
        rows.entry(path.to_owned()).or_insert(held);
    }
    let files = files.iter().filter_map(|file| rows.remove_entry(&file.path));
    Extract::of(share, schema, files.collect())
}
