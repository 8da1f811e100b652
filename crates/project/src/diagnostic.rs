//! Problems in definitions: where they are, what they are, what to do.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// A problem at a line and column of a definition file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Diagnostic {
    /// Path of the file, relative to the project.
    pub file: String,
    /// 1-based line.
    pub line: u64,
    /// 1-based column, in characters.
    pub column: u64,
    /// The problem.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
    /// The line itself, for the reader.
    #[serde(skip)]
    pub line_text: String,
    /// The table that is not there, where that is what is wrong.
    #[serde(skip)]
    pub missing_table: Option<String>,
}

impl Diagnostic {
    /// The same problem, which is that this table is not there.
    #[must_use]
    pub fn with_missing_table(mut self, table: impl Into<String>) -> Self {
        self.missing_table = Some(table.into());
        self
    }

    /// The same problem with advice, where there is some.
    #[must_use]
    pub fn with_help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The same problem with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// So many characters of a line are shown around a problem.
const EXCERPT: usize = 160;

impl Diagnostic {
    /// The line, or what stands around the column in a long one, and how many characters stand before the column there.
    fn excerpt(&self) -> (String, usize) {
        let column = usize::try_from(self.column.saturating_sub(1)).unwrap_or(0);
        let length = self.line_text.chars().count();
        if length <= EXCERPT {
            return (self.line_text.clone(), column);
        }
        let start = column.saturating_sub(EXCERPT / 2).min(length - EXCERPT);
        let (before, after) = (start > 0, start + EXCERPT < length);
        let mark = |is_cut: bool| if is_cut { "…" } else { "" };
        let shown: String = self.line_text.chars().skip(start).take(EXCERPT).collect();
        (format!("{}{shown}{}", mark(before), mark(after)), column - start + usize::from(before))
    }
}

/// `file:line:column: message`, the line with a caret under the column, and the help.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        let gutter = self.line.to_string();
        let (excerpt, column) = self.excerpt();
        let pad: String = excerpt.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{gutter} | {excerpt}")?;
        write!(f, "{} | {pad}^", " ".repeat(gutter.len()))?;
        match &self.help {
            Some(help) => write!(f, "\n{} = help: {help}", " ".repeat(gutter.len())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Position, SourceFile};

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

    #[test]
    fn of_a_long_line_it_shows_what_stands_around_the_caret() {
        let line = format!("{}wrong{}", "a ".repeat(500), " b".repeat(500));
        let file = SourceFile::new("a.sql", &line);
        let shown = |column| {
            let text = file.problem(Position { line: 1, column }, "no").to_string();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let at = lines[2].chars().count() - 1;
            (lines[1].chars().skip(at).take(5).collect::<String>(), lines[1].chars().count())
        };
        assert_eq!(shown(1001), ("wrong".to_owned(), 4 + 160 + 2));
        assert_eq!(shown(1), ("a a a".to_owned(), 4 + 160 + 1));
        assert_eq!(shown(2005), ("b".to_owned(), 4 + 1 + 160));
    }
}
