//! How facts become metrics.
//!
//! [`MetricSpec`] is a metric as its author wrote it; [`Metrics`] are those of a pipeline that hold together; [`unit_values`] turns
//! the facts within each unit's own window into one value per unit and metric, with one pass over each fact table. A report asks for
//! everyone and a period, an experiment for whoever was exposed and the window after; both get the same numbers from here.
//!
//! This crate knows facts and units, and nothing of segments, experiments or statistics.

mod error;
mod metrics;
mod spec;
mod values;

pub use error::MetricError;
pub use metrics::{Aggregate, Cap, Direction, Fact, Metric, MetricKind, Metrics, check};
pub use spec::MetricSpec;
pub use values::{Population, UnitValues, Values, unit_values};
