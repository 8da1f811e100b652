//! Entries of `segments:`, `strata:` and families: the name of a segment, or `set/*` for all segments of a
//! set.

/// Whether an entry names a segment.
pub(crate) fn matches(pattern: &str, segment: &str) -> bool {
    pattern == segment || pattern.strip_suffix("/*").is_some_and(|set| segment.split('/').next() == Some(set))
}
