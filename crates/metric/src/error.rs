//! What can go wrong while facts are read, and who has to act.

use thiserror::Error;
use tranche_sql::SqlError;

/// An error of computing a metric.
#[derive(Debug, Error)]
pub enum MetricError {
    /// The author's: a metric's fact cannot be read for this entity.
    #[error("metric `{metric}` cannot be measured for `{entity}`: {reason}")]
    Fact {
        /// The metric.
        metric: String,
        /// The entity it was asked for.
        entity: String,
        /// Why not.
        reason: String,
    },
    /// Ours: values that continue from saved state are not those of all facts. None of them may be published.
    #[error("{0}")]
    Mismatch(Box<Mismatch>),
    /// The data's or the engine's.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

/// A unit of which two ways to compute say different things.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "unit `{unit}` of `{population}`: {column} in `{table}` is {incremental} by what was kept, and {full} by all facts; nothing was \
     published, and the next measurement reads everything"
)]
pub struct Mismatch {
    /// The population.
    pub population: String,
    /// The unit's key.
    pub unit: String,
    /// The table of the facts.
    pub table: String,
    /// What was computed.
    pub column: String,
    /// What follows from what was kept.
    pub incremental: String,
    /// What all facts say.
    pub full: String,
}
