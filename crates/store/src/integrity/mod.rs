//! What a lake must be: tables that are whole ([`Lake::check_integrity`](crate::Lake::check_integrity)), on a
//! storage that keeps its guarantees ([`probe()`]). Each problem is a [`Finding`].

mod content;
mod finding;
mod probe;
mod tables;

pub use finding::Finding;
pub use probe::{Probe, RACES, WRITERS, probe};
