//! How definitions, lake and engine meet.
//!
//! A [`Tranche`] is the handle of everything: [`ProjectDefinitions`], the engine that runs them, and the lake they are about. A kind of
//! step is an [`Action`], one file each in [`actions`]; a question that people ask is a function in [`queries`] that returns a typed
//! value. A [`Failure`] is what went wrong, with who has to act.
//!
//! Nothing here knows how it is called: no arguments, no tables on a screen, no exit codes.
//!
//! ```no_run
//! use tranche_workspace::{Failure, Place, Tranche, queries};
//!
//! # async fn example() -> Result<(), Failure> {
//! let place = Place { folder: "shop".into(), lake: None };
//! let tranche = Tranche::open(&place)?;
//! tranche.check().await?;
//! for row in queries::segments::list(&tranche, None).await? {
//!     assert!(row.size.is_none_or(|size| size > 0), "{} is empty", row.segment);
//! }
//! # Ok(())
//! # }
//! ```

mod action;
pub mod actions;
mod check;
mod definitions;
mod draft;
mod failure;
pub mod freshness;
pub mod lake_sql;
pub mod lineage;
mod maintenance;
mod position;
pub mod queries;
mod runner;
mod source_files;
mod tranche;

pub use action::{Action, ActionContext, Actions, Resources, targets};
pub use definitions::{PipelineDefinitions, ProjectDefinitions};
pub use draft::Draft;
pub use failure::{Failure, chain};
pub use runner::ActionRunner;
pub use tranche::{Place, Tranche};
pub use tranche_pipeline::FailureClass;
pub use tranche_project::{Diagnostic, duration, is_hidden, legible, legible_json, without_secrets};
