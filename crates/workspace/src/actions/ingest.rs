//! `ingest`: raw files into the tables of contracts.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::json;
use tranche_ingest::{IngestError, LoadContext, Source};
use tranche_observe::{Dataset, InputField};
use tranche_pipeline::{Step, StepOutcome};
use tranche_schema::{Contract, layout, platform};
use tranche_sql::dialect;

use crate::action::{Action, ActionContext, targets};
use crate::definitions::PipelineDefinitions;
use crate::failure::Failure;
use crate::lineage::{Datasets, LineageScope};

/// Loads the files of sources.
pub(super) struct Ingest;

#[async_trait]
impl Action for Ingest {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn target(&self) -> &'static str {
        "source"
    }

    fn has_target(&self, name: &str, pipeline: &PipelineDefinitions) -> bool {
        pipeline.sources.contains_key(name)
    }

    async fn datasets(&self, step: &Step, scope: &LineageScope<'_>) -> Result<Datasets, Failure> {
        let mut datasets = Datasets::default();
        for (source, _) in targets(step, &scope.pipeline.sources) {
            let Some(contract) = scope.definitions.contracts.get(&source.into.value) else { continue };
            let files = files_of(source);
            datasets.outputs.push(scope.contract(contract).with_columns(columns(source, contract, &files)));
            let quarantine = layout::QUARANTINE.of(&source.name);
            datasets.outputs.push(scope.platform(&quarantine, &platform::quarantine::schema()));
            datasets.inputs.push(Dataset::new(&files.namespace, &files.name));
        }
        datasets.outputs.push(scope.platform(layout::LOADS.folder, &platform::loads::schema()));
        Ok(datasets)
    }

    async fn run(&self, step: &Step, context: &ActionContext<'_>) -> Result<StepOutcome, Failure> {
        let resources = context.resources;
        let session = resources.engine.session(context.run.as_of);
        let mut outcome = StepOutcome::default();
        let mut reports = Vec::new();
        for (source, _) in targets(step, &context.pipeline.sources) {
            let Some(contract) = resources.definitions.contracts.get(&source.into.value) else { continue };
            let progress = |done: usize, all: usize| {
                context.run.progress.report(format!("{}: {done} of {all} files", source.name));
            };
            let load = LoadContext {
                lake: &resources.lake,
                storage: &resources.storage,
                project_folder: &resources.folder,
                session: &session,
                run_id: &context.run.run_id,
                started_at: resources.started_at,
                transaction: &context.run.transaction,
                limits: &resources.definitions.settings.limits,
                progress: &progress,
            };
            let report =
                tranche_ingest::load(source, contract, &load).await.map_err(|error| match error {
                    IngestError::Sql(error) => resources.definitions.failure(error),
                    other => other.into(),
                })?;
            outcome.rows_read += report.rows;
            outcome.rows_written += report.changed();
            reports.push(report);
        }
        outcome.detail = json!({"sources": reports});
        Ok(outcome)
    }
}

/// The files of a source as a dataset: a bucket is a namespace; local files are named as the project names them.
struct RawFiles {
    namespace: String,
    name: String,
}

fn files_of(source: &Source) -> RawFiles {
    let in_bucket =
        source.path.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('/')?)));
    match in_bucket {
        Some((scheme, (bucket, path))) => {
            RawFiles { namespace: format!("{scheme}://{bucket}"), name: path.to_owned() }
        }
        None => RawFiles { namespace: "file".to_owned(), name: source.path.clone() },
    }
}

/// The columns of a table with the raw columns that each is made of.
fn columns(source: &Source, contract: &Contract, files: &RawFiles) -> Vec<(String, Vec<InputField>)> {
    let of_column = |name: &String| {
        let raw: BTreeSet<String> = match source.columns.get(name) {
            Some(sql) => dialect::columns(&sql.value).into_iter().collect(),
            None => BTreeSet::from([name.clone()]),
        };
        let inputs = raw.iter().map(|raw| InputField::new(&files.namespace, &files.name, raw));
        (name.clone(), inputs.collect())
    };
    contract.columns.iter().map(|column| of_column(&column.name)).collect()
}
