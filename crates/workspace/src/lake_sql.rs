//! The lake as SQL sees it: contracts, traits, memberships, estimates, KPIs, quarantine and runs, each as a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use jiff::Timestamp;
use tranche_pipeline::ledger::RunSummary;
use tranche_pipeline::{Ledger, RunRecord};
use tranche_schema::platform::{self, memberships};
use tranche_segment::store::{HISTORY_TABLE, memberships_table, traits_table};
use tranche_segment::{Definitions, TRAITS};
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
    for (folder, schema) in [
        (HISTORY_TABLE, platform::segment_history::schema()),
        (tranche_ingest::LOADS_TABLE, platform::loads::schema()),
        (tranche_experiment::store::ESTIMATES_TABLE, platform::estimates::schema()),
        (tranche_experiment::store::SERIES_TABLE, platform::estimate_series::schema()),
        ("kpis", platform::kpis::schema()),
    ] {
        session.register_platform(&lake, folder, folder, schema).await?;
    }
    let entities: Vec<(&Definitions, &str)> = tranche
        .definitions
        .pipelines
        .values()
        .flat_map(|p| p.definitions.entities().into_iter().map(|entity| (&p.definitions, entity)))
        .collect();
    for (definitions, entity) in &entities {
        register_entity(definitions, entity, entities.len() == 1, &lake, &session).await?;
    }
    for source in tranche.definitions.pipelines.values().flat_map(|p| p.sources.keys()) {
        let folder = tranche_ingest::quarantine_table(source);
        session
            .register_platform(
                &lake,
                &folder,
                &format!("quarantine_{source}"),
                platform::quarantine::schema(),
            )
            .await?;
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
    Ok(session.register_rows("runs", batch.schema(), vec![batch])?)
}

/// `traits_<entity>` and `memberships_<entity>`, and without the entity's name where there is only one.
async fn register_entity(
    definitions: &Definitions,
    entity: &str,
    only: bool,
    lake: &Lake,
    session: &Session,
) -> Result<(), Failure> {
    let Some((contract, key)) = definitions.entity_contract(entity).zip(definitions.key(entity)) else {
        return Ok(());
    };
    let key_type = contract.column(key).map_or(DataType::Utf8, |column| column.data_type.clone());
    let tables = [
        (traits_table(entity), TRAITS, contract.arrow_schema()),
        (memberships_table(entity), "memberships", memberships::schema(key, &key_type)),
    ];
    for (folder, name, schema) in tables {
        session.register_platform(lake, &folder, &format!("{name}_{entity}"), Arc::clone(&schema)).await?;
        if only {
            session.register_platform(lake, &folder, name, schema).await?;
        }
    }
    Ok(())
}
