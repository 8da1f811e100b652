//! An action of its own, `count`: how many rows the tables of contracts have. An example of what a kind of step takes.

use async_trait::async_trait;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tranche_pipeline::{Ledger, RunPlan, RunStatus, Step, StepOutcome, SystemClock, execute, new_run_id};
use tranche_sql::dialect::AsWritten;
use tranche_workspace::lineage::{Datasets, LineageScope};
use tranche_workspace::{Action, ActionContext, Failure, PipelineDefinitions, actions, targets};

use crate::project::Fixture;

/// Counts the rows of tables.
struct CountRows;

#[async_trait]
impl Action for CountRows {
    fn name(&self) -> &'static str {
        "count"
    }

    fn target(&self) -> &'static str {
        "table"
    }

    fn has_target(&self, name: &str, pipeline: &PipelineDefinitions) -> bool {
        pipeline.definitions.contracts.contains_key(name)
    }

    async fn datasets(&self, step: &Step, scope: &LineageScope<'_>) -> Result<Datasets, Failure> {
        let counted = targets(step, &scope.pipeline.definitions.contracts);
        let inputs = scope.contracts(|table| counted.iter().any(|contract| contract.table == table));
        Ok(Datasets { inputs: inputs.collect(), outputs: Vec::new() })
    }

    async fn run(&self, step: &Step, context: &ActionContext<'_>) -> Result<StepOutcome, Failure> {
        let (session, _) = context.resources.session(context.run.as_of).await?;
        let mut rows = serde_json::Map::new();
        for contract in targets(step, &context.pipeline.definitions.contracts) {
            let plan = session.plan(&format!("SELECT * FROM {}", contract.table), &AsWritten).await;
            let plan = plan.map_err(|problem| Failure::definition(problem.message))?;
            rows.insert(contract.table.clone(), json!(session.collect(&plan).await?.rows()));
        }
        Ok(StepOutcome { detail: json!({ "rows": rows }), ..StepOutcome::default() })
    }
}

const PIPELINE: &str = "version: 1
pipeline: shop
steps:
  - {id: load, ingest: all}
  - {id: count, count: [people, purchases], needs: [load]}
";

#[tokio::test]
async fn an_action_of_ones_own_runs_in_a_pipeline() {
    let fixture = Fixture::new(PIPELINE, actions::standard().with(CountRows));
    let tranche = &fixture.tranche;
    tranche.check().await.unwrap();
    let pipeline = tranche.definitions.pipeline("shop").unwrap().pipeline.clone().unwrap();
    let ledger: Ledger = tranche.ledger().unwrap();
    let plan = RunPlan {
        run_id: new_run_id(&SystemClock),
        pipeline: pipeline.clone(),
        slot: None,
        as_of: fixture.as_of(),
        full: false,
        restatement: 0,
        definitions: ledger.pin(&tranche.definitions.project).await.unwrap(),
        resumes: None,
    };
    let runner = tranche.runner().unwrap();
    let report = execute(&plan, &runner, &ledger, &(), &SystemClock, CancellationToken::new()).await.unwrap();
    assert_eq!(report.status, RunStatus::Done, "{report:?}");
    assert_eq!(report.steps[1].detail, json!({"rows": {"people": 4, "purchases": 3}}));
    let datasets = tranche.datasets(&pipeline).await.unwrap();
    let inputs: Vec<&str> = datasets["count"].inputs.iter().map(|dataset| dataset.name()).collect();
    assert_eq!(inputs, ["tables/people", "tables/purchases"]);
}

#[tokio::test]
async fn a_target_that_is_not_there_is_a_problem_at_its_place() {
    let fixture = Fixture::new(
        "version: 1\npipeline: shop\nsteps:\n  - {id: count, count: [poeple]}\n",
        actions::standard().with(CountRows),
    );
    let failure = fixture.tranche.check().await.unwrap_err();
    let problems: Vec<String> = failure
        .diagnostics
        .iter()
        .map(|problem| format!("{}:{}:{}: {}", problem.file, problem.line, problem.column, problem.message))
        .collect();
    assert_eq!(problems, ["pipelines/shop/pipeline.yaml:4:25: there is no table `poeple`"]);
}
