//! `report`: KPIs per segment, as a page and a document.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::json;
use tranche_experiment::store::{ESTIMATES_TABLE, SERIES_TABLE};
use tranche_pipeline::{Step, StepOutcome};
use tranche_report::{BuildContext, Report};
use tranche_schema::{layout, platform};
use tranche_scorecard::ExperimentResult;
use tranche_segment::EVERYONE;
use tranche_segment::store::HISTORY_TABLE;
use tranche_sql::Session;

use crate::action::{Action, ActionContext, targets};
use crate::definitions::PipelineDefinitions;
use crate::failure::Failure;
use crate::lineage::{Datasets, LineageScope};

/// Makes reports.
pub(super) struct MakeReport;

#[async_trait]
impl Action for MakeReport {
    fn name(&self) -> &'static str {
        "report"
    }

    fn target(&self) -> &'static str {
        "report"
    }

    fn has_target(&self, name: &str, pipeline: &PipelineDefinitions) -> bool {
        pipeline.reports.contains_key(name)
    }

    async fn datasets(&self, step: &Step, scope: &LineageScope<'_>) -> Result<Datasets, Failure> {
        let mut tables = BTreeSet::new();
        for report in targets(step, &scope.pipeline.reports) {
            tables.extend(tables_of(report, scope).await?);
        }
        let mut inputs: Vec<_> = scope.contracts(|table| tables.contains(table)).collect();
        inputs.push(scope.platform(HISTORY_TABLE, &platform::segment_history::schema()));
        inputs.push(scope.platform(ESTIMATES_TABLE, &platform::estimates::schema()));
        inputs.push(scope.platform(SERIES_TABLE, &platform::estimate_series::schema()));
        inputs.push(scope.platform(layout::LOADS.folder, &platform::loads::schema()));
        for source in scope.pipeline.sources.keys() {
            let folder = layout::QUARANTINE.of(source);
            inputs.push(scope.platform(&folder, &platform::quarantine::schema()));
        }
        let outputs = vec![scope.platform(layout::KPIS.folder, &platform::kpis::schema())];
        Ok(Datasets { inputs, outputs })
    }

    async fn run(&self, step: &Step, context: &ActionContext<'_>) -> Result<StepOutcome, Failure> {
        let mut outcome = StepOutcome::default();
        let mut pages = Vec::new();
        for report in targets(step, &context.pipeline.reports) {
            context.run.progress.report(report.name.clone());
            let published = publish(report, context).await?;
            outcome.rows_read += published.rows_read;
            outcome.rows_written += published.rows_written;
            pages.push(json!({"report": report.name, "page": published.page}));
        }
        outcome.detail = json!({"reports": pages});
        Ok(outcome)
    }
}

/// A report that was made.
pub(crate) struct PublishedReport {
    /// Where its page is.
    pub(crate) page: String,
    rows_read: u64,
    rows_written: u64,
}

/// Makes one report.
pub(crate) async fn publish(
    report: &Report,
    context: &ActionContext<'_>,
) -> Result<PublishedReport, Failure> {
    let (resources, pipeline, run) = (context.resources, context.pipeline, context.run);
    let (session, tables) = resources.session(run.as_of).await?;
    let zone = &resources.definitions.settings.timezone;
    let experiments = results(&session, context).await?;
    let build = BuildContext {
        lake: &resources.lake,
        engine: &resources.engine,
        session: &session,
        definitions: &pipeline.definitions,
        metrics: &pipeline.metrics,
        experiments: &experiments,
        tables: &tables,
        sources: pipeline.sources.keys().cloned().collect(),
        pipeline: &run.pipeline,
        run_id: &run.run_id,
        zone,
    };
    let (document, rows_read) = tranche_report::build(report, &build).await?;
    let published =
        tranche_report::publish(report, &document, &resources.lake, &session, zone, &run.transaction).await?;
    Ok(PublishedReport { page: published.page, rows_read, rows_written: published.rows })
}

/// What the pipeline's experiments showed.
async fn results(session: &Session, context: &ActionContext<'_>) -> Result<Vec<ExperimentResult>, Failure> {
    let mut results = Vec::new();
    for name in context.pipeline.experiments.keys() {
        results.extend(tranche_experiment::store::read(&context.resources.lake, session, name).await?);
    }
    Ok(results)
}

/// The tables of contracts that a report is made from: the facts of its KPIs, and those from which its segments are replayed.
async fn tables_of(report: &Report, scope: &LineageScope<'_>) -> Result<BTreeSet<String>, Failure> {
    let metrics = &scope.pipeline.metrics;
    let chosen = report.kpis.iter().filter_map(|kpi| metrics.get(&kpi.metric.value));
    let mut tables: BTreeSet<String> = metrics.tables(chosen).into_iter().map(str::to_owned).collect();
    let segments: Vec<String> =
        report.segments.iter().map(|name| name.value.clone()).filter(|name| name != EVERYONE).collect();
    for entity in entities_of(report, scope) {
        tables.extend(scope.tables_of_segments(entity, &segments).await?);
    }
    Ok(tables)
}

/// Whose members a report counts: the entities of its segments, or all there are.
fn entities_of<'a>(report: &Report, scope: &LineageScope<'a>) -> BTreeSet<&'a str> {
    let definitions = &scope.pipeline.definitions;
    let named = report.segments.iter().filter_map(|name| definitions.definition_of(&name.value));
    let entities: BTreeSet<&str> = named.map(|definition| definition.entity.as_str()).collect();
    if entities.is_empty() {
        return definitions.contracts.values().filter_map(|contract| contract.entity()).collect();
    }
    entities
}
