//! The names of segments, and the patterns that mean several.
//!
//! A definition of one segment has the segment's name, `vip`. A definition of a set has names for each of its labels,
//! `lifecycle/new`, and the pattern `lifecycle/*` means all of them.

use std::fmt;

/// The name of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentName<'a> {
    /// The definition that it belongs to.
    pub definition: &'a str,
    /// Its label, for a segment of a set.
    pub label: Option<&'a str>,
}

impl<'a> SegmentName<'a> {
    /// Reads `vip` or `lifecycle/new`; what follows the first slash is the label.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        match text.split_once('/') {
            Some((definition, label)) => Self { definition, label: Some(label) },
            None => Self { definition: text, label: None },
        }
    }

    /// The segment of a set that has a label.
    #[must_use]
    pub fn labelled(set: &'a str, label: &'a str) -> Self {
        Self { definition: set, label: Some(label) }
    }

    /// Whether it is one of a set's segments.
    #[must_use]
    pub fn is_label_of(self, set: &str) -> bool {
        self.label.is_some() && self.definition == set
    }

    /// Whether one of these names is its own, or that of its definition.
    #[must_use]
    pub fn is_among(self, names: &[String]) -> bool {
        names.iter().any(|name| *name == self.definition || SegmentName::parse(name) == self)
    }
}

impl fmt::Display for SegmentName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.label {
            Some(label) => write!(f, "{}/{label}", self.definition),
            None => f.write_str(self.definition),
        }
    }
}

/// Whether a segment, or its set, is among those that are wanted: all where nothing is said.
pub(crate) fn is_wanted(wanted: Option<&[String]>, segment: &str) -> bool {
    wanted.is_none_or(|names| SegmentName::parse(segment).is_among(names))
}

/// Which segments an entry of a list means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern<'a> {
    /// The one segment of that name.
    One(SegmentName<'a>),
    /// All segments of that set.
    Set(&'a str),
}

impl<'a> Pattern<'a> {
    /// Reads a segment's name, or `set/*`.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        match SegmentName::parse(text) {
            SegmentName { definition, label: Some("*") } => Self::Set(definition),
            name => Self::One(name),
        }
    }

    /// The definition whose segments are meant.
    #[must_use]
    pub fn definition(self) -> &'a str {
        match self {
            Self::One(name) => name.definition,
            Self::Set(set) => set,
        }
    }

    /// The label, where one segment of a set is meant.
    #[must_use]
    pub fn label(self) -> Option<&'a str> {
        match self {
            Self::One(name) => name.label,
            Self::Set(_) => None,
        }
    }

    /// Whether all segments of a set are meant.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::Set(_))
    }

    /// Whether the segment of that name is meant.
    #[must_use]
    pub fn covers(self, segment: &str) -> bool {
        let segment = SegmentName::parse(segment);
        match self {
            Self::One(name) => name == segment,
            Self::Set(set) => segment.is_label_of(set),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_a_segment_or_a_whole_set() {
        for (pattern, segment, is_meant) in [
            ("vip", "vip", true),
            ("vip", "vip/new", false),
            ("lifecycle/new", "lifecycle/new", true),
            ("lifecycle/new", "lifecycle/lost", false),
            ("lifecycle/*", "lifecycle/new", true),
            ("lifecycle/*", "lifecycle/a/b", true),
            ("lifecycle/*", "lifecycle", false),
            ("lifecycle/*", "lifecycles/new", false),
            ("lifecycle", "lifecycle/new", false),
        ] {
            assert_eq!(Pattern::parse(pattern).covers(segment), is_meant, "{pattern} {segment}");
        }
        assert_eq!(Pattern::parse("lifecycle/*").definition(), "lifecycle");
        assert_eq!((Pattern::parse("a/b").label(), Pattern::parse("a/*").label()), (Some("b"), None));
    }

    #[test]
    fn a_name_says_its_definition_and_label() {
        let names = ["vip".to_owned(), "lifecycle".to_owned(), "plan/free".to_owned()];
        for (segment, is_among) in [
            ("vip", true),
            ("lifecycle/new", true),
            ("plan/free", true),
            ("plan/paid", false),
            ("plan", false),
        ] {
            let name = SegmentName::parse(segment);
            assert_eq!(name.is_among(&names), is_among, "{segment}");
            assert_eq!(name.to_string(), segment);
        }
        assert_eq!(SegmentName::labelled("plan", "free").to_string(), "plan/free");
    }
}
