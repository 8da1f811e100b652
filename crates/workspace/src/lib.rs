//! How definitions, lake and engine meet.
//!
//! A [`Tranche`] is the handle of everything: [`ProjectDefinitions`], the engine that runs them, and the lake they are about. A
//! [`Failure`] is what went wrong, with who has to act.
//!
//! Nothing here knows how it is called: no arguments, no tables on a screen, no exit codes.

pub mod datasets;
mod definitions;
mod draft;
pub mod examination;
mod failure;
pub mod freshness;
pub mod lake_sql;
mod maintenance;
mod progress;
mod source_files;
mod steps;
mod tranche;

pub use definitions::{PipelineDefinitions, ProjectDefinitions};
pub use draft::Draft;
pub use failure::{Failure, chain};
pub use progress::Progress;
pub use steps::Steps;
pub use tranche::{Place, Tranche};
