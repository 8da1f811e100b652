//! Every definition of a project, read as a whole.

mod contracts;
mod project;
mod read;
mod triggers;

pub use project::{PipelineDefinitions, ProjectDefinitions};
pub(crate) use read::read;
