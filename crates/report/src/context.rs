//! What a report is made from.

use jiff::tz::TimeZone;
use tranche_metric::Metrics;
use tranche_scorecard::ExperimentResult;
use tranche_segment::Definitions;
use tranche_sql::{Engine, Session, Tables};
use tranche_store::Lake;

/// What a report is made from.
pub struct BuildContext<'a> {
    /// Where tables are.
    pub lake: &'a Lake,
    /// The engine, for sessions at earlier instants.
    pub engine: &'a Engine,
    /// The engine at the `as_of`, with the contracts registered.
    pub session: &'a Session,
    /// The pipeline's traits and segments.
    pub definitions: &'a Definitions,
    /// The pipeline's metrics.
    pub metrics: &'a Metrics,
    /// The results of the pipeline's experiments.
    pub experiments: &'a [ExperimentResult],
    /// The tables of the contracts.
    pub tables: &'a Tables,
    /// The sources of the pipeline.
    pub sources: Vec<String>,
    /// The pipeline.
    pub pipeline: &'a str,
    /// The run.
    pub run_id: &'a str,
    /// The project's time zone, in which periods begin and end.
    pub zone: &'a TimeZone,
}
