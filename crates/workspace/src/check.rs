//! The check of every definition and statement, without data: at most the columns of a raw file are looked at.

use std::collections::HashMap;

use jiff::Timestamp;
use tranche_ingest::{SampleFile, SourceCheck};
use tranche_project::{Problems, Spanned, yaml};
use tranche_schema::{Contract, ContractSpec};
use tranche_sql::{Engine, Session};

use crate::action::Actions;
use crate::definitions::{PipelineDefinitions, ProjectDefinitions};
use crate::failure::Failure;

/// Raw files that tell the types of columns, by pipeline and source.
pub(crate) type SampleFiles = HashMap<(String, String), SampleFile>;

/// Checks every definition and statement; no rows are read.
pub(crate) async fn check(
    definitions: &ProjectDefinitions,
    actions: &Actions,
    engine: &Engine,
    samples: &SampleFiles,
) -> Result<(), Failure> {
    let mut problems = definitions.problems.clone();
    let session = definitions.empty_session(engine)?;
    for contract in definitions.contracts.values() {
        check_contract(contract, definitions, &session, &mut problems);
    }
    for (name, pipeline) in &definitions.pipelines {
        let session = definitions.empty_session(engine)?;
        let raw_rows = engine.session(Timestamp::UNIX_EPOCH);
        for (source, file) in pipeline.sources.values() {
            let Some(contract) = definitions.contracts.get(&source.into.value) else { continue };
            let sample = samples.get(&(name.clone(), source.name.clone()));
            let check = SourceCheck { source, contract, sample };
            tranche_ingest::check_mapping(check, &raw_rows, file, &mut problems);
        }
        check_pipeline(pipeline, definitions, &session, &mut problems).await?;
        check_steps(pipeline, actions, &mut problems);
    }
    // A contract that cannot be read is the mistake, not everything that refers to its table.
    let is_unreadable = |table: &String| definitions.unreadable.contains(table);
    let problems = problems.without(|problem| problem.missing_table.as_ref().is_some_and(is_unreadable));
    if problems.is_empty() { Ok(()) } else { Err(Failure::problems(problems)) }
}

async fn check_pipeline(
    pipeline: &PipelineDefinitions,
    definitions: &ProjectDefinitions,
    session: &Session,
    problems: &mut Problems,
) -> Result<(), Failure> {
    tranche_segment::check(&pipeline.definitions, session, problems).await?;
    tranche_metric::check(&pipeline.metrics, &definitions.contracts, session, problems);
    tranche_experiment::check(
        &pipeline.experiments,
        &pipeline.definitions,
        &pipeline.metrics,
        session,
        problems,
    );
    tranche_report::check(&pipeline.reports, &pipeline.definitions, &pipeline.metrics, problems);
    Ok(())
}

fn check_steps(definitions: &PipelineDefinitions, actions: &Actions, problems: &mut Problems) {
    let (Some(pipeline), Some(file)) = (&definitions.pipeline, &definitions.manifest) else { return };
    for step in &pipeline.steps {
        // A name that is no action was reported where the step was read.
        if let Ok(action) = actions.of(step) {
            action.check(step, definitions, file, problems);
        }
    }
}

fn check_contract(
    contract: &Contract,
    definitions: &ProjectDefinitions,
    session: &Session,
    problems: &mut Problems,
) {
    let Some(file) = definitions.contract_files.get(&contract.table) else { return };
    // A contract has lost where its checks stand.
    let spec: Option<ContractSpec> = yaml::read(file, &mut Problems::default());
    let columns = spec.map(|spec| spec.columns.value).unwrap_or_default();
    let checks: Vec<Spanned<String>> = columns.into_iter().filter_map(|column| column.check).collect();
    for column in &contract.columns {
        let Some(check) = &column.check else { continue };
        let Ok(schema) = datafusion::common::DFSchema::try_from(contract.arrow_schema().as_ref().clone())
        else {
            continue;
        };
        if let Err(problem) = session.expression(check, &schema) {
            let spanned = checks.iter().find(|spanned| spanned.value == *check);
            let at = spanned.map_or(problem.position, |spanned| file.inside(spanned, problem.position));
            let message = format!("check of `{}`: {}", column.name, problem.message);
            problems.push(file.problem(at, message).with_help_if(problem.help));
        }
    }
}
