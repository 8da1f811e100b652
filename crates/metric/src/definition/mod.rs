//! Metrics as definitions: as written, validated, and checked against the contracts and each other.

mod check;
mod metric;
mod metrics;
mod spec;
mod validate;

pub use check::check;
pub use metric::{Aggregate, Cap, Direction, Fact, Metric, MetricKind, Missing, Over, Step};
pub use metrics::Metrics;
pub use spec::MetricSpec;
