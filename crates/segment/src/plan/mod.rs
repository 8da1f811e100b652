//! From definitions to one wide row per entity.
//!
//! A definition is compiled into expressions over a *wide row*: the entity's own columns, its traits, the segments that it is in,
//! and *slots*, which are aggregates of events by the entity's key. [`relation`] follows a logical plan from its tables up, and
//! carries for each relation with at most one row per entity whether the row is there and what its columns are, as expressions
//! over the wide row. So a subquery, a join, a HAVING or a set operation between such relations is a truth function, and nothing
//! needs to be joined. What is no such relation is [`Unfused`], with the reason, and runs as it is.
//!
//! [`Measure`]s of all definitions of an entity are collected by table: what one scan of the table has to compute.

mod aggregate;
mod measure;
mod program;
mod relation;
mod subquery;
#[cfg(test)]
mod tests;
mod wide;
mod window;

pub(crate) use measure::{Formula, Measure, Slot};
pub(crate) use program::{Compiled, Plans, Program, Scan};
pub(crate) use wide::WideColumn;
pub(crate) use window::Window;

/// Why a definition, or a part of it, is run as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfused(pub(crate) String);

impl Unfused {
    fn because<T>(reason: impl Into<String>) -> Result<T, Self> {
        Err(Self(reason.into()))
    }
}

impl From<datafusion::error::DataFusionError> for Unfused {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        Self(error.strip_backtrace())
    }
}
