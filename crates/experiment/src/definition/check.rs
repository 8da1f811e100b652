//! Experiments held against what they name: contracts, metrics and segments.

mod statistics;

use arrow::datatypes::DataType;
use indexmap::IndexMap;
use tranche_metric::Metrics;
use tranche_project::{Position, Problems};
use tranche_schema::Contract;
use tranche_segment::{Definitions, EVERYONE};
use tranche_sql::Session;

use super::experiment::Experiment;

/// Checks experiments against contracts, metrics and segments; reports every problem.
pub fn check(
    experiments: &IndexMap<String, Experiment>,
    definitions: &Definitions,
    metrics: &Metrics,
    session: &Session,
    problems: &mut Problems,
) {
    for experiment in experiments.values() {
        let file = &experiment.file;
        if definitions.entity_contract(&experiment.entity).is_none() {
            let message = format!("no contract defines the entity `{}`", experiment.entity);
            problems.report(file, Position::START, message);
        }
        match definitions.contracts.get(&experiment.table.value) {
            None => {
                let table = &experiment.table;
                let message = format!("there is no table `{}`", table.value);
                problems.push(file.problem(table.referenced, message).with_missing_table(&table.value));
            }
            Some(contract) => check_exposure(experiment, contract, session, problems),
        }
        for choice in &experiment.metrics {
            if metrics.get(&choice.metric.value).is_none() {
                problems.report(file, choice.metric.referenced, metrics.unknown(&choice.metric.value));
            }
        }
        statistics::check(experiment, definitions, metrics, problems);
        for segment in experiment.segments.iter().chain(&experiment.statistics.strata) {
            if segment.value != EVERYONE && definitions.definition_of(&segment.value).is_none() {
                problems.report(file, segment.referenced, format!("there is no segment `{}`", segment.value));
            }
        }
    }
}

fn check_exposure(experiment: &Experiment, contract: &Contract, session: &Session, problems: &mut Problems) {
    let file = &experiment.file;
    if contract.event_time().is_none() {
        problems.report(
            file,
            experiment.table.referenced,
            format!("`{}` is not an event table", contract.table),
        );
    }
    if contract.entity_column(&experiment.entity).is_none() {
        let message =
            format!("table `{}` does not say which column names a `{}`", contract.table, experiment.entity);
        problems.report(file, experiment.table.referenced, message);
    }
    for column in std::iter::once(&experiment.variant).chain(&experiment.at) {
        if contract.column(&column.value).is_none() {
            let known: Vec<&str> = contract.columns.iter().map(|c| c.name.as_str()).collect();
            let message = format!(
                "table `{}` has no column `{}`; it has {}",
                contract.table,
                column.value,
                known.join(", ")
            );
            problems.report(file, column.referenced, message);
        }
    }
    if let Some(filter) = &experiment.filter
        && let Err(problem) = session.row_expression(contract, &filter.value)
    {
        problems.push(
            file.problem(file.inside(filter, problem.position), problem.message).with_help_if(problem.help),
        );
    }
    if let Some(at) = &experiment.at
        && contract.column(&at.value).is_some_and(|c| !matches!(c.data_type, DataType::Timestamp(..)))
    {
        problems.report(file, at.referenced, format!("`{}` is not a timestamp", at.value));
    }
}
