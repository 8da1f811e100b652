//! The checks of the lake: runs, tables, and whether they agree.

use arrow::datatypes::{DataType, SchemaRef};
use jiff::Timestamp;
use tranche_observe::Outbox;
use tranche_pipeline::Ledger;
use tranche_store::integrity::Finding;
use tranche_store::{Lake, StoreError};

use super::results::Examination;
use crate::failure::{Failure, chain};
use crate::tranche::Tranche;

/// Examines the lake; `now` is an instant of the storage's clock.
pub(super) async fn examine(
    tranche: &Tranche,
    lake: &Lake,
    now: Timestamp,
    examination: &mut Examination,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), Failure> {
    progress("runs");
    let runs = Ledger::new(lake.objects()).check_integrity(now).await.map_err(Failure::from);
    examination.add_result(
        "runs",
        "every log is complete, and every run that has not ended has an owner",
        runs,
    );
    examination.add_result(
        "slots",
        "every decision about a slot can be read, and its run was started",
        slots(tranche, lake, now).await,
    );
    let schedules = Ledger::new(lake.objects()).check_schedules().await.map_err(Failure::from);
    examination.add_result(
        "schedules",
        "the history of schedules and of source files can be read",
        schedules,
    );
    let backfills = Ledger::new(lake.objects()).check_backfills().await.map_err(Failure::from);
    examination.add_result("backfills", "the slots of every backfill can be read", backfills);
    let outbox =
        Outbox::new(lake.objects()).check_integrity().await.map_err(|error| Failure::storage(chain(&error)));
    examination.add_result("outbox", "every notification can be read", outbox);
    let mut broken = Vec::new();
    let tables = lake.tables().await?;
    for table in &tables {
        progress(table);
        broken.extend(lake.check_integrity(table).await?);
    }
    let is_whole = broken.is_empty();
    examination.add("tables", &format!("the logs and files of {} tables are whole", tables.len()), broken);
    progress("contracts");
    let fitting = fitting(tranche, lake, &tables).await;
    examination.add_result("contracts", "stored tables match the contracts", fitting);
    progress("saved state");
    examination.add_result(
        "state",
        "saved state of refreshes and measurements can be read",
        state(lake).await,
    );
    // Rows of tables that are not whole say nothing that could agree.
    if is_whole {
        progress("memberships, history, traits, estimates");
        let session = tranche.engine.session(tranche.instant_or_latest(None)?);
        let published = tranche_segment::check_integrity(lake, &session).await.map_err(Failure::from);
        examination.add_result("memberships", "memberships, history and traits agree", published);
        examination.add_result(
            "estimates",
            "the results of experiments can be read",
            estimates(tranche, lake).await,
        );
    }
    Ok(())
}

async fn state(lake: &Lake) -> Result<Vec<Finding>, Failure> {
    Ok(tranche_incremental::check_integrity(lake).await?)
}

async fn slots(tranche: &Tranche, lake: &Lake, now: Timestamp) -> Result<Vec<Finding>, Failure> {
    let ledger = Ledger::new(lake.objects());
    let mut findings = Vec::new();
    for pipeline in tranche.definitions.pipelines.keys() {
        findings.extend(ledger.check_slots(pipeline, now).await?);
    }
    Ok(findings)
}

/// Whether tables have the columns of their contracts, and the platform's own tables theirs.
async fn fitting(tranche: &Tranche, lake: &Lake, tables: &[String]) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for contract in tranche.definitions.contracts.values() {
        let folder = tranche_sql::table_folder(&contract.table);
        let Some(stored) = opened(lake, &folder).await else { continue };
        if let Err(error) = tranche_sql::check_contract(lake, contract, &stored).await {
            let advice = format!(
                "change schemas/{}.yaml back, or remove `{folder}/` and load it again",
                contract.table
            );
            findings.push(Finding::new(tranche.definitions.failure(error).in_full(), advice));
        }
    }
    for table in tables {
        let expected = lake.layout().find(table).and_then(|(table, _)| table.fixed_schema());
        let (Some(expected), Some(stored)) = (expected, opened(lake, table).await) else { continue };
        if let Some(problem) = difference(table, &stored.schema()?, &expected) {
            findings.push(Finding::new(
                problem,
                "it was not written by Tranche: restore it from the bucket's versions",
            ));
        }
    }
    Ok(findings)
}

/// The latest version of a table, if it can be opened: what is wrong with one that cannot was said before.
async fn opened(lake: &Lake, table: &str) -> Option<tranche_store::Snapshot> {
    let found: Result<_, StoreError> = lake.snapshot(table).await;
    found.ok().flatten()
}

/// The first column that a table lacks or has of another type; one that may be null may be yet to come.
fn difference(table: &str, stored: &SchemaRef, expected: &SchemaRef) -> Option<String> {
    expected.fields().iter().find_map(|field| match stored.field_with_name(field.name()) {
        Ok(found) if is_same(found.data_type(), field.data_type()) => None,
        Ok(found) => Some(format!(
            "`{table}` has {} as column `{}`, not {}",
            found.data_type(),
            field.name(),
            field.data_type()
        )),
        Err(_) if field.is_nullable() => None,
        Err(_) => Some(format!("`{table}` has no column `{}`", field.name())),
    })
}

fn is_same(stored: &DataType, expected: &DataType) -> bool {
    stored == expected
        || matches!((stored, expected), (DataType::Utf8View | DataType::LargeUtf8, DataType::Utf8))
}

async fn estimates(tranche: &Tranche, lake: &Lake) -> Result<Vec<Finding>, Failure> {
    let session = tranche.engine.session(tranche.instant_or_latest(None)?);
    let mut findings = Vec::new();
    for name in tranche.definitions.pipelines.values().flat_map(|pipeline| pipeline.experiments.keys()) {
        if let Err(error) = tranche_experiment::store::read(lake, &session, name).await {
            let problem =
                format!("the result of experiment `{name}` cannot be read: {}", Failure::from(error).message);
            findings.push(Finding::new(problem, "measure it again: run the pipeline"));
        }
    }
    Ok(findings)
}
