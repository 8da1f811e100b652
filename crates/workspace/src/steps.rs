//! The steps of a pipeline: what `ingest`, `refresh`, `measure`, `report` and `maintain` mean.

use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexSet;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tracing::Instrument;
use tranche_experiment::{Experiment, MeasureContext, Memory};
use tranche_ingest::LoadContext;
use tranche_pipeline::{
    Clock, FailureClass, Step, StepContext, StepFailure, StepOutcome, StepRunner, SystemClock, Targets,
};
use tranche_report::BuildContext;
use tranche_segment::SegmentError;
use tranche_segment::refresh::{RefreshContext, refresh};
use tranche_sql::keys::Sample;
use tranche_sql::{Engine, Session, Tables};
use tranche_store::{Lake, Storage};

use crate::definitions::{PipelineDefinitions, ProjectDefinitions};
use crate::failure::Failure;
use crate::maintenance::Maintenance;
use crate::progress::Progress;

/// What every step works with.
#[derive(Clone)]
pub struct Steps {
    pub definitions: Arc<ProjectDefinitions>,
    pub engine: Engine,
    pub storage: Arc<Storage>,
    pub lake: Lake,
    pub folder: std::path::PathBuf,
    pub started_at: Timestamp,
    pub progress: Arc<dyn Progress>,
}

#[async_trait]
impl StepRunner for Steps {
    /// Each step runs on a task of its own, which ends when this future is dropped.
    async fn run(&self, step: &Step, context: &StepContext) -> Result<StepOutcome, StepFailure> {
        let (steps, step, context) = (self.clone(), step.clone(), context.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { steps.work(&step, &context).await }.in_current_span());
        match task.join_next().await {
            Some(Ok(outcome)) => outcome.map_err(|failure| StepFailure::new(failure.class, failure.message)),
            Some(Err(error)) => {
                Err(StepFailure::new(FailureClass::Internal, format!("the step stopped: {error}")))
            }
            None => Err(StepFailure::new(FailureClass::Internal, "the step did not start")),
        }
    }
}

impl Steps {
    async fn work(&self, step: &Step, context: &StepContext) -> Result<StepOutcome, Failure> {
        let pipeline = self.definitions.pipeline(&context.pipeline)?;
        match step.action.as_str() {
            "ingest" => self.ingest(step, context, pipeline).await,
            "refresh" => self.refresh(step, context, pipeline).await,
            "measure" => self.measure(step, context, pipeline).await,
            "maintain" => self.maintain(step, context).await,
            _ => self.report(step, context, pipeline).await,
        }
    }

    async fn ingest(
        &self,
        step: &Step,
        context: &StepContext,
        pipeline: &PipelineDefinitions,
    ) -> Result<StepOutcome, Failure> {
        let session = self.engine.session_with(context.as_of, vec![Arc::new(tranche_sql::NumericText)]);
        let mut outcome = StepOutcome::default();
        let mut reports = Vec::new();
        for name in named(step, pipeline.sources.keys()) {
            let Some((source, _)) = pipeline.sources.get(&name) else { continue };
            let Some(contract) = self.definitions.contracts.get(&source.into.value) else { continue };
            let progress = |done: usize, all: usize| {
                self.progress.message(&step.id, format!("{name}: {done} of {all} files"))
            };
            let load = LoadContext {
                lake: &self.lake,
                storage: &self.storage,
                project_folder: &self.folder,
                session: &session,
                run_id: &context.run_id,
                started_at: self.started_at,
                transaction: &context.transaction,
                progress: &progress,
            };
            let report = tranche_ingest::load(source, contract, &load).await?;
            outcome.rows_read += report.rows;
            outcome.rows_written += report.written;
            reports.push(report);
        }
        outcome.detail = json!({"sources": reports});
        Ok(outcome)
    }

    async fn refresh(
        &self,
        step: &Step,
        context: &StepContext,
        pipeline: &PipelineDefinitions,
    ) -> Result<StepOutcome, Failure> {
        let (session, tables) = self.session(context.as_of).await?;
        let wanted = match &step.targets {
            Targets::All => None,
            Targets::Named(names) => Some(names.iter().map(|name| name.value.clone()).collect::<Vec<_>>()),
        };
        let refresh_context = RefreshContext {
            lake: &self.lake,
            tables: &tables,
            session: &session,
            pipeline: &context.pipeline,
            full: context.full,
            transaction: &context.transaction,
        };
        let report = match refresh(&pipeline.definitions, wanted.as_deref(), &refresh_context).await {
            Ok(report) => report,
            // A slot that is run late, or anew, finds memberships of later instants: history is not rewritten by the way.
            Err(SegmentError::Earlier { last, .. }) if context.slot.is_some() => {
                let kept = format!("memberships stay as they are: the last refresh was as of {last}");
                return Ok(StepOutcome { detail: json!({"kept": kept}), ..StepOutcome::default() });
            }
            Err(error) => return Err(error.into()),
        };
        Ok(StepOutcome {
            rows_read: report.rows_read,
            rows_written: report.rows_written,
            detail: json!({"segments": report.segments}),
        })
    }

