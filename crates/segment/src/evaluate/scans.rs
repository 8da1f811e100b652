//! The scans of a program: one for each event table, of what changed where an earlier refresh kept something.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tranche_schema::Contract;
use tranche_sql::fused::{Cells, FusedInput, Group, run};
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, Source, SqlError, Tables};
use tranche_store::{DataFile, Lake, StoreError};

use super::Cost;
use super::changes::{Changes, is_latest_event};
use super::measures::{Recipe, Values, groups_of, values};
use crate::definitions::Definitions;
use crate::error::SegmentError;
use crate::plan::{Measure, Program, Scan};
use crate::state::{Kept, KeptMeasure, Sample, StatePlace, identity, is_keepable, prove};

/// Where the state of an entity's scans lies.
#[derive(Clone, Copy)]
pub(crate) struct Memory<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) pipeline: &'a str,
    pub(crate) entity: &'a str,
    /// Whether what was kept is left aside.
    pub(crate) full: bool,
    /// Of which entities an incremental result is computed again in full.
    pub(crate) sample: Sample,
}

impl<'a> Memory<'a> {
    pub(crate) fn place(&self, table: &'a str) -> StatePlace<'a> {
        StatePlace { pipeline: self.pipeline, entity: self.entity, table }
    }
}

/// The measures of each table, and what it took to compute them.
#[derive(Default)]
pub(crate) struct Scanned {
    pub(crate) measures: HashMap<String, Vec<Arc<Values>>>,
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
    memory: Option<Memory<'_>>,
) -> Result<Scanned, SegmentError> {
    let mut scanned = Scanned::default();
    for (table, scan) in &program.scans {
        let contract = definitions.contracts.get(table).ok_or_else(|| SegmentError::Unknown(table.clone()))?;
        let input = TableScan { contract, scan, tables, session };
        let kept = match memory {
            Some(memory) if !memory.full => memory.place(table).read(memory.lake, Arc::make_mut(index)).await,
            _ => None,
        };
        let was_kept = kept.is_some();
        tracing::debug!(table, kept = was_kept, "scan");
        let (found, cost) = match input.run(kept, index).await {
            // A file that is no longer there may be one that was removed, and cleaned up since.
            Err(SegmentError::Sql(SqlError::Store(StoreError::Read { reason }))) if was_kept => {
                tracing::warn!(table, reason, "what changed cannot be read; everything is read");
                input.run(None, index).await?
            }
            outcome => outcome?,
        };
        scanned.cost.rows_read += cost.rows_read;
        scanned.cost.bytes_read += cost.bytes_read;
        tracing::debug!(table, rows = cost.rows_read, bytes = cost.bytes_read, "scanned");
        if let (Some(memory), true) = (memory, found.is_incremental) {
            let rows = prove(&input, &found.values, index, memory.sample, program).await;
            if rows.is_err() {
                memory.place(table).forget(memory.lake).await;
            }
            scanned.cost.rows_read += rows?;
            tracing::debug!(table, "proved");
        }
        if let (Some(_), Some(files)) = (memory, found.files) {
            let measures = scan.measures.iter().zip(&found.values);
            let measures =
                measures.filter(|(measure, values)| is_keepable(values, measure.aggregate)).map(|(measure, values)| {
                    KeptMeasure { identity: identity(measure, contract), window: measure.window, values: Arc::clone(values) }
                });
            let kept = Kept { as_of: session.as_of().as_microsecond(), files, measures: measures.collect() };
            scanned.kept.push((table.clone(), kept));
        }
        scanned.measures.insert(table.clone(), found.values);
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
    values: Vec<Arc<Values>>,
    /// Whether some of it follows from what was kept.
    is_incremental: bool,
    /// The files that the table has, where it was read from files.
    files: Option<Vec<DataFile>>,
}

/// The cells of groups.
struct Work {
    cells: Vec<Cells>,
    groups: Vec<Group>,
    rows: usize,
}

impl TableScan<'_> {
    async fn run(&self, kept: Option<Kept>, index: &mut Arc<KeyIndex>) -> Result<(Found, Cost), SegmentError> {
        let Some(found) = self.tables.sources(&self.contract.table)? else {
            let rows = index.len() as usize + 1;
            return self.empty(rows, index).await;
        };
        let files: Option<Vec<DataFile>> = found
            .sources
            .iter()
            .map(|source| match source {
                Source::File(file) => Some(file.clone()),
                Source::Rows(_) => None,
            })
            .collect();
        let kept = kept.filter(|_| files.is_some());
        let changes = Changes::since(kept.as_ref(), self.scan, self.contract, found.sources);
        let wanted: Vec<(&Measure, Vec<_>)> =
            self.scan.measures.iter().zip(&changes.measures).map(|(m, change)| (m, change.contributions.clone())).collect();
        let (groups, recipes) = groups_of(&wanted);
        let input = FusedInput {
            contract: self.contract,
            key: &self.scan.key,
            objects: found.objects,
            sources: changes.sources,
            sample: None,
            progress: None,
        };
        let fused = run(&groups, input, index, self.session).await?;
        let before = changes.measures.iter().map(|change| {
            let base = *change.base.as_ref().ok()?;
            Some(Arc::clone(&kept.as_ref()?.measures[base].values))
        });
        let before: Vec<Option<Arc<Values>>> = before.collect();
        drop(kept);
        let work = Work { cells: fused.cells, groups, rows: index.len() as usize + 1 };
        let all = self.add_up(Arc::new(work), recipes, before).await?;
        let is_incremental = changes.measures.iter().any(|change| change.base.is_ok());
        let cost = Cost { rows_read: fused.rows_read, bytes_read: fused.bytes_read };
        Ok((Found { values: all, is_incremental, files }, cost))
    }

    /// The values of all measures, on all threads.
    async fn add_up(
        &self,
        work: Arc<Work>,
        recipes: Vec<Recipe>,
        before: Vec<Option<Arc<Values>>>,
    ) -> Result<Vec<Arc<Values>>, SegmentError> {
        let mut tasks = JoinSet::new();
        for ((place, measure), (recipe, before)) in self.scan.measures.iter().enumerate().zip(recipes.into_iter().zip(before)) {
            let work = Arc::clone(&work);
            // What slid out of its window is older than all that is in it.
            let oldest = (before.is_some() && is_latest_event(measure, self.contract)).then_some(measure.window.from);
            tasks.spawn_blocking(move || {
                let group = recipe.group;
                let before = before.map(Arc::unwrap_or_clone);
                let mut found = values(&work.cells[group], &work.groups[group], &recipe, work.rows, before);
                if let (Values::Max(values), Some(oldest)) = (&mut found, oldest) {
                    values.iter_mut().filter(|value| **value < oldest).for_each(|value| *value = i64::MIN);
                }
                (place, Arc::new(found))
            });
        }
        let mut all: Vec<Option<Arc<Values>>> = vec![None; self.scan.measures.len()];
        while let Some(done) = tasks.join_next().await {
            let (place, found) = done.map_err(|error| SqlError::Engine(error.to_string()))?;
            all[place] = Some(found);
        }
        Ok(all.into_iter().flatten().collect())
    }

    /// Measures of a table that was never written.
    async fn empty(&self, rows: usize, index: &mut Arc<KeyIndex>) -> Result<(Found, Cost), SegmentError> {
        let wanted: Vec<(&Measure, Vec<_>)> = self.scan.measures.iter().map(|measure| (measure, Vec::new())).collect();
        let (groups, recipes) = groups_of(&wanted);
        let objects = std::sync::Arc::new(object_store::memory::InMemory::new());
        let input = FusedInput {
            contract: self.contract,
            key: &self.scan.key,
            objects,
            sources: Vec::new(),
            sample: None,
            progress: None,
        };
        let fused = run(&groups, input, index, self.session).await?;
        let before = vec![None; recipes.len()];
        let values = self.add_up(Arc::new(Work { cells: fused.cells, groups, rows }), recipes, before).await?;
        Ok((Found { values, is_incremental: false, files: None }, Cost::default()))
    }
}
