//! Entries of `segments:`, `strata:` and families: the name of a segment, or `set/*` for all segments of a
//! set.

use tranche_segment::Pattern;

/// Whether an entry names a segment.
pub(crate) fn matches(pattern: &str, segment: &str) -> bool {
    Pattern::parse(pattern).covers(segment)
}
