//! Definitions on disk, and how errors point into them.
//!
//! [`Project`] is every definition file of a project, read once and immutable; [`SourceFile`] is one of them;
//! a [`Diagnostic`] is a problem at a line and column of one. [`yaml::read`] and [`front_matter::read`] turn
//! a file into an as-written spec, and report every problem into [`Problems`] on the way: reading never stops
//! at the first. [`Named`] collects definitions whose names are their own; [`Sections`] hands the parts of
//! `tranche.yaml` to the crates that know them.
//!
//! This crate knows where files lie, not what they mean: nothing of segments, metrics or SQL.
//!
//! ```
//! use tranche_project::{Problems, Project};
//!
//! let project = Project::from_files([("pipelines/shop/pipeline.yaml", "version: 1\n"), ("schemas/orders.yaml", "version: 1\n")]);
//! assert_eq!(project.pipelines().collect::<Vec<_>>(), ["shop"]);
//! assert!(Problems::default().is_empty());
//! ```

mod diagnostic;
mod disk;
pub mod duration;
pub mod front_matter;
pub mod instant;
mod layout;
mod legible;
mod limits;
mod memory_limit;
mod named;
mod problems;
mod secrets;
mod sections;
mod settings;
mod source_file;
mod texts;
pub mod yaml;

pub use diagnostic::Diagnostic;
pub use layout::{DefinitionKind, Project, ProjectError};
pub use legible::{is_hidden, legible, legible_json};
pub use limits::{Limits, LimitsSpec};
pub use memory_limit::MemoryLimit;
pub use named::{Named, NamedDefinition, already_defined, check_name, check_version};
pub use problems::Problems;
pub use secrets::without_secrets;
pub use sections::Sections;
pub use serde_yaml::{Location, Spanned};
pub use settings::{Retention, Settings, SettingsSpec, StepDefaults, unknown_zone};
pub use source_file::{Position, SourceFile};
pub use yaml::is_near;
