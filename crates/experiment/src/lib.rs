//! How experiments are measured.
//!
//! [`ExperimentSpec`] is an experiment as its author wrote it, [`Experiment`] what it means; [`measure`] finds who was first exposed
//! to what and when, what each unit did in the window after, and in which segments it was before, and hands the moments to
//! `tranche-stats`. [`store`] keeps and reads [`ExperimentResult`]s.
//!
//! Everything is computed at one `as_of`, from facts and definitions alone: measuring again gives the same. This crate knows no
//! formula; those are `tranche-stats`'s.

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
mod question;
mod result;
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

pub use arms::Basis;
pub use assignment::{Assigned, Assignment};
pub use decision::{Decision, VariantDecision};
pub use error::ExperimentError;
pub use experiment::{Experiment, MetricChoice, check, read};
pub use family::FamilyNote;
pub use heterogeneity::{HeterogeneityRow, SegmentContrast};
pub use looks::{Design, PlannedLooks};
pub use measure::{MeasureContext, Measurements, measure};
pub use method::{EstimatorNote, LookNote, MethodNote};
pub use outliers::{Concentration, OutlierRow, Refit};
pub use plan::{Amendment, Registration};
pub use power::{DetectableRow, MetricPower, PowerPlan, PowerRequest, SampleSizeRow, power};
pub use result::{
    Conclusion, Effect, EstimateRow, ExperimentResult, MetricRole, NonInferiority, SampleRatioCheck,
    StepShares, Uncapped, VariantCount,
};
pub use series::{Series, SeriesPoint, Span};
pub use spec::ExperimentSpec;
pub use state::{Memory, examine_state};
pub use statistics::{Cuped, DeclaredFamily, Method, Scale, Statistics, TestDirection};
pub use strata::StrataNote;
pub use traffic::TrafficRow;
pub use trust::{Severity, TrustCheck};
pub use validate::{InferenceKind, Validation, ValidationRequest, ValidationRow, validate};
