//! The scan of one event table: the measures that definitions ask for, from all events or from what changed since an earlier refresh.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use object_store::ObjectStore;
use tranche_incremental::{MOST_ROWS, Unusable};
use tranche_schema::Contract;
use tranche_sql::keys::{KeyIndex, KeyShare};
use tranche_sql::scan::{
    Cells, ClassedSource, Extract, FailedCells, FailedKeys, Group, GroupedScan, Scanned, Source,
    TableSources, Totals, extract_schema,
};
use tranche_sql::{Session, SqlError, Tables};
use tranche_store::{DataFile, StoreError};

use super::changes::{Change, Changes, REMOVED, is_latest_event};
use super::evaluation::Cost;
use super::measures::{Recipe, groups_of, measures_of};
use crate::error::SegmentError;
use crate::plan::Scan;
use crate::state::{SavedMeasure, SavedMeasures};

/// The scan of one table.
pub(crate) struct TableScan<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) scan: &'a Scan,
    pub(crate) tables: &'a Tables,
    pub(crate) session: &'a Session,
}

/// The keys that measures have no value for, by the number of the measure.
pub(crate) type FailedMeasures = BTreeMap<usize, FailedKeys>;

/// The measures whose columns lack cells.
pub(super) fn failed_measures(cells: &FailedCells, recipes: &[Recipe]) -> FailedMeasures {
    let mut failed = FailedMeasures::new();
    for (number, recipe) in recipes.iter().enumerate() {
        for keys in recipe.columns.iter().filter_map(|&column| cells.get(&(recipe.group, column))) {
            failed.entry(number).or_default().extend(keys.clone());
        }
    }
    failed
}

/// What a scan found.
pub(super) struct Found {
    /// The values of each measure of the scan.
    pub(super) measures: Vec<Arc<Cells>>,
    /// The keys that measures have no value for, by measure.
    pub(super) failed: FailedMeasures,
    pub(super) cost: Cost,
    /// Whether some of it follows from what an earlier refresh saved.
    pub(super) is_incremental: bool,
    /// The files that the table has, where it was read from files.
    pub(super) files: Option<Vec<DataFile>>,
    /// The events of the entities that are computed again each time.
    pub(super) sample: Option<SampleEvents>,
}

/// The events of a share of the entities.
pub(super) struct SampleEvents {
    pub(super) extract: Extract,
    /// Whether they are few enough to be saved.
    pub(super) is_saved: bool,
}

