//! From an engine's error to a position in the SQL text, and to words that its author understands.

use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use tranche_project::Position;

use crate::{SqlProblem, UnknownName};

/// The mistake that an error of parsing or planning `sql` is about.
pub(crate) fn problem(error: &DataFusionError, sql: &str) -> SqlProblem {
    if let DataFusionError::SchemaError(schema_error, _) = error.find_root()
        && let SchemaError::FieldNotFound { field, valid_fields } = schema_error.as_ref()
    {
        return unknown_column(field, valid_fields, sql);
    }
    let diagnostic = error.diagnostic();
    let text = cause(&diagnostic.map_or_else(|| error.strip_backtrace(), |d| d.message.clone()));
    let (text, parsed) =
        parser_position(&text).map_or((text, None), |(text, position)| (text, Some(position)));
    let (message, help) = in_plain_words(&text);
    let spanned = diagnostic
        .and_then(|d| d.span)
        .map(|span| Position { line: span.start.line, column: span.start.column });
    let position = parsed.filter(|p| is_within(*p, sql)).or(spanned).unwrap_or_else(|| match parsed {
        Some(_) => end_of(sql),
        None => told(&text, sql),
    });
    let unknown = unknown_table(&text).map(UnknownName::Table);
    SqlProblem { position, message, help, unknown }
}

/// The table that an error says is not there.
fn unknown_table(text: &str) -> Option<String> {
    let table = text.strip_prefix("table '")?.split('\'').next()?;
    Some(table.rsplit("public.").next().unwrap_or(table).to_owned())
}

/// Where a mistake stands that the engine only tells about.
fn told(text: &str, sql: &str) -> Position {
    let behind = |word: &str| {
        let end = find_word(sql, word)? + word.len();
        sql.get(end..)?.find(|c: char| !c.is_whitespace()).map(|skip| position_at(sql, end + skip))
    };
    if text.ends_with("found: EOF") {
        return end_of(sql);
    }
    if text.contains("the WHERE clause") {
        return behind("WHERE").unwrap_or_else(|| mentioned(text, sql));
    }
    mentioned(text, sql)
}

fn unknown_column(field: &Column, valid: &[Column], sql: &str) -> SqlProblem {
    let shown = field
        .relation
        .as_ref()
        .map_or_else(|| field.name.clone(), |relation| format!("{}.{}", relation.table(), field.name));
    let position =
        find_word(sql, &shown).or_else(|| find_word(sql, &field.name)).unwrap_or_else(|| start_of(sql));
    let mut known: Vec<&str> =
        valid.iter().map(|column| column.name.as_str()).filter(|name| !name.starts_with('_')).collect();
    known.sort_unstable();
    known.dedup();
    let near = known.iter().find(|name| tranche_project::is_near(name, &field.name));
    let in_quotes = sql.contains(&format!("\"{}\"", field.name));
    let help = match near {
        _ if in_quotes => {
            Some(format!("double quotes name a column; a text stands in single quotes: '{}'", field.name))
        }
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("there are {}", known.into_iter().take(40).collect::<Vec<_>>().join(", "))),
    };
    SqlProblem {
        position: position_at(sql, position),
        message: format!("there is no column `{shown}`"),
        help,
        unknown: Some(UnknownName::Column(field.name.clone())),
    }
}

/// The innermost cause in an error's text, without the engine's own prefixes.
fn cause(text: &str) -> String {
    let last = text.rsplit("caused by\n").next().unwrap_or(text);
    let mut rest = last.lines().next().unwrap_or_default().trim();
    loop {
        let before = rest;
        for prefix in PREFIXES {
            rest = rest.strip_prefix(prefix).unwrap_or(rest);
        }
        if rest == before {
            break;
        }
    }
    let rest = rest.strip_suffix("\")").unwrap_or(rest);
    rest.split(". This issue was likely caused")
        .next()
        .unwrap_or(rest)
        .trim_end_matches(['.', ' '])
        .to_owned()
}

const PREFIXES: [&str; 12] = [
    "Error during planning: ",
    "SQL error: ",
    "ParserError(\"",
    "sql parser error: ",
    "Schema error: ",
    "Internal error: ",
    "External error: ",
    "Arrow error: ",
    "Parser error: ",
    "Cast error: ",
    "Execution error: ",
    "This feature is not implemented: ",
];

/// What the engine says, as an analyst would be told.
fn in_plain_words(text: &str) -> (String, Option<String>) {
    let quoted =
        |after: &str| text.split(after).nth(1).and_then(|rest| rest.split('\'').next()).map(str::to_owned);
    if let Some(table) = unknown_table(text) {
        return (format!("there is no table `{table}`"), None);
    }
    if let Some(function) = quoted("Invalid function '") {
        return (format!("there is no function `{function}`"), None);
    }
    if let Some(function) = quoted("Function '").filter(|_| text.contains("failed to match any signature")) {
        return (format!("`{function}` does not take arguments of these types"), usage(&function));
    }
    if let Some(function) = quoted("No function matches the given name and argument types '") {
        let function = function.split('(').next().unwrap_or(&function);
        return (format!("`{function}` does not take arguments of these types"), usage(function));
    }
    let mut chars = text.chars();
    let head = match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    };
    (head.replace("Utf8", "text").replace(": Expected: ", ": expected "), None)
}

