//! One load: the new inputs of a source, into its table, in one commit.

use futures::future::BoxFuture;
use serde::Serialize;
use tranche_schema::{Contract, layout};
use tranche_sql::check_contract;
use tranche_store::StoreError;

use crate::bookkeeping::{Records, known_to};
use crate::conform::{Accepted, InputCounts};
use crate::context::Load;
use crate::publish::{note_touched, publish};
use crate::{IngestError, LoadContext, Reject, Source, accept, discover, withdrawn};

/// The result of a load.
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
    /// Rows of earlier loads that were replaced, by rows that are written or restored.
    pub replaced: u64,
    /// Rows of these files that were written; for an attempt that was cut short after its commit, all rows that it changed.
    pub written: u64,
    /// Rows that were removed, because the files that had brought them were written again without them (`replace: file`).
    pub removed: u64,
    /// Rows of other files that stand again in the place of such rows.
    pub restored: u64,
    /// Rows that stay, though the files that had brought them were written again without them (`replace: key`).
    pub missing: u64,
}

/// Loads the new inputs of a source into the table of `contract`.
///
/// # Errors
/// [`IngestError`]; the table is as it was before, and what was rejected is in quarantine.
pub fn load<'a>(
    source: &'a Source,
    contract: &'a Contract,
    context: &'a LoadContext<'a>,
) -> BoxFuture<'a, Result<LoadReport, IngestError>> {
    // What awaits it is not compiled with all that it awaits.
    Box::pin(load_inputs(source, contract, context))
}

async fn load_inputs(
    source: &Source,
    contract: &Contract,
    context: &LoadContext<'_>,
) -> Result<LoadReport, IngestError> {
    let load = Load { source, contract, context };
    for _ in 1..ATTEMPTS {
        match attempt(&load).await {
            Err(IngestError::Store(StoreError::Conflict { .. })) => {}
            outcome => return outcome,
        }
    }
    attempt(&load).await
}

/// How often a load is planned again when another run committed to the table in the meantime.
const ATTEMPTS: usize = 5;

async fn attempt(load: &Load<'_>) -> Result<LoadReport, IngestError> {
    let Load { source, contract, context } = *load;
    let table = context.lake.snapshot(&layout::TABLES.of(&contract.table)).await?;
    if let Some(table) = &table {
        check_contract(context.lake, contract, table).await?;
    }
    let known = known_to(table.as_ref()).await?;
    if known.version(&load.transaction()).is_some() {
        // An attempt that was cut short after its commit: steps may wait for the rows that it wrote.
        let written = known.version(&load.rows_mark()).and_then(|rows| u64::try_from(rows).ok());
        return Ok(LoadReport { written: written.unwrap_or_default(), ..LoadReport::of_nothing(load) });
    }
    let new = discover::new_inputs(load, &known).await?;
    if new.inputs.is_empty() {
        if let Some(table) = table.filter(|_| !new.touched.is_empty()) {
            note_touched(load, &new.touched, table).await?;
        }
        return Ok(LoadReport::of_nothing(load));
    }
    let Accepted { staged, rejects, counts } = accept::rows(load, &new.numbered()).await?;
    let mut report = LoadReport::read(load, &counts);
    let records = Records::new(load, &new, &counts);
    records.rejects(&rejects).await?;
    if !source.on_reject.allows(report.rejected, report.rows) {
        return Err(IngestError::TooManyRejects {
            source_name: source.name.clone(),
            rejected: report.rejected,
            rows: report.rows,
            allowed: source.on_reject.to_string(),
            first: rejects.first.map(|reject| shown(&reject, contract)).unwrap_or_default(),
        });
    }
    let change = withdrawn::change(load, table.as_ref(), &new, staged).await?;
    report =
        LoadReport { removed: change.removed, restored: change.restored, missing: change.missing, ..report };
    report.replaced = publish(&records, change, table, report.changed()).await?;
    if report.missing > 0 {
        report.warn_of_missing();
    }
    Ok(report)
}

/// A reject in a message, which goes further than the quarantine: no row of a table with personal data is shown there.
fn shown(reject: &Reject, contract: &Contract) -> String {
    if contract.has_personal_data() { reject.without_values() } else { reject.to_string() }
}

impl LoadReport {
    /// Rows that were written, restored or removed, also where they are as they were.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.written + self.restored + self.removed
    }

    fn warn_of_missing(&self) {
        let Self { source, missing, .. } = self;
        let (keys, have, stay) =
            if *missing == 1 { ("key", "has", "stays") } else { ("keys", "have", "stay") };
        tracing::warn!(
            "{source}: {missing} {keys} that files had before they were written again {have} no row in them now, and {stay} in \
             the table; where each file is complete, `replace: file` in the source removes such rows from then on"
        );
    }

    /// The report of a load that found nothing to read.
    fn of_nothing(load: &Load<'_>) -> Self {
        Self {
            source: load.source.name.clone(),
            table: load.contract.table.clone(),
            files: 0,
            rows: 0,
            rejected: 0,
            duplicates: 0,
            replaced: 0,
            written: 0,
            removed: 0,
            restored: 0,
            missing: 0,
        }
    }

    /// The report of what was read, before it is known what it replaces.
    fn read(load: &Load<'_>, counts: &[InputCounts]) -> Self {
        let rows = counts.iter().map(|input| input.rows).sum::<u64>();
        let duplicates = counts.iter().map(|input| input.duplicates).sum::<u64>();
        let rejected = counts.iter().map(|input| input.rejected).sum::<u64>();
        Self {
            files: counts.len() as u64,
            rows,
            rejected,
            duplicates,
            written: rows - rejected - duplicates,
            ..Self::of_nothing(load)
        }
    }
}
