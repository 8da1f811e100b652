//! Experiments as definitions: as their authors wrote them, as they are validated, and held against contracts,
//! metrics and segments.
//!
//! [`ExperimentSpec`] is the file, [`Experiment`] its meaning; [`read`] leads from one to the other without
//! any input or output, and [`check`] looks at what an experiment names.

mod assignment;
mod check;
mod cluster_column;
mod experiment;
mod families;
pub(crate) mod looks;
mod read;
pub(crate) mod spec;
pub(crate) mod statistics;

pub use assignment::{Assigned, Assignment};
pub use check::check;
pub(crate) use cluster_column::ClusterColumn;
pub(crate) use experiment::VariantIndex;
pub use experiment::{Experiment, MetricChoice};
pub use families::DeclaredFamily;
pub use looks::{Design, PlannedLooks};
pub use read::read;
pub use spec::ExperimentSpec;
pub use statistics::{Cuped, Method, Scale, Statistics, TestDirection};
