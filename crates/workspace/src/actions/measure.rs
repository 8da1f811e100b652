//! `measure`: the estimates of experiments.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::json;
use tranche_experiment::store::{ESTIMATES_TABLE, SERIES_TABLE};
use tranche_experiment::{Experiment, MeasureContext};
use tranche_incremental::StateStore;
use tranche_pipeline::{Step, StepOutcome};
use tranche_schema::platform;
use tranche_segment::EVERYONE;
use tranche_sql::keys::Sample;

use crate::action::{Action, ActionContext, targets};
use crate::definitions::PipelineDefinitions;
use crate::failure::Failure;
use crate::lineage::{Datasets, LineageScope};

/// Measures experiments.
pub(super) struct Measure;

#[async_trait]
impl Action for Measure {
    fn name(&self) -> &'static str {
        "measure"
    }

    fn target(&self) -> &'static str {
        "experiment"
    }

    fn has_target(&self, name: &str, pipeline: &PipelineDefinitions) -> bool {
        pipeline.experiments.contains_key(name)
    }

    async fn datasets(&self, step: &Step, scope: &LineageScope<'_>) -> Result<Datasets, Failure> {
        let mut tables = BTreeSet::new();
        for experiment in targets(step, &scope.pipeline.experiments) {
            tables.extend(tables_of(experiment, scope).await?);
        }
        let inputs = scope.contracts(|table| tables.contains(table)).collect();
        let outputs = vec![
            scope.platform(ESTIMATES_TABLE, &platform::estimates::schema()),
            scope.platform(SERIES_TABLE, &platform::estimate_series::schema()),
        ];
        Ok(Datasets { inputs, outputs })
    }

    async fn run(&self, step: &Step, context: &ActionContext<'_>) -> Result<StepOutcome, Failure> {
        let lake = &context.resources.lake;
        let (session, tables) = context.resources.session(context.run.as_of).await?;
        let measure = MeasureContext {
            tables: &tables,
            engine: &context.resources.engine,
            session: &session,
            definitions: &context.pipeline.definitions,
            metrics: &context.pipeline.metrics,
            state: Some(StateStore {
                lake,
                pipeline: &context.run.pipeline,
                owner: &step.id,
                full: context.run.full,
                sample: Sample::default(),
            }),
        };
        let experiments = targets(step, &context.pipeline.experiments);
        let mut earlier = Vec::new();
        for experiment in &experiments {
            let stored =
                tranche_experiment::store::read_without_series(lake, &session, &experiment.name).await?;
            earlier.push(stored.and_then(|result| result.plan));
        }
        let names: Vec<&str> = experiments.iter().map(|experiment| experiment.name.as_str()).collect();
        context.run.progress.report(names.join(", "));
        let wanted: Vec<_> = experiments.iter().copied().zip(earlier.iter().map(Option::as_ref)).collect();
        let measured = tranche_experiment::measure(&wanted, &measure).await?;
        let transaction = &context.run.transaction;
        let rows_written =
            tranche_experiment::store::write(&measured.results, lake, &session, transaction).await?;
        let summaries = measured.results.iter().map(|result| {
            json!({
                "experiment": result.experiment, "estimates": result.estimates.len(), "trustworthy": result.trustworthy,
                "notes": result.notes,
            })
        });
        let detail = json!({"experiments": summaries.collect::<Vec<_>>(), "facts": measured.facts});
        Ok(StepOutcome { rows_read: measured.rows_read, rows_written, detail })
    }
}

/// The tables of contracts that an experiment is measured from: exposures, the entity's own, the facts of its metrics, and those from
/// which its segments and strata are replayed.
async fn tables_of(experiment: &Experiment, scope: &LineageScope<'_>) -> Result<BTreeSet<String>, Failure> {
    let metrics = &scope.pipeline.metrics;
    let chosen = experiment.metrics.iter().filter_map(|choice| metrics.get(&choice.metric.value));
    let mut tables: BTreeSet<String> = metrics.tables(chosen).into_iter().map(str::to_owned).collect();
    tables.insert(experiment.table.value.clone());
    let entity = scope.pipeline.definitions.entity_contract(&experiment.entity);
    tables.extend(entity.map(|contract| contract.table.clone()));
    let named = experiment.segments.iter().chain(&experiment.statistics.strata);
    let segments: Vec<String> =
        named.map(|name| name.value.clone()).filter(|name| name != EVERYONE).collect();
    if !segments.is_empty() {
        tables.extend(scope.tables_of_segments(&experiment.entity, &segments).await?);
    }
    Ok(tables)
}