impl TableScan<'_> {
    /// Reads what changed since what was saved; everything where a file is gone that what was saved was made from.
    pub(super) async fn read_changes(
        &self,
        saved: Option<SavedMeasures>,
        share: KeyShare,
        index: &mut Arc<KeyIndex>,
    ) -> Result<Found, SegmentError> {
        let was_saved = saved.is_some();
        match self.read(saved, Some(share), index).await {
            // A file that is no longer there may be one that was removed, and cleaned up since.
            Err(SegmentError::Sql(SqlError::Store(StoreError::Read { reason }))) if was_saved => {
                let table = &self.contract.table;
                tracing::warn!(table, reason, "changed files cannot be read; reading all files");
                self.read(None, Some(share), index).await
            }
            outcome => outcome,
        }
    }

    /// Computes the measures, from what was saved where there is something, and copies the events of a share of the keys.
    pub(super) async fn read(
        &self,
        saved: Option<SavedMeasures>,
        share: Option<KeyShare>,
        index: &mut Arc<KeyIndex>,
    ) -> Result<Found, SegmentError> {
        let (objects, sources) = self.sources()?;
        let files = files_of(&sources);
        let saved = saved.filter(|_| files.is_some());
        let changes =
            Changes::since(saved.as_ref().ok_or(&Unusable::Missing), self.scan, self.contract, sources);
        let is_incremental = changes.measures.iter().any(|change| change.base.is_ok());
        let (groups, recipes) = groups_of(&changes.wanted(self.scan));
        let (measures, saved_sample) = saved.map(|saved| (saved.measures, saved.extract)).unwrap_or_default();
        let sample = match (share, &files) {
            (Some(share), Some(files)) => Some(self.sample_plan(share, &groups, saved_sample, files)?),
            _ => None,
        };
        let start = start_of(&recipes, &changes.measures, measures);
        let sources = match &sample {
            Some(sample) => sample.with_extracted(changes.sources),
            None => changes.sources,
        };
        let scan = GroupedScan {
            contract: self.contract,
            key: &self.scan.key,
            groups: &groups,
            objects,
            sources,
            start,
            share: sample.as_ref().and_then(SamplePlan::copied_share),
            sample: None,
        };
        let Scanned { partial, rows_read, bytes_read, .. } = scan.run(index, self.session).await?;
        let Totals { columns, failures, extracts } = partial.finish(index)?;
        let failed = failed_measures(&failures, &recipes);
        let measures = self.measures(columns, recipes, is_incremental).await?;
        let sample = sample.map(|sample| sample.events(extracts, files.as_deref().unwrap_or_default()));
        let cost = Cost { rows_read, bytes_read };
        Ok(Found { measures, failed, cost, is_incremental, files, sample: sample.transpose()? })
    }

    /// Where the table's rows are; nowhere for one that was never written.
    fn sources(&self) -> Result<(Arc<dyn ObjectStore>, Vec<Source>), SqlError> {
        Ok(match self.tables.sources(&self.contract.table)? {
            Some(TableSources { objects, sources, .. }) => (objects, sources),
            None => (Arc::new(object_store::memory::InMemory::new()), Vec::new()),
        })
    }

    /// Which events of the share are there already, and whether more are copied.
    fn sample_plan(
        &self,
        share: KeyShare,
        groups: &[Group],
        saved: Option<Extract>,
        files: &[DataFile],
    ) -> Result<SamplePlan, SqlError> {
        let schema = extract_schema(groups, self.contract, &self.scan.key)?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let (events, most) =
            (files.iter().filter_map(|file| file.rows).sum::<u64>() as f64, MOST_ROWS as f64);
        let is_saved = events * share.fraction() <= most;
        let is_usable = |extract: &Extract| extract.rows.schema() == schema && extract.share == share;
        let known = saved.filter(|extract| is_saved && is_usable(extract));
        Ok(SamplePlan { share, schema, known, is_saved })
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

/// The files of a table that is read from files alone.
fn files_of(sources: &[Source]) -> Option<Vec<DataFile>> {
    let file = |source: &Source| match source {
        Source::File(file) => Some(file.clone()),
        Source::Rows { .. } => None,
    };
    sources.iter().map(file).collect()
}

/// The saved values that columns begin with, by group and column.
fn start_of(
    recipes: &[Recipe],
    changes: &[Change],
    saved: Vec<SavedMeasure>,
) -> HashMap<(usize, usize), Cells> {
    let mut values: Vec<Option<Arc<Cells>>> = saved.into_iter().map(|measure| Some(measure.values)).collect();
    let mut start = HashMap::new();
    for (recipe, change) in recipes.iter().zip(changes) {
        // Two measures may start from the same one; the last of them takes it.
        let Ok(base) = change.base else { continue };
        let is_wanted_again = changes.iter().filter(|other| other.base == Ok(base)).count() > 1;
        let cells = if is_wanted_again { values[base].clone() } else { values[base].take() };
        if let Some(cells) = cells {
            start.insert((recipe.group, recipe.columns[0]), Arc::unwrap_or_clone(cells));
        }
    }
    start
}

/// Which events of a share of the keys are copied, so that they need not be read again for verification.
struct SamplePlan {
    share: KeyShare,
    schema: SchemaRef,
    /// Those that an earlier refresh copied.
    known: Option<Extract>,
    is_saved: bool,
}

impl SamplePlan {
    /// The keys whose events are copied, where they are few enough.
    fn copied_share(&self) -> Option<KeyShare> {
        self.is_saved.then_some(self.share)
    }

    /// The sources, with those marked whose events are to be copied: files that are there and were not copied before.
    fn with_extracted(&self, mut sources: Vec<ClassedSource>) -> Vec<ClassedSource> {
        let known: HashSet<&str> =
            self.known.iter().flat_map(|known| known.files.iter().map(|(path, _)| path.as_str())).collect();
        for source in sources.iter_mut().filter(|_| self.is_saved) {
            source.is_extracted = match &source.source {
                Source::File(file) => source.class != REMOVED && !known.contains(file.path.as_str()),
                Source::Rows { .. } => false,
            };
        }
        sources
    }

    /// The copied events, saved and current, of the files that the table has.
    fn events(
        self,
        copied: Vec<(String, RecordBatch)>,
        files: &[DataFile],
    ) -> Result<SampleEvents, SegmentError> {
        let mut rows: HashMap<String, RecordBatch> = copied.into_iter().collect();
        for (path, held) in self.known.iter().flat_map(Extract::by_file) {
            rows.entry(path.to_owned()).or_insert(held);
        }
        let files = files.iter().filter_map(|file| rows.remove_entry(&file.path));
        let extract = Extract::of(self.share, &self.schema, files.collect())?;
        Ok(SampleEvents { extract, is_saved: self.is_saved })
    }
}
