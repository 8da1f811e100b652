//! One definition file: its path within the project, its text, and positions in it.

use std::sync::Arc;

use serde_yaml::{Location, Spanned};

use crate::Diagnostic;
use crate::secrets::{masked, without_secrets};

/// A definition file, shared by everything that was read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    path: Arc<str>,
    text: Arc<str>,
    unreadable: Option<Arc<Diagnostic>>,
}

/// A place in a file: line and column, both 1-based and counted in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// 1-based line.
    pub line: u64,
    /// 1-based column, in characters.
    pub column: u64,
}

impl Position {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The one behind a text that a file begins with.
    fn after(text: &str) -> Self {
        let ends_line = text.is_empty() || text.ends_with(['\r', '\n']);
        let whole = lines(text).count() as u64;
        match lines(text).last().filter(|_| !ends_line) {
            Some(last) => Self { line: whole, column: last.chars().count() as u64 + 1 },
            None => Self { line: whole + 1, column: 1 },
        }
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

impl SourceFile {
    /// A file at `path` (relative to the project, with `/`) with this text.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into(), unreadable: None }
    }

    /// A file with these bytes. What is not UTF-8 has no meaning that could be relied upon, and is a problem of the file.
    #[must_use]
    pub fn from_bytes(path: &str, bytes: &[u8]) -> Self {
        let error = match std::str::from_utf8(bytes) {
            Ok(text) => return Self::new(path, text),
            Err(error) => error,
        };
        let (before, rest) = bytes.split_at(error.valid_up_to());
        let before = String::from_utf8_lossy(before);
        let byte = rest.first().copied().unwrap_or_default();
        let (at, message) = match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => (Position::START, "this file is UTF-16".to_owned()),
            _ if byte < 0xa0 => (Position::after(&before), format!("the byte 0x{byte:02X} is not UTF-8")),
            _ => {
                let known = char::from(byte);
                let message = format!("the byte 0x{byte:02X} is not UTF-8 (in Latin-1 it is `{known}`)");
                (Position::after(&before), message)
            }
        };
        let file = Self::new(path, &String::from_utf8_lossy(bytes));
        let problem = file.problem(at, message).with_help("save the file as UTF-8");
        Self { unreadable: Some(Arc::new(problem)), ..file }
    }

    /// A file that cannot be read, whose problem whoever reads it reports.
    pub(crate) fn unreadable(path: &str, message: String, help: &str) -> Self {
        let file = Self::new(path, "");
        let problem = file.problem(Position::START, message).with_help(help);
        Self { unreadable: Some(Arc::new(problem)), ..file }
    }

    /// Why it cannot be read, if it cannot.
    pub(crate) fn unreadable_because(&self) -> Option<&Diagnostic> {
        self.unreadable.as_deref()
    }

