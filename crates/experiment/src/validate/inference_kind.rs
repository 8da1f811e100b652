//! The inferences that can be validated.

use std::fmt;
use std::str::FromStr;

/// An inference that is validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InferenceKind {
    /// One look.
    Fixed,
    /// A confidence sequence, looked at ten times.
    Sequential,
    /// A mixture sequential probability ratio test, looked at ten times.
    Mixture,
    /// Planned looks: those of the experiment, or five.
    GroupSequential,
    /// A posterior: with the experiment's prior, or a flat one.
    Bayes,
}

impl InferenceKind {
    /// Every inference.
    pub const ALL: [Self; 5] =
        [Self::Fixed, Self::Sequential, Self::Mixture, Self::GroupSequential, Self::Bayes];

    /// Its name, as a definition writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Sequential => "sequential",
            Self::Mixture => "mixture",
            Self::GroupSequential => "group_sequential",
            Self::Bayes => "bayes",
        }
    }
}

impl fmt::Display for InferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for InferenceKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("an inference is one of {}", known()))
    }
}
