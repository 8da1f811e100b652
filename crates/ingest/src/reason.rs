//! Why a row is rejected.

use std::fmt;

use crate::shown::legible;

/// Why a row is rejected: with the value at fault, for those who correct it, and without, for reports and messages, which are read by more
/// people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    text: String,
    kind: String,
}

impl Reason {
    /// A reason that has no value of the row in it.
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind: text.clone(), text }
    }

    /// A reason, and the same without values of the row.
    pub fn new(text: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { text: text.into(), kind: kind.into() }
    }

    /// A value is not what it has to be.
    pub(crate) fn is_not(value: &str, what: &str) -> Self {
        Self::new(format!("`{}` is not {what}", legible(value)), format!("is not {what}"))
    }

    /// The reason of a part of a value, to which a path leads.
    pub(crate) fn within(self, path: &str) -> Self {
        let separator = if self.text.starts_with('[') { "" } else { ": " };
        Self { text: format!("{path}{separator}{}", self.text), kind: self.kind }
    }

    /// The reason without values of the row.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
