//! From an engine's error to a position in the SQL text.

use datafusion::common::{Diagnostic, SchemaError};
use datafusion::error::DataFusionError;
use tranche_project::Position;

use crate::SqlProblem;

/// The mistake that an error of parsing or planning `sql` is about.
pub(crate) fn problem(error: &DataFusionError, sql: &str) -> SqlProblem {
    if let Some(diagnostic) = error.diagnostic() {
        return from_diagnostic(diagnostic, error, sql);
    }
    let text = plain(&error.strip_backtrace());
    match parser_position(&text) {
        Some((message, position)) => SqlProblem { position, message, help: None },
        None => SqlProblem { position: mentioned(&text, sql), message: text, help: None },
    }
}

fn from_diagnostic(diagnostic: &Diagnostic, error: &DataFusionError, sql: &str) -> SqlProblem {
    let position = diagnostic.span.map(|span| Position { line: span.start.line, column: span.start.column });
    let message = plain(&diagnostic.message);
    let (message, parsed) = parser_position(&message).map_or((message, None), |(m, p)| (m, Some(p)));
    let mut help: Vec<String> = diagnostic.helps.iter().map(|h| h.message.clone()).collect();
    if help.is_empty() {
        help.extend(diagnostic.notes.iter().map(|n| n.message.clone()));
    }
    if let DataFusionError::SchemaError(schema_error, _) = error.find_root()
        && let SchemaError::FieldNotFound { valid_fields, .. } = schema_error.as_ref()
        && help.is_empty()
    {
        let names: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).take(30).collect();
        help.push(format!("there are {}", names.join(", ")));
    }
    let position = position.or(parsed).unwrap_or_else(|| mentioned(&message, sql));
    SqlProblem { position, message, help: (!help.is_empty()).then(|| help.join("; ")) }
}

/// The parser writes its position into the message: `... at Line: 3, Column: 5`.
fn parser_position(text: &str) -> Option<(String, Position)> {
    let (head, tail) = text.rsplit_once(" at Line: ")?;
    let (line, column) = tail.split_once(", Column: ")?;
    let digits = |s: &str| s.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let position = Position { line: digits(line)?, column: digits(column)? };
    Some((plain(head), position))
}

/// The engine's own prefixes say nothing to an analyst.
fn plain(text: &str) -> String {
    let mut rest = text.lines().next().unwrap_or_default();
    for prefix in [
        "Error during planning: ",
        "SQL error: ",
        "ParserError(\"",
        "sql parser error: ",
        "Schema error: ",
        "type_coercion",
        "\ncaused by\n",
        "This feature is not implemented: ",
    ] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    rest.trim_end_matches(['.', '"', ')']).to_owned()
        + if rest.ends_with("()") || rest.matches('(').count() == rest.matches(')').count() && rest.ends_with(')') {
            ")"
        } else {
            ""
        }
}

/// Where the first name that the message quotes stands in the text, or the start of the statement.
fn mentioned(message: &str, sql: &str) -> Position {
    let quoted = message.split(['\'', '`', '"']).skip(1).step_by(2);
    let found = quoted.filter(|name| !name.is_empty()).find_map(|name| find_word(sql, name.rsplit('.').next().unwrap_or(name)));
    let start = || {
        let body = sql.find("---*/").map_or(0, |close| close + 5);
        sql.get(body..).and_then(|rest| rest.find(|c: char| !c.is_whitespace())).map_or(0, |skip| body + skip)
    };
    position_at(sql, found.unwrap_or_else(start))
}

fn find_word(sql: &str, word: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    sql.match_indices(word).map(|(at, _)| at).find(|&at| {
        let before = sql.get(..at).and_then(|s| s.chars().next_back());
        let after = sql.get(at + word.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn position_at(text: &str, offset: usize) -> Position {
    let head = text.get(..offset).unwrap_or(text);
    let line = head.matches('\n').count() as u64 + 1;
    let column = head.rsplit('\n').next().unwrap_or(head).chars().count() as u64 + 1;
    Position { line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_position_is_taken_out_of_the_message() {
        let text = "sql parser error: Expected: an expression, found: FROM at Line: 3, Column: 8";
        let (message, position) = parser_position(&plain(text)).unwrap();
        assert_eq!(message, "Expected: an expression, found: FROM");
        assert_eq!(position, Position { line: 3, column: 8 });
    }

    #[test]
    fn a_quoted_name_is_looked_for_as_a_word() {
        let sql = "SELECT agent,\n  age FROM x";
        assert_eq!(mentioned("cannot compare 'age' with 'b'", sql), Position { line: 2, column: 3 });
        assert_eq!(mentioned("no idea", "/*---\na: 1\n---*/\nSELECT 1"), Position { line: 4, column: 1 });
    }
}
