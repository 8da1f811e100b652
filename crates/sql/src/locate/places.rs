//! Where in a text something stands.

use tranche_project::Position;

/// Where a mistake stands whose place only its message shows.
pub(super) fn mentioned_in(text: &str, sql: &str) -> Position {
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

/// The parser writes its position into the message: `... at Line: 3, Column: 5`.
pub(super) fn parser_position(text: &str) -> Option<(String, Position)> {
    let (head, tail) = text.rsplit_once(" at Line: ")?;
    let (line, column) = tail.split_once(", Column: ")?;
    let digits = |s: &str| s.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let position = Position { line: digits(line)?, column: digits(column)? };
    Some((head.to_owned(), position))
}

pub(super) fn is_within(position: Position, sql: &str) -> bool {
    position.line >= 1
        && position.column >= 1
        && sql.lines().nth(usize::try_from(position.line - 1).unwrap_or(usize::MAX)).is_some()
}

/// Just behind the last character that says anything.
pub(super) fn end_of(sql: &str) -> Position {
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
pub(super) fn start_of(sql: &str) -> usize {
    let body = body_of(sql);
    sql.get(body..).and_then(|rest| rest.find(|c: char| !c.is_whitespace())).map_or(0, |skip| body + skip)
}

fn body_of(sql: &str) -> usize {
    sql.find("---*/").map_or(0, |close| close + 5)
}

/// Where a word stands in the statement; a quote before it belongs to it.
pub(super) fn find_word(sql: &str, word: &str) -> Option<usize> {
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

pub(super) fn position_at(text: &str, offset: usize) -> Position {
    let head = text.get(..offset).unwrap_or(text);
    let line = head.matches('\n').count() as u64 + 1;
    let column = head.rsplit('\n').next().unwrap_or(head).chars().count() as u64 + 1;
    Position { line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_taken_out_of_the_parsers_message() {
        let text = "Expected: an expression, found: FROM at Line: 3, Column: 8";
        let (message, position) = parser_position(text).unwrap();
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
}
