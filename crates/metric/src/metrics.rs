//! The metrics of a pipeline: validated, and checked against the contracts.

mod check;
mod validate;

use std::collections::BTreeSet;
use std::time::Duration;

use indexmap::IndexMap;
use tranche_project::{DefinitionKind, Problems, Project, SourceFile, Spanned, yaml};

use crate::spec::MetricSpec;
pub use check::check;
pub(crate) use check::expression;
use validate::validate;

/// The metrics of a pipeline, by name.
#[derive(Debug, Clone, Default)]
pub struct Metrics(pub IndexMap<String, Metric>);

/// A fact aggregated per unit.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// What it measures, in words.
    pub description: Option<String>,
    /// How it is made.
    pub kind: MetricKind,
    /// The unit of its values.
    pub unit: Option<String>,
    /// Which way is good.
    pub direction: Direction,
    /// Values above this are counted as this.
    pub cap: Option<Cap>,
    /// How long facts count, when not as long as whoever measures it says.
    pub window: Option<Duration>,
    /// How long after exposure facts begin to count.
    pub delay: Duration,
    /// What a unit without a fact counts as.
    pub missing: Missing,
    /// Where it is defined.
    pub file: SourceFile,
}

/// How a metric is made.
#[derive(Debug, Clone)]
pub enum MetricKind {
    /// The mean over units of the fact's aggregate.
    Mean(Fact),
    /// The share of units with the fact.
    Proportion(Fact),
    /// The mean number of events per unit.
    Count(Fact),
    /// The total of one metric over the total of another.
    Ratio {
        /// The metric above the line.
        numerator: Spanned<String>,
        /// The metric below it.
        denominator: Spanned<String>,
    },
    /// A quantile of the fact.
    Quantile {
        /// What is measured.
        fact: Fact,
        /// Which quantile, in (0, 1).
        level: f64,
        /// What is ranked.
        over: Over,
    },
    /// The share of units with the fact in a stretch of time after exposure, of those for whom it is over.
    Retention {
        /// What makes a unit retained.
        fact: Fact,
        /// The first instant that counts, so long after exposure.
        from: Duration,
        /// The first instant that does not count any more.
        to: Duration,
    },
    /// The share of units that pass all steps, in order of time.
    Funnel {
        /// The steps.
        steps: Vec<Step>,
        /// How long after exposure steps count.
        within: Duration,
    },
}

/// What a quantile ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The aggregated values of units.
    Units,
    /// The values of events; those of a unit are a cluster.
    Events,
}

/// What a unit without a fact counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// As 0.
    Zero,
    /// As nothing: it is left out of the metric.
    Exclude,
}

/// A step of a funnel.
#[derive(Debug, Clone)]
pub struct Step {
    /// The event table.
    pub table: Spanned<String>,
    /// Which of its events are the step, as SQL.
    pub filter: Option<Spanned<String>>,
}

/// A measured value per event.
#[derive(Debug, Clone)]
pub struct Fact {
    /// The event table.
    pub table: Spanned<String>,
    /// The value of an event, as SQL.
    pub value: Option<Spanned<String>>,
    /// What becomes of a unit's values.
    pub aggregate: Aggregate,
    /// Which events count, as SQL.
    pub filter: Option<Spanned<String>>,
}

/// What becomes of a unit's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// Their sum; 0 without an event.
    Sum,
    /// Their number.
    Count,
    /// 1 with one, 0 without.
    Any,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    Increase,
    /// Less is better.
    Decrease,
}

/// Values above this are counted as this.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cap {
    /// A value.
    Value(f64),
    /// A quantile of all units, in [0, 1].
    Quantile(f64),
}

impl Metrics {
    /// Reads the metrics of a pipeline; problems are reported and what is unsound is left out.
    pub fn read(project: &Project, pipeline: &str, problems: &mut Problems) -> Self {
        let mut metrics: IndexMap<String, Metric> = IndexMap::new();
        for file in project.definitions(pipeline, DefinitionKind::Metric) {
            let Some(spec) = yaml::read::<MetricSpec>(file, problems) else { continue };
            let at = spec.metric.referenced;
            let Some(metric) = validate(spec, file, problems) else { continue };
            if let Some(other) = metrics.get(&metric.name) {
                let message = format!("metric `{}` is already defined in {}", metric.name, other.file.path());
                problems.report(file, at, message);
                continue;
            }
            metrics.insert(metric.name.clone(), metric);
        }
        Self(metrics)
    }

    /// The metric with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Metric> {
        self.0.get(name)
    }

    /// The fact tables that metrics are made from.
    pub fn tables<'a>(&'a self, metrics: impl IntoIterator<Item = &'a Metric>) -> BTreeSet<&'a str> {
        let parts = metrics.into_iter().flat_map(|metric| self.parts(metric));
        parts.flat_map(Metric::own_tables).map(|table| table.value.as_str()).collect()
    }

    /// The metrics with a fact of their own that a metric is made of.
    pub(crate) fn parts<'a>(&'a self, metric: &'a Metric) -> Vec<&'a Metric> {
        match &metric.kind {
            MetricKind::Ratio { numerator, denominator } => {
                [numerator, denominator].into_iter().filter_map(|name| self.get(&name.value)).collect()
            }
            _ => vec![metric],
        }
    }

    /// The message for a metric that is not there.
    #[must_use]
    pub fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
        format!(
            "there is no metric `{name}`; metrics/ defines {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        )
    }
}

impl Metric {
    /// The fact of a metric that has one of its own.
    #[must_use]
    pub fn fact(&self) -> Option<&Fact> {
        match &self.kind {
            MetricKind::Mean(fact)
            | MetricKind::Proportion(fact)
            | MetricKind::Count(fact)
            | MetricKind::Quantile { fact, .. }
            | MetricKind::Retention { fact, .. } => Some(fact),
            MetricKind::Ratio { .. } | MetricKind::Funnel { .. } => None,
        }
    }

    /// The tables that its own facts are in.
    fn own_tables(&self) -> Vec<&Spanned<String>> {
        match &self.kind {
            MetricKind::Funnel { steps, .. } => steps.iter().map(|step| &step.table).collect(),
            _ => self.fact().map(|fact| &fact.table).into_iter().collect(),
        }
    }

    /// Whether a ratio can be made of it: it adds something up per unit.
    #[must_use]
    pub fn is_additive(&self) -> bool {
        matches!(self.kind, MetricKind::Mean(_) | MetricKind::Proportion(_) | MetricKind::Count(_))
    }
}
