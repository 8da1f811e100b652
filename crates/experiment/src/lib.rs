//! How experiments are measured.
//!
//! [`ExperimentSpec`] is an experiment as its author wrote it, [`Experiment`] what it means; [`measure`] finds who was first exposed
//! to what and when, what each unit did in the window after, and in which segments it was before, and hands the moments to
//! `tranche-stats`. [`store`] keeps and reads [`ExperimentResult`](tranche_scorecard::ExperimentResult)s.
//!
//! Everything is computed at one `as_of`, from facts and definitions alone: measuring again gives the same. This crate knows no
//! formula; those are `tranche-stats`'s.

mod analysis;
mod arms;
mod assignment;
mod cells;
mod clusters;
mod comparing;
mod course;
mod day;
mod decision;
mod error;
mod experiment;
mod exposure;
mod family;
#[cfg(test)]
mod fixture;
mod gather;
mod heterogeneity;
mod looks;
mod measure;
mod method;
mod outliers;
mod parallel;
mod plan;
mod power;
#[cfg(test)]
mod property;
mod segments;
mod series;
mod spec;
mod state;
mod statistics;
pub mod store;
mod strata;
mod summary;
mod traffic;
mod trust;
mod validate;

pub use assignment::{Assigned, Assignment};
pub use error::ExperimentError;
pub use experiment::{Experiment, MetricChoice, check, read};
pub use looks::{Design, PlannedLooks};
pub use measure::{MeasureContext, Measurements, measure};
pub use power::{DetectableRow, MetricPower, PowerPlan, PowerRequest, SampleSizeRow, power};
pub use spec::ExperimentSpec;
pub use state::{Memory, examine_state};
pub use statistics::{Cuped, DeclaredFamily, Method, Scale, Statistics, TestDirection};
pub use validate::{InferenceKind, Validation, ValidationRequest, ValidationRow, validate};
