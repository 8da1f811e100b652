//! The metrics of a pipeline: validated, and checked against the contracts.

use std::collections::BTreeSet;

use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable};
use indexmap::IndexMap;
use tranche_project::{DefinitionKind, Position, Problems, Project, SourceFile, Spanned, yaml};
use tranche_schema::Contract;
use tranche_sql::{Session, SqlProblem};

use crate::spec::{AggregateSpec, CapSpec, DirectionSpec, FactSpec, MetricSpec, TypeSpec};

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
        parts.filter_map(Metric::fact).map(|fact| fact.table.value.as_str()).collect()
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
            MetricKind::Mean(fact) | MetricKind::Proportion(fact) | MetricKind::Count(fact) => Some(fact),
            MetricKind::Ratio { .. } => None,
        }
    }
}

fn validate(spec: MetricSpec, file: &SourceFile, problems: &mut Problems) -> Option<Metric> {
    if spec.version.value != 1 {
        problems.report(
            file,
            spec.version.referenced,
            format!("version {} is not known; write `version: 1`", spec.version.value),
        );
    }
    let at = spec.kind.referenced;
    let fact = spec.fact.as_ref().map(|fact| fact.referenced);
    let needs_fact = |fact: Option<Spanned<FactSpec>>, problems: &mut Problems| match fact {
        Some(fact) => Some(fact.value),
        None => {
            problems.report(file, at, "a metric of this type needs a `fact:`");
            None
        }
    };
    let kind = match spec.kind.value {
        TypeSpec::Mean => MetricKind::Mean(to_fact(needs_fact(spec.fact, problems)?, file, problems)),
        TypeSpec::Proportion => {
            let mut fact = to_fact(needs_fact(spec.fact, problems)?, file, problems);
            // The share of units with an event, however the author asked for the events.
            fact.aggregate = Aggregate::Any;
            MetricKind::Proportion(fact)
        }
        TypeSpec::Count => {
            let mut fact = to_fact(needs_fact(spec.fact, problems)?, file, problems);
            fact.aggregate = Aggregate::Count;
            MetricKind::Count(fact)
        }
        TypeSpec::Ratio => {
            if let Some(fact) = fact {
                problems.report(
                    file,
                    fact,
                    "a ratio has `numerator:` and `denominator:`, two other metrics, and no fact of its own",
                );
            }
            let (Some(numerator), Some(denominator)) = (spec.numerator, spec.denominator) else {
                problems.report(file, at, "a ratio needs `numerator:` and `denominator:`, the names of two metrics");
                return None;
            };
            MetricKind::Ratio { numerator, denominator }
        }
        other => {
            let name = format!("{other:?}").to_lowercase();
            problems.report(file, at, format!("type `{name}` cannot be measured yet; use mean, proportion, count or ratio"));
            return None;
        }
    };
    if let (MetricKind::Ratio { .. }, Some(cap)) = (&kind, &spec.cap) {
        problems.report(file, cap.referenced, "a ratio has no cap of its own; cap the metrics that it is made of");
    }
    let cap = spec.cap.and_then(|cap| match cap.value {
        CapSpec { value: Some(value), quantile: None } => Some(Cap::Value(value)),
        CapSpec { value: None, quantile: Some(q) } if (0.0..=1.0).contains(&q) => Some(Cap::Quantile(q)),
        _ => {
            problems.report(file, cap.referenced, "a cap is `{value: ...}` or `{quantile: ...}`, the latter from 0 to 1");
            None
        }
    });
    Some(Metric {
        name: spec.metric.value,
        description: spec.description,
        kind,
        unit: spec.unit,
        direction: match spec.direction {
            DirectionSpec::Increase => Direction::Increase,
            DirectionSpec::Decrease => Direction::Decrease,
        },
        cap,
        file: file.clone(),
    })
}

fn to_fact(spec: FactSpec, file: &SourceFile, problems: &mut Problems) -> Fact {
    let aggregate = match spec.aggregate.value {
        AggregateSpec::Sum => Aggregate::Sum,
        AggregateSpec::Count => Aggregate::Count,
        AggregateSpec::Any => Aggregate::Any,
    };
    if aggregate == Aggregate::Sum && spec.value.is_none() {
        problems.report(file, spec.aggregate.referenced, "a sum needs `value:`, what to add up");
    }
    Fact { table: spec.table, value: spec.value, aggregate, filter: spec.filter }
}

/// Checks every metric against the contracts and each other; reports every problem.
pub fn check(metrics: &Metrics, contracts: &IndexMap<String, Contract>, session: &Session, problems: &mut Problems) {
    for metric in metrics.0.values() {
        match &metric.kind {
            MetricKind::Mean(fact) | MetricKind::Proportion(fact) | MetricKind::Count(fact) => {
                check_fact(metric, fact, contracts, session, problems);
            }
            MetricKind::Ratio { numerator, denominator } => {
                for part in [numerator, denominator] {
                    match metrics.get(&part.value) {
                        None => problems.report(&metric.file, part.referenced, metrics.unknown(&part.value)),
                        Some(other) if other.fact().is_none() => {
                            let message = format!("`{}` is a ratio itself; a ratio is made of metrics with a fact", part.value);
                            problems.report(&metric.file, part.referenced, message);
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
}

fn check_fact(metric: &Metric, fact: &Fact, contracts: &IndexMap<String, Contract>, session: &Session, problems: &mut Problems) {
    let Some(contract) = contracts.get(&fact.table.value) else {
        let known: Vec<&str> = contracts.values().filter(|c| c.event_time().is_some()).map(|c| c.table.as_str()).collect();
        let message = format!("there is no table `{}`; event tables are {}", fact.table.value, known.join(", "));
        return problems.report(&metric.file, fact.table.referenced, message);
    };
    if contract.event_time().is_none() {
        let message = format!("`{}` is not an event table; a fact is a value per event", fact.table.value);
        return problems.report(&metric.file, fact.table.referenced, message);
    }
    for sql in fact.value.iter().chain(&fact.filter) {
        if let Err(problem) = expression(&sql.value, contract, session) {
            let mut diagnostic = metric.file.problem(metric.file.inside(sql, problem.position), problem.message);
            diagnostic.help = problem.help;
            problems.push(diagnostic);
        }
    }
    if let Some(filter) = &fact.filter
        && let Ok((expr, schema)) = expression(&filter.value, contract, session)
        && expr.get_type(&schema).is_ok_and(|t| t != arrow::datatypes::DataType::Boolean && !t.is_null())
    {
        problems.report(
            &metric.file,
            metric.file.inside(filter, Position::START),
            "`where` must be true or false for each event",
        );
    }
}

/// An expression over the rows of a contract's table.
pub(crate) fn expression(sql: &str, contract: &Contract, session: &Session) -> Result<(Expr, DFSchema), SqlProblem> {
    let failed = |e: datafusion::error::DataFusionError| SqlProblem {
        position: Position::START,
        message: e.strip_backtrace(),
        help: None,
    };
    let schema = DFSchema::try_from(contract.arrow_schema().as_ref().clone()).map_err(failed)?;
    Ok((session.expression(sql, &schema)?, schema))
}
