//! What a caller asks for: metrics of a population, and where facts are read from.

use indexmap::IndexMap;
use tranche_schema::Contract;
use tranche_sql::{Session, Tables};

use super::population::Population;
use super::window::Span;
use crate::definition::{Metric, Metrics};

/// Metrics that are wanted of a population.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The units. Requests for the same one share its work.
    pub population: &'a Population,
    /// The interval around each unit's instant.
    pub span: Span,
    /// The metrics.
    pub metrics: Vec<&'a Metric>,
}

/// What facts are read from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// All metrics, as ratios name them.
    pub metrics: &'a Metrics,
    /// The contracts of tables.
    pub contracts: &'a IndexMap<String, Contract>,
    /// Where the rows of tables are.
    pub tables: &'a Tables,
    /// The session at the `as_of`: later events are not seen.
    pub session: &'a Session,
}
