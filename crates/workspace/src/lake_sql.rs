//! The lake as SQL sees it: contracts, traits, memberships, estimates, KPIs, quarantine and runs, each as a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use jiff::Timestamp;
use tranche_pipeline::ledger::RunSummary;
use tranche_pipeline::{Ledger, RunRecord};
use tranche_schema::layout::{LEDGER, Scope, Table};
use tranche_segment::Definitions;
use tranche_sql::Session;
use tranche_store::Lake;

use crate::failure::Failure;
use crate::tranche::Tranche;

/// A session at an instant over everything that a query may name.
///
/// # Errors
/// [`Failure`] when a table cannot be opened, or the ledger cannot be read.
pub async fn session(tranche: &Tranche, as_of: Timestamp) -> Result<Session, Failure> {
    let lake = tranche.lake()?;
    let session = tranche.session(&lake, as_of).await?;
    for table in lake.layout().tables() {
        register_tables(table, &lake, &session, tranche).await?;
    }
    register_runs(&lake, &session).await?;
    Ok(session)
}

/// The ledger as a table: one row per run.
async fn register_runs(lake: &Lake, session: &Session) -> Result<(), Failure> {
    let runs: Vec<_> = Ledger::new(lake.objects()).list().await?.iter().map(RunRecord::summary).collect();
    let text = |value: &dyn Fn(&RunSummary) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(runs.iter().map(value)))
    };
    let instant = |value: &dyn Fn(&RunSummary) -> Option<Timestamp>| -> ArrayRef {
        let micros = runs.iter().map(|run| value(run).map(|at| at.as_microsecond()));
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let columns = vec![
        ("run_id", text(&|run| run.run_id.clone())),
        ("pipeline", text(&|run| run.pipeline.clone())),
        ("slot", instant(&|run| run.slot)),
        ("as_of", instant(&|run| Some(run.as_of))),
        ("status", text(&|run| run.status.to_string())),
        ("started_at", instant(&|run| Some(run.started_at))),
        ("ended_at", instant(&|run| run.ended_at)),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    );
    let batch = batch.map_err(tranche_sql::SqlError::from)?;
    Ok(session.register_rows(LEDGER, batch.schema(), vec![batch])?)
}

/// The tables of one kind; those of entities also without the entity's name where there is only one.
async fn register_tables(
    table: &Table,
    lake: &Lake,
    session: &Session,
    tranche: &Tranche,
) -> Result<(), Failure> {
    let pipelines = || tranche.definitions.pipelines.values();
    match table.scope {
        Scope::Lake(schema) => {
            session.register_platform(lake, table.folder, table.folder, schema()).await?;
        }
        Scope::Source(schema) => {
            for source in pipelines().flat_map(|p| p.sources.keys()) {
                let (folder, name) = (table.of(source), table.sql_name(source));
                session.register_platform(lake, &folder, &name, schema()).await?;
            }
        }
        Scope::Entity(schema) => {
            // Pipelines may segment the same entity.
            let entities: BTreeMap<&str, &Definitions> = pipelines()
                .flat_map(|p| p.definitions.entities().into_iter().map(|entity| (entity, &p.definitions)))
                .collect();
            for (entity, definitions) in &entities {
                let Some(contract) = definitions.entity_contract(entity) else { continue };
                let (folder, name) = (table.of(entity), table.sql_name(entity));
                session.register_platform(lake, &folder, &name, schema(contract)).await?;
                if entities.len() == 1 {
                    session.register_platform(lake, &folder, table.folder, schema(contract)).await?;
                }
            }
        }
        // The session has these, each with its rows as of the instant.
        Scope::Contract(_) => {}
    }
    Ok(())
}
