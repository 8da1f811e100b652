//! Places of the parser's as places in a file.

use datafusion::sql::sqlparser::tokenizer::{Location, Span};
use tranche_project::Position;

/// Where a span of the parser's begins.
#[must_use]
pub fn position(span: Span) -> Position {
    let Location { line, column } = span.start;
    Position { line: line.max(1), column: column.max(1) }
}
