//! Experiments: results, power, validation and assignment.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
pub use tranche_experiment::definition::Assigned;
pub use tranche_experiment::power::{PowerPlan, PowerRequest};
pub use tranche_experiment::validate::{InferenceKind, Validation, ValidationRequest, ValidationRow};
use tranche_experiment::{Experiment, MeasureContext, store};
use tranche_pipeline::{Clock, SystemClock};
pub use tranche_scorecard::{EstimateRow, ExperimentResult, MetricRole, Severity};
use tranche_segment::EVERYONE;
use tranche_sql::{Engine, Session, Tables};

use crate::definitions::PipelineDefinitions;
use crate::failure::Failure;
use crate::tranche::Tranche;

/// An experiment with its last measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExperimentRow {
    /// The experiment.
    pub experiment: String,
    /// Its pipeline.
    pub pipeline: String,
    /// What it is meant to show.
    pub hypothesis: Option<String>,
    /// The instant of the measurement.
    #[schemars(with = "Option<String>")]
    pub as_of: Option<Timestamp>,
    /// The units that were exposed.
    pub units: Option<u64>,
    /// Whether all checks of the data hold that must.
    pub trustworthy: Option<bool>,
    /// What follows from the result.
    pub decision: Option<String>,
}

/// Every experiment.
///
/// # Errors
/// [`Failure`] when the lake cannot be read.
pub async fn list(tranche: &Tranche) -> Result<Vec<ExperimentRow>, Failure> {
    let (lake, session) = (tranche.lake()?, tranche.engine.session(tranche.instant_or_latest(None)?));
    let mut rows = Vec::new();
    for (pipeline, definitions) in &tranche.definitions.pipelines {
        for (name, experiment) in &definitions.experiments {
            let result = store::read_without_series(&lake, &session, name).await?;
            let units = result.as_ref().map(|r| r.srm.observed.iter().map(|v| v.count).sum::<u64>());
            rows.push(ExperimentRow {
                experiment: name.clone(),
                pipeline: pipeline.clone(),
                hypothesis: experiment.hypothesis.clone(),
                as_of: result.as_ref().map(|r| r.as_of),
                units,
                trustworthy: result.as_ref().map(|r| r.trustworthy),
                decision: result.map(|r| r.decision.action),
            });
        }
    }
    Ok(rows)
}

/// What an experiment showed at an instant, or last.
///
/// # Errors
/// [`Failure`] when there is no such experiment, it was not measured yet, or the lake cannot be read.
pub async fn show(tranche: &Tranche, name: &str, as_of: Option<&str>) -> Result<ExperimentResult, Failure> {
    find(tranche, name)?;
    let session = tranche.engine.session(tranche.instant_or_latest(as_of)?);
    let result = store::read(&tranche.lake()?, &session, name).await?;
    result.ok_or_else(|| Failure::data(format!("experiment `{name}` was not measured yet; run its pipeline")))
}

/// The variants of units.
///
/// # Errors
/// [`Failure`] when there is no such experiment, or its file has a problem.
pub async fn assign(tranche: &Tranche, name: &str, ids: &[String]) -> Result<Vec<Assigned>, Failure> {
    let (_, experiment) = find(tranche, name)?;
    tranche.check_file(experiment.file.path()).await?;
    Ok(ids.iter().map(|id| experiment.assign(id)).collect())
}

