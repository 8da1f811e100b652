//! Problems as they are collected: reading continues after each.

use crate::diagnostic::Diagnostic;
use crate::source_file::{Position, SourceFile};

/// Every problem found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Diagnostic>);

impl Problems {
    /// Adds a problem.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds a problem at a position of a file.
    pub fn report(&mut self, file: &SourceFile, at: impl Into<Position>, message: impl Into<String>) {
        self.push(file.problem(at, message));
    }

    /// Each of them, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many were found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that are not `unwanted`.
    #[must_use]
    pub fn without(mut self, unwanted: impl Fn(&Diagnostic) -> bool) -> Self {
        self.0.retain(|problem| !unwanted(problem));
        self
    }

    /// Adds all of another's.
    pub fn extend(&mut self, other: Problems) {
        self.0.extend(other.0);
    }

    /// In the order of file, line and column, each once.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.0.sort_by(|a, b| {
            (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message))
        });
        self.0.dedup();
        self.0
    }
}
