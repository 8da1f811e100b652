//! The scans of a program, one for each event table.
//!
//! Without state, each table is read in full. With the state of an entity, a scan starts from what an earlier refresh saved:
//! what changed since is read, a sample of the entities is verified against all events, and the new values may be saved.

use std::collections::HashMap;
use std::sync::Arc;

use tranche_incremental::Unusable;
use tranche_sql::keys::{KeyIndex, Sample};
use tranche_sql::scan::Cells;
use tranche_store::Lake;

use super::evaluation::{Cost, EvaluationContext};
use super::table_scan::{FailedMeasures, Found, SampleEvents, TableScan};
use super::verification::verify_sample;
use crate::definition::definitions::Definitions;
use crate::error::SegmentError;
use crate::plan::Program;
use crate::state::{Reading, SavedMeasure, SavedMeasures, StatePlace, identity, is_keepable};

/// The measures of each table, and what it took to compute them.
#[derive(Default)]
pub(crate) struct Scanned {
    pub(crate) measures: HashMap<String, Vec<Arc<Cells>>>,
    /// The keys that measures have no value for, by table.
    pub(crate) failed: HashMap<String, FailedMeasures>,
    pub(crate) cost: Cost,
    /// What may be saved for the next refresh, once this one is published.
    pub(crate) new_state: Vec<(String, SavedMeasures)>,
}

/// Computes all measures of a program; keys that the index lacks are added to it.
pub(crate) async fn scan(
    context: &EvaluationContext<'_>,
    index: &mut Arc<KeyIndex>,
    mut state: Option<EntityState<'_>>,
) -> Result<Scanned, SegmentError> {
    let EvaluationContext { definitions, program, tables, session, .. } = *context;
    let mut scanned = Scanned::default();
    for (table, scan) in &program.scans {
        let contract =
            definitions.contracts.get(table).ok_or_else(|| SegmentError::Unknown(table.clone()))?;
        let scan = TableScan { contract, scan, tables, session };
        let found = match &mut state {
            None => scan.read(None, None, index).await?,
            Some(state) => {
                let (found, new_state) = state.scan(&scan, program, index).await?;
                scanned.new_state.extend(new_state.map(|new_state| (table.clone(), new_state)));
                found
            }
        };
        tracing::debug!(table, rows = found.cost.rows_read, bytes = found.cost.bytes_read, "scanned");
        scanned.cost.add(found.cost);
        scanned.measures.insert(table.clone(), found.measures);
        scanned.failed.insert(table.clone(), found.failed);
    }
    Ok(scanned)
}

/// The state of an entity's scans.
pub(crate) struct EntityState<'a> {
    lake: &'a Lake,
    pipeline: &'a str,
    entity: &'a str,
    /// Of which entities an incremental result is computed again in full.
    sample: Sample,
    /// What an earlier refresh saved of each table, while it is read.
    reading: HashMap<String, Reading>,
}

impl<'a> EntityState<'a> {
    /// Begins to read what an earlier refresh saved of an entity's events; of a `full` refresh, nothing.
    pub(crate) fn read(
        lake: &'a Lake,
        pipeline: &'a str,
        entity: &'a str,
        definitions: &Definitions,
        full: bool,
    ) -> Self {
        let mut state = Self { lake, pipeline, entity, sample: Sample::default(), reading: HashMap::new() };
        let contracts = definitions.contracts.values().filter(|_| !full);
        for contract in contracts.filter(|c| c.event_time().is_some() && c.entity_column(entity).is_some()) {
            let place = StatePlace { pipeline, entity, table: &contract.table };
            state.reading.insert(contract.table.clone(), place.read(lake));
        }
        state
    }

    /// Reads what changed in a table, verifies a sample of the result, and says what may be saved of it.
    async fn scan(
        &mut self,
        scan: &TableScan<'_>,
        program: &Program,
        index: &mut Arc<KeyIndex>,
    ) -> Result<(Found, Option<SavedMeasures>), SegmentError> {
        let table = scan.contract.table.as_str();
        let saved = match self.reading.remove(table) {
            Some(reading) => reading.done(Arc::make_mut(index)).await.inspect_err(Unusable::warn).ok(),
            None => None,
        };
        tracing::debug!(table, saved = saved.is_some(), "scan");
        let share = self.sample.share(index.len());
        let mut found = scan.read_changes(saved, share, index).await?;
        if found.is_incremental
            && let Some(sample) = found.sample.take()
        {
            found.sample = Some(self.verify(scan, &mut found, sample, program, index).await?);
        }
        let new_state = new_state(scan, &mut found);
        Ok((found, new_state))
    }

    /// Compares a sample of the result with what all events give; returns the events of the sample.
    ///
    /// # Errors
    /// [`SegmentError::Mismatch`] when an entity differs; the state of the table is then deleted.
    async fn verify(
        &self,
        scan: &TableScan<'_>,
        found: &mut Found,
        sample: SampleEvents,
        program: &Program,
        index: &Arc<KeyIndex>,
    ) -> Result<SampleEvents, SegmentError> {
        match verify_sample(scan, (&found.measures, &found.failed), index, sample, program).await {
            Ok(verification) => {
                found.cost.rows_read += verification.rows_read;
                tracing::debug!(table = scan.contract.table, "verified");
                Ok(verification.sample)
            }
            Err(error) => {
                let place =
                    StatePlace { pipeline: self.pipeline, entity: self.entity, table: &scan.contract.table };
                place.forget(self.lake).await;
                Err(error)
            }
        }
    }
}

/// What may be saved of a scan: nothing of a table that was not read from files.
fn new_state(scan: &TableScan<'_>, found: &mut Found) -> Option<SavedMeasures> {
    let files = found.files.take()?;
    let measures = scan.scan.measures.iter().zip(&found.measures).enumerate();
    // What failed has no values, and is tried again from all events.
    let whole = measures.filter(|(number, _)| !found.failed.contains_key(number)).map(|(_, both)| both);
    let saved = whole.filter(|(measure, values)| is_keepable(values, measure.aggregate));
    let saved = saved.map(|(measure, values)| SavedMeasure {
        identity: identity(measure, scan.contract),
        window: measure.window,
        values: Arc::clone(values),
    });
    Some(SavedMeasures {
        as_of: scan.session.as_of(),
        files,
        measures: saved.collect(),
        extract: found.sample.take().filter(|sample| sample.is_saved).map(|sample| sample.extract),
    })
}
