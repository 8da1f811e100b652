//! Why an input as a whole cannot be read.

use std::fmt;

/// Why an input as a whole cannot be read, with the row where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputProblem {
    /// The data's: it is not what its source says, or damaged.
    Content(String),
    /// The storage's: another attempt may read it.
    Storage(String),
}

impl InputProblem {
    /// The problem of a text that stopped, at a row where it is known.
    pub(super) fn of_io(error: &std::io::Error, row: Option<u64>) -> Self {
        let reason = match row {
            Some(row) => format!("row {row} cannot be read: {error}"),
            None => format!("it cannot be read: {error}"),
        };
        // What is wrong with the text itself is told by who parses it.
        let is_storage = error.get_ref().is_some_and(|inner| inner.is::<object_store::Error>());
        if is_storage { Self::Storage(reason) } else { Self::Content(reason) }
    }

    /// The problem of an object that cannot be read.
    pub(super) fn of_object(error: &object_store::Error) -> Self {
        Self::Storage(format!("it cannot be read: {error}"))
    }
}

impl fmt::Display for InputProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Content(reason) | Self::Storage(reason)) = self;
        f.write_str(reason)
    }
}

impl From<String> for InputProblem {
    fn from(reason: String) -> Self {
        Self::Content(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_storage_says_is_its_own_problem() {
        let broken = object_store::Error::Generic { store: "S3", source: "500 Internal Server Error".into() };
        let of_storage = InputProblem::of_io(&std::io::Error::other(broken), Some(3));
        assert!(
            matches!(&of_storage, InputProblem::Storage(reason) if reason.starts_with("row 3 cannot be read"))
        );
        let of_text = InputProblem::of_io(&std::io::Error::other("no text"), None);
        assert_eq!(of_text, InputProblem::Content("it cannot be read: no text".to_owned()));
    }
}
