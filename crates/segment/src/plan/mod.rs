//! From definitions to one wide row per entity.
//!
//! A definition is compiled into expressions over a *wide row*: the entity's own columns, its traits, the segments that it is in,
//! and aggregates of events by the entity's key. [`relation`] follows a logical plan from its tables up, and
//! carries for each relation with at most one row per entity whether the row is there and what its columns are, as expressions
//! over the wide row. So a subquery, a join, a HAVING or a set operation between such relations is a truth function, and nothing
//! needs to be joined. What is no such relation is [`NotFusable`](not_fusable::NotFusable), with the reason, and runs as it is.
//!
//! [`Measure`]s of all definitions of an entity are collected by table: what one scan of the table has to compute.

mod aggregate;
mod builder;
mod measure;
mod not_fusable;
mod plans;
mod program;
mod relation;
mod rows;
mod subquery;
#[cfg(test)]
mod tests;
mod wide;
mod window;

pub(crate) use builder::Scan;
pub use builder::Sharing;
pub(crate) use measure::{EventAggregate, Formula, Measure};
pub(crate) use plans::Plans;
pub(crate) use program::{Compiled, Program, TraitColumn};
pub(crate) use wide::WideColumn;
pub(crate) use window::Window;
