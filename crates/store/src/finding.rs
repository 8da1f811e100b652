//! What an examination finds wrong.

use std::fmt;

use serde::Serialize;

/// Something in a lake that is not as it should be, for the person who has to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong, with the path of what it is wrong with.
    pub problem: String,
    /// What to do about it.
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
