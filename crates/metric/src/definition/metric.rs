//! A metric: a fact aggregated per unit.

use std::time::Duration;

use tranche_project::{SourceFile, Spanned};

/// A fact aggregated per unit.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Its name, unique in a pipeline.
    pub name: String,
    /// A sentence about what it measures.
    pub description: Option<String>,
    /// Its type, with the facts or metrics that it is computed from.
    pub kind: MetricKind,
    /// The unit of its values.
    pub unit: Option<String>,
    /// Which way is good.
    pub direction: Direction,
    /// Values above this are counted as this.
    pub cap: Option<Cap>,
    /// How long facts count; `None` leaves it to the experiment or report.
    pub window: Option<Duration>,
    /// How long after exposure facts begin to count.
    pub delay: Duration,
    /// What a unit without a fact counts as.
    pub missing: Missing,
    /// Where it is defined.
    pub file: SourceFile,
}

/// The type of a metric, with what it is computed from.
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
        /// The fact that is ranked.
        fact: Fact,
        /// Which quantile, in (0, 1).
        level: f64,
        /// Whether units or events are ranked.
        over: Over,
    },
    /// The share of units with the fact in an interval after exposure, of those whose interval has ended.
    Retention {
        /// The fact that counts as a return.
        fact: Fact,
        /// The first instant that counts, so long after exposure.
        from: Duration,
        /// The first instant that no longer counts.
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
    /// What a unit's values are aggregated to.
    pub aggregate: Aggregate,
    /// Which events count, as SQL.
    pub filter: Option<Spanned<String>>,
}

/// What a unit's values are aggregated to.
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
    pub(crate) fn own_tables(&self) -> Vec<&Spanned<String>> {
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
