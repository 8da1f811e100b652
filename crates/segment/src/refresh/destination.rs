//! Where a publication goes, and what it leaves alone there.

use tranche_sql::Session;
use tranche_store::Lake;

use super::history_policy::HistoryPolicy;
use crate::definition::elsewhere::Elsewhere;

/// Where a publication goes.
#[derive(Clone, Copy)]
pub(crate) struct Destination<'a> {
    /// The lake.
    pub(crate) lake: &'a Lake,
    /// The engine.
    pub(crate) session: &'a Session,
    /// The pipeline.
    pub(crate) pipeline: &'a str,
    /// What may become of what was published before.
    pub(crate) policy: HistoryPolicy,
    /// The application transaction.
    pub(crate) transaction: &'a str,
    /// What other pipelines of the project define.
    pub(crate) elsewhere: &'a Elsewhere,
}
