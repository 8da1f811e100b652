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
    /// The data's or the engine's.
    #[error(transparent)]
    Sql(#[from] SqlError),
}