/// How a function of ours is used; those of the engine are in its manual.
fn usage(function: &str) -> Option<String> {
    let usage = match function {
        "bucket" => "write bucket('a name', key), where the key is a text or a whole number",
        _ => return None,
    };
    Some(usage.to_owned())
}

/// The parser writes its position into the message: `... at Line: 3, Column: 5`.
fn parser_position(text: &str) -> Option<(String, Position)> {
    let (head, tail) = text.rsplit_once(" at Line: ")?;
    let (line, column) = tail.split_once(", Column: ")?;
    let digits = |s: &str| s.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let position = Position { line: digits(line)?, column: digits(column)? };
    Some((head.to_owned(), position))
}

fn is_within(position: Position, sql: &str) -> bool {
    position.line >= 1
        && position.column >= 1
        && sql.lines().nth(usize::try_from(position.line - 1).unwrap_or(usize::MAX)).is_some()
}

/// Just behind the last character that says anything.
fn end_of(sql: &str) -> Position {
    let end = sql.trim_end();
    position_at(sql, end.len())
}

/// Where the first name that the message quotes stands in the text, or the start of the statement.
fn mentioned(message: &str, sql: &str) -> Position {
    let quoted = message.split(['\'', '`', '"']).skip(1).step_by(2);
    let found = quoted
        .filter(|name| !name.is_empty())
        .find_map(|name| find_word(sql, name.rsplit('.').next().unwrap_or(name)));
    position_at(sql, found.unwrap_or_else(|| start_of(sql)))
}

/// Where the first star of the statement stands.
pub(crate) fn first_star(sql: &str) -> Position {
    let body = body_of(sql);
    let found = sql.get(body..).and_then(|rest| rest.find('*')).map_or_else(|| start_of(sql), |at| body + at);
    position_at(sql, found)
}

/// Where the statement begins, behind any front matter.
fn start_of(sql: &str) -> usize {
    let body = body_of(sql);
    sql.get(body..).and_then(|rest| rest.find(|c: char| !c.is_whitespace())).map_or(0, |skip| body + skip)
}

fn body_of(sql: &str) -> usize {
    sql.find("---*/").map_or(0, |close| close + 5)
}

/// Where a word stands in the statement; a quote before it belongs to it.
fn find_word(sql: &str, word: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let body = body_of(sql);
    let lower = sql.to_ascii_lowercase();
    let word = word.to_ascii_lowercase();
    let found = lower.match_indices(&word).map(|(at, _)| at).filter(|at| *at >= body).find(|&at| {
        let before = sql.get(..at).and_then(|s| s.chars().next_back());
        let after = sql.get(at + word.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })?;
    let quote = sql.get(..found).is_some_and(|head| head.ends_with(['\'', '"']));
    Some(if quote { found - 1 } else { found })
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
        let (message, position) = parser_position(&cause(text)).unwrap();
        assert_eq!(message, "Expected: an expression, found: FROM");
        assert_eq!(position, Position { line: 3, column: 8 });
    }

    #[test]
    fn a_quoted_name_is_looked_for_as_a_word_of_the_statement() {
        let sql = "SELECT agent,\n  age FROM x";
        assert_eq!(mentioned("cannot compare 'age' with 'b'", sql), Position { line: 2, column: 3 });
        assert_eq!(
            mentioned("cannot read 'soon'", "SELECT 1 WHERE a > 'soon'"),
            Position { line: 1, column: 20 }
        );
        assert_eq!(mentioned("no idea", "/*---\na: 1\n---*/\nSELECT 1"), Position { line: 4, column: 1 });
    }

    #[test]
    fn the_innermost_cause_is_told_in_plain_words() {
        for (text, expected) in [
            (
                "Optimizer rule 'simplify_expressions' failed\ncaused by\nArrow error: Parser error: Error parsing timestamp from 'soon': error",
                "error parsing timestamp from 'soon': error",
            ),
            (
                "Error during planning: table 'datafusion.public.ordres' not found",
                "there is no table `ordres`",
            ),
            (
                "Error during planning: Invalid function 'days'.\nDid you mean 'day'?",
                "there is no function `days`",
            ),
            (
                "Internal error: Function 'date_part' failed to match any signature, errors: x",
                "`date_part` does not take arguments of these types",
            ),
        ] {
            assert_eq!(in_plain_words(&cause(text)).0, expected);
        }
    }
}
