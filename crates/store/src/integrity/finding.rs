//! Findings of integrity checks.

use std::fmt;

use serde::Serialize;

/// A problem in a lake, for the person who has to repair it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The problem, with the path of the affected object.
    pub problem: String,
    /// How to repair it.
    pub advice: String,
}

impl Finding {
    /// A problem and what to do about it.
    #[must_use]
    pub fn new(problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { problem: problem.into(), advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem, self.advice)
    }
}
