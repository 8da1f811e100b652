//! What can go wrong while an experiment is measured, and who has to act.

use thiserror::Error;
use tranche_metric::MetricError;
use tranche_segment::SegmentError;
use tranche_sql::{RowFailure, SqlError};
use tranche_store::StoreError;

/// An error of measuring an experiment.
#[derive(Debug, Error)]
pub enum ExperimentError {
    /// The caller's: no such experiment.
    #[error("there is no experiment `{0}`")]
    Unknown(String),
    /// The author's: exposures cannot be read.
    #[error("experiment `{experiment}`: {reason}")]
    Exposure {
        /// The experiment.
        experiment: String,
        /// Why not.
        reason: String,
    },
    /// The data's, or the author's: an expression fails for a row of exposures.
    #[error("experiment `{experiment}`: {failure}")]
    Row {
        /// The experiment.
        experiment: String,
        /// The row, and why.
        failure: Box<RowFailure>,
    },
    /// A segment cannot be replayed at the exposures.
    #[error("experiment `{experiment}`")]
    Segment {
        /// The experiment.
        experiment: String,
        /// Why not.
        #[source]
        source: Box<SegmentError>,
    },
    /// A metric cannot be computed.
    #[error("experiment `{experiment}`")]
    Metric {
        /// The experiment.
        experiment: String,
        /// Why not.
        #[source]
        source: MetricError,
    },
    /// The engine's.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The storage's: worth another try.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Ours: a stored result cannot be read back.
    #[error("the stored result of experiment `{experiment}` cannot be read")]
    Stored {
        /// The experiment.
        experiment: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}