/// How many units and days an experiment needs, from the history before an instant: unless it is given, the beginning of the
/// experiment's period, or now if that is to come.
///
/// # Errors
/// [`Failure`] when there is no such experiment or segment, its file has a problem, the request is not one, or the lake cannot be
/// read.
pub async fn power(
    tranche: &Tranche,
    name: &str,
    request: PowerRequest,
    as_of: Option<&str>,
) -> Result<PowerPlan, Failure> {
    let (pipeline, experiment) = find(tranche, name)?;
    tranche.check_file(experiment.file.path()).await?;
    let alpha = experiment.statistics.alpha;
    if !(request.power > alpha && request.power < 1.0) {
        return Err(Failure::definition(format!("--power must lie between alpha, {alpha}, and 1")));
    }
    if request.units_per_day.is_some_and(|units| !(units > 0.0 && units.is_finite())) {
        return Err(Failure::definition("--units-per-day must be more than 0"));
    }
    let segment = request.segment.clone().filter(|segment| segment != EVERYONE);
    if let Some(segment) = &segment
        && pipeline
            .definitions
            .definition_of(segment)
            .is_none_or(|definition| definition.entity != experiment.entity)
    {
        let known = pipeline.definitions.segments.keys().map(String::as_str);
        return Err(Failure::unknown("segment", segment, known, "`tranche segment list` shows all"));
    }
    let as_of = match as_of {
        Some(text) => tranche.instant(text)?,
        None => experiment.from.min(SystemClock.now()),
    };
    let history = History::before(as_of, tranche, pipeline).await?;
    Ok(tranche_experiment::power(experiment, &PowerRequest { segment, ..request }, &history.context())
        .await?)
}

/// Whether error rates and intervals hold on an experiment's own data before an instant, or now; `progress` receives the number of draws
/// that are done.
///
/// # Errors
/// [`Failure`] when there is no such experiment or metric, its file has a problem, or the lake cannot be read.
pub async fn validate(
    tranche: &Tranche,
    name: &str,
    request: &ValidationRequest,
    as_of: Option<&str>,
    progress: &(dyn Fn(usize) + Send + Sync),
) -> Result<Validation, Failure> {
    let (pipeline, experiment) = find(tranche, name)?;
    tranche.check_file(experiment.file.path()).await?;
    if request.iterations == 0 {
        return Err(Failure::definition("--iterations must be at least 1"));
    }
    let known = || experiment.metrics.iter().map(|choice| choice.metric.value.as_str());
    for metric in &request.metrics {
        if !known().any(|known| known == metric) {
            let otherwise = format!("`{name}` has {}", known().collect::<Vec<_>>().join(", "));
            return Err(Failure::unknown("metric", metric, known(), &otherwise));
        }
    }
    let as_of = match as_of {
        Some(text) => tranche.instant(text)?,
        None => SystemClock.now(),
    };
    let history = History::before(as_of, tranche, pipeline).await?;
    Ok(tranche_experiment::validate(experiment, request, &history.context(), &|done| progress(done)).await?)
}

/// What happened before an instant, from which an experiment is planned or validated.
struct History<'a> {
    engine: &'a Engine,
    pipeline: &'a PipelineDefinitions,
    tables: Tables,
    session: Session,
}

impl<'a> History<'a> {
    async fn before(
        as_of: Timestamp,
        tranche: &'a Tranche,
        pipeline: &'a PipelineDefinitions,
    ) -> Result<Self, Failure> {
        let engine = &tranche.engine;
        let tables = tranche.tables(&tranche.lake()?).await?;
        let session = engine.session_over(&tables, as_of).await?;
        Ok(Self { engine, pipeline, tables, session })
    }

    fn context(&self) -> MeasureContext<'_> {
        MeasureContext {
            tables: &self.tables,
            engine: self.engine,
            session: &self.session,
            definitions: &self.pipeline.definitions,
            metrics: &self.pipeline.metrics,
            state: None,
        }
    }
}

fn find<'a>(tranche: &'a Tranche, name: &str) -> Result<(&'a PipelineDefinitions, &'a Experiment), Failure> {
    let found = tranche.definitions.find(|pipeline| pipeline.experiments.get(name));
    let (_, pipeline, experiment) = found.ok_or_else(|| {
        Failure::definition(format!("there is no experiment `{name}`; `tranche experiment list` shows all"))
    })?;
    Ok((pipeline, experiment))
}