    async fn measure(
        &self,
        step: &Step,
        context: &StepContext,
        pipeline: &PipelineDefinitions,
    ) -> Result<StepOutcome, Failure> {
        let (session, tables) = self.session(context.as_of).await?;
        let measure = MeasureContext {
            tables: &tables,
            engine: &self.engine,
            session: &session,
            definitions: &pipeline.definitions,
            metrics: &pipeline.metrics,
            memory: Some(Memory {
                lake: &self.lake,
                pipeline: &context.pipeline,
                step: &step.id,
                full: context.full,
                sample: Sample::default(),
            }),
        };
        let mut outcome = StepOutcome::default();
        let mut summaries = Vec::new();
        let experiments: Vec<&Experiment> = named(step, pipeline.experiments.keys())
            .iter()
            .filter_map(|name| pipeline.experiments.get(name))
            .collect();
        let mut earlier = Vec::new();
        for experiment in &experiments {
            let stored =
                tranche_experiment::store::read_without_series(&self.lake, &session, &experiment.name)
                    .await?;
            earlier.push(stored.and_then(|result| result.plan));
        }
        let names: Vec<&str> = experiments.iter().map(|experiment| experiment.name.as_str()).collect();
        self.progress.message(&step.id, names.join(", "));
        let wanted: Vec<_> = experiments.iter().copied().zip(earlier.iter().map(Option::as_ref)).collect();
        let measured = tranche_experiment::measure(&wanted, &measure).await?;
        outcome.rows_read += measured.rows_read;
        outcome.rows_written +=
            tranche_experiment::store::write(&measured.results, &self.lake, &session, &context.transaction)
                .await?;
        for result in &measured.results {
            summaries.push(json!({
                "experiment": result.experiment, "estimates": result.estimates.len(), "trustworthy": result.trustworthy,
                "notes": result.notes,
            }));
        }
        outcome.detail = json!({"experiments": summaries, "facts": measured.facts});
        Ok(outcome)
    }

    async fn maintain(&self, step: &Step, context: &StepContext) -> Result<StepOutcome, Failure> {
        let progress = |message: String| self.progress.message(&step.id, message);
        let maintenance = Maintenance {
            lake: &self.lake,
            definitions: &self.definitions,
            session: &self.engine.session(context.as_of),
            now: SystemClock.now(),
            progress: &progress,
        };
        maintenance.run().await
    }

    async fn report(
        &self,
        step: &Step,
        context: &StepContext,
        pipeline: &PipelineDefinitions,
    ) -> Result<StepOutcome, Failure> {
        let mut outcome = StepOutcome::default();
        let mut pages = Vec::new();
        for name in named(step, pipeline.reports.keys()) {
            self.progress.message(&step.id, name.clone());
            let (page, rows_read, rows_written) = self.publish(&name, context, pipeline).await?;
            outcome.rows_read += rows_read;
            outcome.rows_written += rows_written;
            pages.push(json!({"report": name, "page": page}));
        }
        outcome.detail = json!({"reports": pages});
        Ok(outcome)
    }

    /// Makes one report; returns where its page is, the rows read and the rows written.
    pub async fn publish(
        &self,
        name: &str,
        context: &StepContext,
        pipeline: &PipelineDefinitions,
    ) -> Result<(String, u64, u64), Failure> {
        let report = pipeline
            .reports
            .get(name)
            .ok_or_else(|| Failure::definition(format!("there is no report `{name}`")))?;
        let (session, tables) = self.session(context.as_of).await?;
        let build = BuildContext {
            lake: &self.lake,
            engine: &self.engine,
            session: &session,
            definitions: &pipeline.definitions,
            metrics: &pipeline.metrics,
            experiments: self.results(&session, pipeline).await?,
            tables: &tables,
            sources: pipeline.sources.keys().cloned().collect(),
            pipeline: &context.pipeline,
            run_id: &context.run_id,
            zone: &self.definitions.settings.timezone,
        };
        let (document, rows_read) = tranche_report::build(report, &build).await?;
        let zone = &self.definitions.settings.timezone;
        let published =
            tranche_report::publish(report, &document, &self.lake, &session, zone, &context.transaction)
                .await?;
        Ok((published.page, rows_read, published.rows))
    }

    async fn results(
        &self,
        session: &Session,
        pipeline: &PipelineDefinitions,
    ) -> Result<Vec<Value>, Failure> {
        let mut results = Vec::new();
        for name in pipeline.experiments.keys() {
            if let Some(result) = tranche_experiment::store::read(&self.lake, session, name).await? {
                results.push(serde_json::to_value(result).map_err(|e| Failure::internal(e.to_string()))?);
            }
        }
        Ok(results)
    }

    /// The tables of the contracts, and a session over them.
    async fn session(&self, as_of: Timestamp) -> Result<(Session, Tables), Failure> {
        let tables = Tables::open(&self.lake, self.definitions.contracts.values()).await?;
        Ok((self.engine.session_over(&tables, as_of).await?, tables))
    }
}

/// The names that a step is about, each once.
fn named<'a>(step: &Step, all: impl Iterator<Item = &'a String>) -> IndexSet<String> {
    match &step.targets {
        Targets::All => all.cloned().collect(),
        Targets::Named(names) => names.iter().map(|name| name.value.clone()).collect(),
    }
}
