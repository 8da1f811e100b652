//! How experiments are measured.
//!
//! [`ExperimentSpec`] is an experiment as its author wrote it, [`Experiment`] what it means ([`read`],
//! [`check`]). With a [`MeasureContext`], [`measure()`] finds who was first exposed to what and when, what
//! each unit did in the window after, and in which segments it was before; it hands the moments to
//! `tranche-stats` and returns [`ExperimentResult`](tranche_scorecard::ExperimentResult)s, which [`store`]
//! keeps and reads. [`power()`] plans an experiment, and [`validate()`] holds the statistics against what
//! they promise on an experiment's own units.
//!
//! Everything is computed at one `as_of`, from facts and definitions alone: measuring again gives the same.
//! This crate knows no formula; those are `tranche-stats`'s.
//!
//! ```
//! use tranche_experiment::definition::{Method, read};
//! use tranche_project::{Problems, Project};
//!
//! let definition = "version: 1\nexperiment: winback\nentity: customer\nexposure: {table: sends, variant: arm}\n\
//!                   variants: {letter: 1, none: 1}\ncontrol: none\nperiod: {from: 2026-09-01, to: 2026-10-01}\n\
//!                   metrics: {goal: [orders]}\n";
//! let files = [
//!     ("tranche.yaml", "version: 1\nlake: ./lake\n"),
//!     ("pipelines/shop/pipeline.yaml", "version: 1\npipeline: shop\nsteps: []\n"),
//!     ("pipelines/shop/experiments/winback.yaml", definition),
//! ];
//! let mut problems = Problems::default();
//! let project = Project::from_files(files);
//! let experiments = read(&project, "shop", &jiff::tz::TimeZone::UTC, &mut problems);
//! assert_eq!(experiments["winback"].statistics.method, Method::Fixed);
//! assert_eq!(experiments["winback"].treatments().collect::<Vec<_>>(), ["letter"]);
//! ```

mod calendar;
mod context;
mod counts;
mod decision;
pub mod definition;
mod error;
mod estimate;
#[cfg(test)]
mod fixture;
mod health;
mod measure;
mod method;
pub mod power;
mod preregistration;
#[cfg(test)]
mod property;
mod result;
pub mod store;
mod units;
pub mod validate;

pub use context::MeasureContext;
pub use definition::{Experiment, ExperimentSpec, check, read};
pub use error::ExperimentError;
pub use measure::{Measurements, measure};
pub use power::power;
pub use validate::validate;
