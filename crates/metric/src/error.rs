//! What can go wrong while facts are read, and who has to act.

use thiserror::Error;
use tranche_incremental::Mismatch;
use tranche_sql::{RowFailure, SqlError};

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
    /// The data's, or the author's: an expression fails for a fact.
    #[error("{} failed: {failure}", named(.metrics))]
    Row {
        /// The metrics that count the fact.
        metrics: Vec<String>,
        /// The fact, and why.
        failure: Box<RowFailure>,
    },
    /// Ours: values that continue from saved state are not those of all facts. None of them may be published.
    #[error("{0}")]
    Mismatch(Box<Mismatch>),
    /// The data's or the engine's.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

fn named(metrics: &[String]) -> String {
    let names: Vec<String> = metrics.iter().map(|metric| format!("`{metric}`")).collect();
    format!("{} {}", if names.len() == 1 { "metric" } else { "metrics" }, names.join(", "))
}
