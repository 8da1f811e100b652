//! What is computed from the events of a table, for each entity.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;
use tranche_sql::scan::Aggregate;

use super::window::Window;

/// One aggregate of one table's events by the entity's key: what a scan computes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Measure {
    /// What is computed.
    pub(crate) aggregate: Aggregate,
    /// Of which value; over the table's columns by their own names.
    pub(crate) argument: Option<Expr>,
    /// By which column an event is first or last.
    pub(crate) order: Option<Expr>,
    /// The conditions on an event besides its time, in a canonical order.
    pub(crate) predicate: Vec<Expr>,
    /// The events that count.
    pub(crate) window: Window,
}

/// A column of the wide row that is made of measures, by their numbers within the table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct EventAggregate {
    /// The event table.
    pub(crate) table: String,
    /// How it is made.
    pub(crate) formula: Formula,
    /// The type that the engine gives to such an aggregate.
    pub(crate) data_type: DataType,
}

/// How a column is made of measures. Whatever is computed from no value is null, but for counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Formula {
    /// How many.
    Count(usize),
    /// Whether there are any.
    Present(usize),
    /// The sum, smallest or largest of `count` values.
    Value { value: usize, count: usize },
    /// A sum over a count; `scale` are the digits after the point in the sum of decimals.
    Average { sum: usize, count: usize, scale: i8 },
    /// A variance or, as `root`, a standard deviation; of a `sample` or of a population.
    Variance { moments: usize, sample: bool, root: bool },
    /// The first or last value.
    Edge(usize),
}

impl Formula {
    /// The measures that it is made of.
    pub(crate) fn measures(self) -> Vec<usize> {
        match self {
            Self::Count(count) | Self::Present(count) => vec![count],
            Self::Value { value, count } => vec![value, count],
            Self::Average { sum, count, .. } => vec![sum, count],
            Self::Variance { moments, .. } => vec![moments],
            Self::Edge(edge) => vec![edge],
        }
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.aggregate {
            Aggregate::Count => "count",
            Aggregate::CountDistinct => "count distinct",
            Aggregate::Sum => "sum",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
            Aggregate::Variance => "variance",
            Aggregate::First => "first",
            Aggregate::Last => "last",
        };
        match &self.argument {
            Some(argument) => write!(f, "{name}({argument})")?,
            None => write!(f, "{name}(*)")?,
        }
        for (place, condition) in self.predicate.iter().enumerate() {
            write!(f, "{}{condition}", if place == 0 { " where " } else { " and " })?;
        }
        Ok(())
    }
}
