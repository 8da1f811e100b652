//! `refresh`: traits, segments and their memberships.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::json;
use tranche_observe::{Dataset, Field, InputField};
use tranche_pipeline::definition::{self as pipeline, Targets};
use tranche_pipeline::{Step, StepOutcome};
use tranche_schema::{Contract, platform};
use tranche_segment::InSegment;
use tranche_segment::refresh::{OnFailure, RefreshContext, refresh};
use tranche_segment::store::{HISTORY_TABLE, memberships_table, traits_table};
use tranche_sql::{column_lineage, dialect, table_folder};

use crate::action::{Action, ActionContext};
use crate::definitions::PipelineDefinitions;
use crate::failure::Failure;
use crate::lineage::{Datasets, LineageScope};

/// Refreshes segments and what they need.
pub(super) struct Refresh;

#[async_trait]
impl Action for Refresh {
    fn name(&self) -> &'static str {
        "refresh"
    }

    fn target(&self) -> &'static str {
        "segment"
    }

    fn has_target(&self, name: &str, pipeline: &PipelineDefinitions) -> bool {
        pipeline.definitions.definition_of(name).is_some()
    }

    async fn datasets(&self, _: &Step, scope: &LineageScope<'_>) -> Result<Datasets, Failure> {
        let definitions = &scope.pipeline.definitions;
        let texts = definitions.traits.values().map(|traits| traits.file.text());
        let texts = texts.chain(definitions.segments.values().map(|segment| segment.file.text()));
        let tables: BTreeSet<String> = texts.flat_map(dialect::relations).collect();
        let entities = definitions.entities();
        let is_read = |contract: &&Contract| {
            tables.contains(&contract.table)
                || contract.entity().is_some_and(|entity| entities.contains(&entity))
        };
        let read = definitions.contracts.values().filter(is_read);
        let inputs = read.map(|contract| scope.contract(contract)).collect();
        let mut outputs = vec![scope.platform(HISTORY_TABLE, &platform::segment_history::schema())];
        for entity in entities {
            let Some(contract) = definitions.entity_contract(entity) else { continue };
            outputs.push(traits(entity, contract, scope).await);
            let key = contract.columns.iter().find(|column| Some(&column.name) == contract.key.first());
            if let Some(key) = key {
                let schema = platform::memberships::schema(&key.name, &key.data_type);
                outputs.push(scope.platform(&memberships_table(entity), &schema));
            }
        }
        Ok(Datasets { inputs, outputs })
    }

    async fn run(&self, step: &Step, context: &ActionContext<'_>) -> Result<StepOutcome, Failure> {
        let (session, tables) = context.resources.session(context.run.as_of).await?;
        let wanted = match &step.targets {
            Targets::All => None,
            Targets::Named(names) => Some(names.iter().map(|name| name.value.clone()).collect::<Vec<_>>()),
        };
        let resources = context.resources;
        let elsewhere = resources.definitions.elsewhere(&context.run.pipeline, &resources.engine).await?;
        let refresh_context = RefreshContext {
            elsewhere: &elsewhere,
            lake: &context.resources.lake,
            tables: &tables,
            session: &session,
            pipeline: &context.run.pipeline,
            full: context.run.full,
            transaction: &context.run.transaction,
            on_failure: match step.on_failure {
                pipeline::OnFailure::Stop => OnFailure::Stop,
                pipeline::OnFailure::Continue => OnFailure::Continue,
            },
        };
        let report = refresh(&context.pipeline.definitions, wanted.as_deref(), &refresh_context).await?;
        if !report.failed.is_empty() {
            return Err(Failure::data(report.failed.join("\n")));
        }
        Ok(StepOutcome {
            rows_read: report.rows_read,
            rows_written: report.rows_written,
            detail: json!({"segments": report.segments}),
        })
    }
}

/// The wide table of an entity: its own columns, and the traits with what their SQL makes them from.
async fn traits(entity: &str, contract: &Contract, scope: &LineageScope<'_>) -> Dataset {
    let own = table_folder(&contract.table);
    let mut fields: Vec<Field> =
        contract.columns.iter().map(|column| Field::new(&column.name, &column.data_type)).collect();
    let mut columns: Vec<(String, Vec<InputField>)> = contract
        .columns
        .iter()
        .map(|c| (c.name.clone(), vec![InputField::new(scope.lake, &own, &c.name)]))
        .collect();
    let key = contract.key.first().map(String::as_str);
    let is_key = |column: &str| Some(column) == key;
    for traits in scope.pipeline.definitions.traits.values().filter(|traits| traits.entity == entity) {
        // What does not plan was refused before the run.
        let Ok(plan) = scope.session.plan(traits.file.text(), &InSegment::InTraits).await else { continue };
        for field in plan.schema().fields().iter().filter(|field| !is_key(field.name())) {
            fields.push(Field::new(field.name(), field.data_type()));
        }
        for (column, origins) in column_lineage(&plan).into_iter().filter(|(column, _)| !is_key(column)) {
            let inputs = origins
                .iter()
                .map(|(table, column)| InputField::new(scope.lake, &table_folder(table), column));
            columns.push((column, inputs.collect()));
        }
    }
    scope.dataset(&traits_table(entity)).with_schema(fields).with_columns(columns)
}
