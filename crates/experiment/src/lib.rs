//! How experiments are measured.
//!
//! [`ExperimentSpec`] is an experiment as its author wrote it, [`Experiment`] what it means; [`measure`] finds who was first exposed
//! to what and when, what each unit did in the window after, and in which segments it was before, and hands the moments to
//! `tranche-stats`. [`store`] keeps and reads [`ExperimentResult`]s.
//!
//! Everything is computed at one `as_of`, from facts and definitions alone: measuring again gives the same. This crate knows no
//! formula; those are `tranche-stats`'s.

mod arms;
mod error;
mod experiment;
mod exposure;
mod measure;
mod result;
mod spec;
pub mod store;

pub use error::ExperimentError;
pub use experiment::{Cuped, Experiment, MetricChoice, check, read};
pub use measure::{MeasureContext, measure};
pub use result::{Decision, EstimateRow, ExperimentResult, MetricRole, SampleRatioCheck, VariantCount};
pub use spec::ExperimentSpec;
