//! Names of the scan module.

pub use crate::scan::Extract;
use crate::scan::Source;

/// The time of the events that a source may hold: first instant and first instant after, microseconds.
#[must_use]
pub fn time_range(source: &Source) -> (i64, i64) {
    source.times()
}
