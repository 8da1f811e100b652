//! The metrics of a pipeline, by name.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use tranche_project::{DefinitionKind, Named, Problems, Project, yaml};

use super::metric::{Metric, MetricKind};
use super::spec::MetricSpec;
use super::validate::validate;

/// The metrics of a pipeline, by name.
#[derive(Debug, Clone, Default)]
pub struct Metrics(pub IndexMap<String, Metric>);

impl Metrics {
    /// Reads the metrics of a pipeline; problems are reported, and invalid metrics left out.
    pub fn read(project: &Project, pipeline: &str, problems: &mut Problems) -> Self {
        let mut metrics = Named::new("metric");
        for file in project.definitions(pipeline, DefinitionKind::Metric) {
            let Some(spec) = yaml::read::<MetricSpec>(file, problems) else { continue };
            let at = spec.metric.referenced;
            let Some(metric) = validate(spec, file, problems) else { continue };
            metrics.add(&metric.name.clone(), metric, file, at, problems);
        }
        Self(metrics.into_definitions().collect())
    }

    /// The metric with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Metric> {
        self.0.get(name)
    }

    /// The fact tables that metrics read.
    pub fn tables<'a>(&'a self, metrics: impl IntoIterator<Item = &'a Metric>) -> BTreeSet<&'a str> {
        let parts = metrics.into_iter().flat_map(|metric| self.parts(metric));
        parts.flat_map(Metric::own_tables).map(|table| table.value.as_str()).collect()
    }

    /// The metrics with facts of their own behind a metric: numerator and denominator of a ratio, else
    /// itself.
    pub(crate) fn parts<'a>(&'a self, metric: &'a Metric) -> Vec<&'a Metric> {
        match &metric.kind {
            MetricKind::Ratio { numerator, denominator } => {
                [numerator, denominator].into_iter().filter_map(|name| self.get(&name.value)).collect()
            }
            _ => vec![metric],
        }
    }

    /// The message for a name that no metric has.
    #[must_use]
    pub fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
        format!(
            "there is no metric `{name}`; metrics/ defines {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        )
    }
}
