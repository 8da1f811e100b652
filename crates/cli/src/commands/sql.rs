//! `sql`: a query over the lake: contracts, traits, memberships, estimates, KPIs, quarantine.

use arrow::datatypes::DataType;
use tranche_pipeline::{Clock, SystemClock};
use tranche_project::SourceFile;
use tranche_schema::platform::{self, memberships};
use tranche_segment::store::{HISTORY_TABLE, memberships_table, traits_table};
use tranche_segment::{Definitions, TRAITS};
use tranche_sql::Session;
use tranche_store::Lake;

use crate::args::Sql;
use crate::failure::Failure;
use crate::output::Rows;
use crate::workbench::Workbench;

pub(super) async fn run(sql: &Sql, bench: &Workbench) -> Result<(), Failure> {
    let as_of = match &sql.as_of.as_of {
        Some(text) => bench.instant(text)?,
        None => SystemClock.now(),
    };
    let lake = bench.lake()?;
    let session = bench.session(&lake, as_of).await?;
    for (folder, schema) in [
        (HISTORY_TABLE, platform::segment_history::schema()),
        (tranche_ingest::LOADS_TABLE, platform::loads::schema()),
        (tranche_experiment::store::ESTIMATES_TABLE, platform::estimates::schema()),
        ("kpis", platform::kpis::schema()),
    ] {
        session.register_platform(&lake, folder, folder, schema).await?;
    }
    let entities: Vec<(&Definitions, &str)> = bench
        .workspace
        .pipelines
        .values()
        .flat_map(|p| p.definitions.entities().into_iter().map(|entity| (&p.definitions, entity)))
        .collect();
    for (definitions, entity) in &entities {
        register_entity(definitions, entity, entities.len() == 1, &lake, &session).await?;
    }
    for source in bench.workspace.pipelines.values().flat_map(|p| p.sources.keys()) {
        let folder = tranche_ingest::quarantine_table(source);
        session.register_platform(&lake, &folder, &format!("quarantine_{source}"), platform::quarantine::schema()).await?;
    }
    let plan = session.plan(&sql.query, None).await.map_err(|problem| {
        let mut diagnostic = SourceFile::new("query", &sql.query).problem(problem.position, problem.message);
        diagnostic.help = problem.help;
        Failure { diagnostics: vec![diagnostic], ..Failure::definition("the query cannot be planned") }
    })?;
    let found = session.collect(&plan).await?;
    Rows::from_batches(&found.schema, &found.batches)?.print(bench.global.format)
}

/// `traits_<entity>` and `memberships_<entity>`, and without the entity's name where there is only one.
async fn register_entity(
    definitions: &Definitions,
    entity: &str,
    only: bool,
    lake: &Lake,
    session: &Session,
) -> Result<(), Failure> {
    let Some((contract, key)) = definitions.entity_contract(entity).zip(definitions.key(entity)) else { return Ok(()) };
    let key_type = contract.column(key).map_or(DataType::Utf8, |column| column.data_type.clone());
    let tables = [
        (traits_table(entity), TRAITS, contract.arrow_schema()),
        (memberships_table(entity), "memberships", memberships::schema(key, &key_type)),
    ];
    for (folder, name, schema) in tables {
        session.register_platform(lake, &folder, &format!("{name}_{entity}"), schema.clone()).await?;
        if only {
            session.register_platform(lake, &folder, name, schema).await?;
        }
    }
    Ok(())
}