    /// Its path relative to the project, with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file's name without folder and extension.
    #[must_use]
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.split('.').next().unwrap_or(name)
    }

    /// The line numbered `line`, 1-based, or an empty string.
    #[must_use]
    pub fn line(&self, line: u64) -> &str {
        let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        lines(&self.text).nth(index).unwrap_or("")
    }

    /// A problem at a position of this file.
    #[must_use]
    pub fn problem(&self, at: impl Into<Position>, message: impl Into<String>) -> Diagnostic {
        let at = at.into();
        Diagnostic {
            file: self.path.to_string(),
            line: at.line,
            column: at.column,
            message: without_secrets(&message.into()),
            help: None,
            line_text: masked(&self.path, self.line(at.line)),
            missing_table: None,
        }
    }

    /// The scalar without quotes that begins at a position of a YAML text, as its author wrote it: `0012`, `1e3` and `no` are these
    /// characters, whatever YAML takes them for.
    #[must_use]
    pub fn plain_scalar(&self, at: impl Into<Position>) -> &str {
        let at = at.into();
        let line = self.line(at.line);
        let skip = usize::try_from(at.column - 1).unwrap_or(usize::MAX);
        let start = line.char_indices().nth(skip).map_or(line.len(), |(byte, _)| byte);
        let rest = &line[start..];
        let end = rest.find([',', ']', '}']).unwrap_or(rest.len());
        let end = rest.find(" #").map_or(end, |comment| end.min(comment));
        rest[..end].trim()
    }

    /// Whether a block string begins on this line: the line before ends with its mark.
    fn is_block(&self, line: u64) -> bool {
        let before = self.line(line.saturating_sub(1)).trim_end().trim_end_matches(['-', '+']);
        line > 1 && before.ends_with(['|', '>'])
    }

    /// Where a position inside a YAML string stands in this file: SQL in a definition is reported where its
    /// author sees it.
    ///
    /// Exact for a plain or quoted string on one line and for a block (`|`), whose location is that of its
    /// first line; in any other string over several lines, the line is exact.
    #[must_use]
    pub fn inside(&self, outer: &Spanned<String>, inner: Position) -> Position {
        let start = Position::from(outer.referenced);
        let line = self.line(start.line);
        let skip = usize::try_from(start.column - 1).unwrap_or(0);
        match line.chars().nth(skip) {
            Some(quote @ ('"' | '\'')) if inner.line == 1 => {
                let text: Vec<char> = line.chars().skip(skip + 1).collect();
                let before = usize::try_from(inner.column - 1).unwrap_or(usize::MAX);
                let written = (0..before)
                    .fold(0, |at, _| at + written_length(quote, text.get(at..).unwrap_or_default()));
                Position { line: start.line, column: start.column + 1 + written as u64 }
            }
            _ if inner.line == 1 || self.is_block(start.line) => {
                Position { line: start.line + inner.line - 1, column: start.column + inner.column - 1 }
            }
            _ => Position { line: start.line + inner.line - 1, column: inner.column },
        }
    }
}

/// How many characters write the next one of a quoted YAML string.
fn written_length(quote: char, text: &[char]) -> usize {
    match (quote, text) {
        ('\'', ['\'', '\'', ..]) => 2,
        ('"', ['\\', 'x', ..]) => 4,
        ('"', ['\\', 'u', ..]) => 6,
        ('"', ['\\', 'U', ..]) => 10,
        ('"', ['\\', ..]) => 2,
        _ => 1,
    }
}

/// The lines of a YAML text: a carriage return ends one too.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text).filter(|text| !text.is_empty());
    std::iter::from_fn(move || {
        let text = rest?;
        let (line, more) = match text.find(['\r', '\n']) {
            Some(end) => {
                let (line, tail) = text.split_at(end);
                (line, tail.strip_prefix("\r\n").unwrap_or(&tail[1..]))
            }
            None => (text, ""),
        };
        rest = Some(more).filter(|text| !text.is_empty());
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_what_its_author_wrote() {
        let file = SourceFile::new("a.yaml", "keys: [0012, 1e3, ~]\n- 00123   # a key\n- no");
        for (line, column, expected) in
            [(1, 8, "0012"), (1, 14, "1e3"), (1, 19, "~"), (2, 3, "00123"), (3, 3, "no"), (3, 9, "")]
        {
            assert_eq!(file.plain_scalar(Position { line, column }), expected);
        }
    }

    #[test]
    fn a_position_inside_a_string_is_where_its_author_sees_it() {
        #[derive(serde::Deserialize)]
        struct Row {
            check: Spanned<String>,
        }
        for (text, inner, expected) in [
            ("check: amount >= 0", (1, 8), (1, 15)),
            ("check: 'amount >= 0'", (1, 1), (1, 9)),
            (r#"check: "\"Amount\" >= 0""#, (1, 10), (1, 20)),
            ("check: 'note <> ''x'' AND amount'", (1, 17), (1, 27)),
            ("check: |\n  amount\n  >= 0\n", (2, 1), (3, 3)),
        ] {
            let row: Row = serde_yaml::from_str(text).unwrap();
            let at = SourceFile::new("a.yaml", text)
                .inside(&row.check, Position { line: inner.0, column: inner.1 });
            assert_eq!((at.line, at.column), expected, "{text}");
        }
    }
}
