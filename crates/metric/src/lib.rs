//! How facts become metrics.
//!
//! [`MetricSpec`] is a metric as its author wrote it; [`Metrics`] are those of a pipeline that hold together; [`unit_values`] turns
//! the facts around each unit's own instant into one value per unit and metric, with one pass over each fact table for all metrics of
//! all [`Population`]s. A report asks for everyone and a period, an experiment for whoever was exposed and the windows around that;
//! both get the same numbers from here.
//!
//! This crate knows facts and units, and nothing of segments, experiments or statistics.

mod columns;
mod error;
mod extracting;
mod funnel;
mod kept;
mod known;
mod measure;
mod metrics;
mod numbered;
mod plan;
mod population;
mod proof;
mod reading;
mod recipe;
mod rings;
mod spec;
mod table;
mod values;

pub use error::{MetricError, Mismatch};
pub use kept::{Keepable, Kept, KeptAbout};
pub use measure::{Facts, Measurement, TableRead, Wanted, unit_values};
pub use metrics::{Aggregate, Cap, Direction, Fact, Metric, MetricKind, Metrics, Missing, Over, Step, check};
pub use population::{Population, Span};
pub use spec::MetricSpec;
pub use table::{FactsRead, Past};
pub use values::{EventValues, MetricValues, UnitValues, Values};
