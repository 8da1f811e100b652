//! The values of units: which metrics are measured of which population, and over which span of time.

use std::sync::Arc;

use jiff::Timestamp;
use tranche_incremental::StateStore;
use tranche_metric::{FactsRead, Measurement, Metric, MetricError, Population, Span, UnitValues, Wanted};

use super::exposed::Exposed;
use super::status::Observed;
use crate::context::MeasureContext;
use crate::definition::Experiment;
use crate::error::ExperimentError;

/// The requests of all experiments together, so that every fact table is read once.
#[derive(Default)]
pub(crate) struct ValuesPlan<'a> {
    experiments: Vec<&'a str>,
    populations: Vec<Population>,
    /// Units that are a population already, with the instant before which facts count.
    known: Vec<(Arc<Exposed>, Timestamp, PopulationId)>,
    requests: Vec<Request<'a>>,
}

/// A population of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PopulationId(usize);

/// A handle on the values of one request.
#[derive(Debug)]
pub(crate) struct ValuesId(usize);

struct Request<'a> {
    population: PopulationId,
    span: Span,
    metrics: Vec<&'a Metric>,
}

/// The values of all requests, and how facts were read for them.
pub(crate) struct MeasuredValues {
    by_request: Vec<UnitValues>,
    /// How the facts of each table were read.
    pub(crate) facts: Vec<FactsRead>,
}

impl<'a> ValuesPlan<'a> {
    /// The units of an experiment that count, as a population; experiments with the same units share it.
    pub(crate) fn units(&mut self, observed: &Observed<'a>) -> PopulationId {
        let Observed { experiment, units, until, .. } = observed;
        let is_same = |(known, at, _): &&(Arc<Exposed>, Timestamp, PopulationId)| {
            Arc::ptr_eq(known, units) && at == until
        };
        if let Some((_, _, id)) = self.known.iter().find(is_same) {
            let id = *id;
            self.experiments.push(&experiment.name);
            return id;
        }
        let (keys, at) = (Arc::clone(&units.keys), units.at.clone());
        let (name, entity) = (experiment.name.clone(), experiment.entity.clone());
        let id = self.population(experiment, Population { name, entity, keys, at, until: *until });
        self.known.push((Arc::clone(units), *until, id));
        id
    }

    /// A population for an experiment.
    pub(crate) fn population(&mut self, experiment: &'a Experiment, population: Population) -> PopulationId {
        self.experiments.push(&experiment.name);
        self.populations.push(population);
        PopulationId(self.populations.len() - 1)
    }

    /// Requests the values of metrics.
    pub(crate) fn request(
        &mut self,
        population: PopulationId,
        span: Span,
        metrics: Vec<&'a Metric>,
    ) -> ValuesId {
        self.requests.push(Request { population, span, metrics });
        ValuesId(self.requests.len() - 1)
    }

    /// Measures all requests; from the saved state of an earlier measurement, where there is one.
    ///
    /// # Errors
    /// [`ExperimentError`] with who is at fault.
    pub(crate) async fn measure(
        &self,
        context: &MeasureContext<'_>,
        state: Option<&StateStore<'_>>,
    ) -> Result<MeasuredValues, ExperimentError> {
        let wanted: Vec<Wanted<'_>> = self
            .requests
            .iter()
            .map(|Request { population, span, metrics }| Wanted {
                population: &self.populations[population.0],
                span: *span,
                metrics: metrics.clone(),
            })
            .collect();
        let failed = |source| self.failed(source);
        let mut measurement = Measurement::new(&wanted, context.facts()).map_err(failed)?;
        let mut facts = Vec::new();
        for table in measurement.tables() {
            facts.push(measurement.read(&table, state).await.map_err(failed)?);
        }
        Ok(MeasuredValues { by_request: measurement.into_values(), facts })
    }

    fn failed(&self, source: MetricError) -> ExperimentError {
        let experiment = match &source {
            MetricError::Mismatch(mismatch) => mismatch.population.clone(),
            _ => self.experiments.join(", "),
        };
        ExperimentError::Metric { experiment, source }
    }
}

impl MeasuredValues {
    /// The values of a request.
    pub(crate) fn take(&mut self, id: ValuesId) -> UnitValues {
        self.by_request.get_mut(id.0).map(std::mem::take).unwrap_or_default()
    }
}
