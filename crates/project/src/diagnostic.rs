//! Problems in definitions: where they are, what they are, what to do.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Position, SourceFile};

/// A problem at a line and column of a definition file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Diagnostic {
    /// Path of the file, relative to the project.
    pub file: String,
    /// 1-based line.
    pub line: u64,
    /// 1-based column, in characters.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
    /// The line itself, for the reader.
    #[serde(skip)]
    pub line_text: String,
}

impl Diagnostic {
    /// The same problem with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// `file:line:column: message`, the line with a caret under the column, and the help.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        let gutter = self.line.to_string();
        let column = usize::try_from(self.column.saturating_sub(1)).unwrap_or(0);
        let pad: String =
            self.line_text.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{gutter} | {}", self.line_text)?;
        write!(f, "{} | {pad}^", " ".repeat(gutter.len()))?;
        match &self.help {
            Some(help) => write!(f, "\n{} = help: {help}", " ".repeat(gutter.len())),
            None => Ok(()),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_the_line_with_a_caret() {
        let file = SourceFile::new("schemas/a.yaml", "version: 1\ntabel: orders\n");
        let shown = file
            .problem(Position { line: 2, column: 1 }, "unknown key `tabel`")
            .with_help("write `table`")
            .to_string();
        assert_eq!(
            shown,
            "schemas/a.yaml:2:1: unknown key `tabel`\n2 | tabel: orders\n  | ^\n  = help: write `table`"
        );
    }
}
