//! How facts become metrics.
//!
//! [`MetricSpec`] is a metric as its author wrote it; [`Metrics`] are those of a pipeline that hold together.
//! [`unit_values`] turns the facts around each unit's own instant into one value per unit and metric, with
//! one pass over each fact table for all metrics of all [`Population`]s; a [`Measurement`] does the same
//! table by table, and continues from saved state. A report asks for everyone and a period, an experiment for
//! the exposed units and the windows around their exposure; both get the same numbers from here.
//!
//! The folders are the way of a metric: `definition` (YAML to a checked [`Metric`]), `plan` (which columns
//! must be filled, each once), `accumulate` (facts added up into columns), `values` (columns made into
//! [`UnitValues`]).
//!
//! This crate knows facts and units, and nothing of segments, experiments or statistics.
//!
//! ```
//! use tranche_metric::{Direction, Metrics};
//!
//! let metrics = Metrics::default();
//! assert!(metrics.get("revenue").is_none());
//! assert_eq!(metrics.unknown("revenue"), "there is no metric `revenue`; metrics/ defines none");
//! assert_ne!(Direction::Increase, Direction::Decrease);
//! ```

mod accumulate;
mod definition;
mod error;
mod measurement;
mod plan;
mod values;

pub use accumulate::FactsRead;
pub use definition::{
    Aggregate, Cap, Direction, Fact, Metric, MetricKind, MetricSpec, Metrics, Missing, Over, Step, check,
};
pub use error::MetricError;
pub use measurement::{Measurement, unit_values};
pub use plan::{Facts, Population, Span, Wanted};
pub use values::{EventValues, MetricValues, UnitValues, Values};
