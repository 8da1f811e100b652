//! Traits and segments as they are written, read, checked and ordered.

pub(crate) mod check;
pub(crate) mod definitions;
pub(crate) mod elsewhere;
pub(crate) mod in_segment;
pub(crate) mod names;
mod order;
pub(crate) mod personal;
pub(crate) mod scope;
pub(crate) mod spec;
pub(crate) mod traits;
pub(crate) mod validated;
