//! What can go wrong while a report is made, and who has to act.

use thiserror::Error;
use tranche_metric::MetricError;
use tranche_segment::SegmentError;
use tranche_sql::SqlError;
use tranche_store::{StoreError, object_store};

/// An error of making or publishing a report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The caller's: no such report.
    #[error("there is no report `{0}`")]
    Unknown(String),
    /// The author's: what is reported has no entity to count.
    #[error("report `{report}`: {reason}")]
    Entity {
        /// The report.
        report: String,
        /// Why.
        reason: String,
    },
    /// Segments cannot be evaluated.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A metric cannot be computed.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The engine's.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The storage's: worth another try.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The storage's: the page cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// Ours: a document cannot be turned into JSON or read from it.
    #[error("cannot convert a report document")]
    Document(#[from] serde_json::Error),
}
