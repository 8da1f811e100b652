//! What measuring, planning and validating work with.

use tranche_incremental::StateStore;
use tranche_metric::{Facts, Metrics};
use tranche_segment::Definitions;
use tranche_sql::{Engine, Session, Tables};

/// The definitions of a pipeline over the tables of a lake, at one `as_of`.
pub struct MeasureContext<'a> {
    /// The tables of the contracts.
    pub tables: &'a Tables,
    /// The engine, for sessions at the instants of exposure.
    pub engine: &'a Engine,
    /// The engine at the `as_of`, with the contracts registered.
    pub session: &'a Session,
    /// The pipeline's traits and segments.
    pub definitions: &'a Definitions,
    /// The pipeline's metrics.
    pub metrics: &'a Metrics,
    /// Where an earlier measurement saved state; without it, all facts are read and nothing is saved.
    pub state: Option<StateStore<'a>>,
}

impl<'a> MeasureContext<'a> {
    /// What metrics are measured from.
    pub(crate) fn facts(&self) -> Facts<'a> {
        Facts {
            metrics: self.metrics,
            contracts: &self.definitions.contracts,
            tables: self.tables,
            session: self.session,
        }
    }
}
