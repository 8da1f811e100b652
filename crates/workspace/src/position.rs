//! Where texts stand in definition files.

use tranche_project::{Position, SourceFile};

/// Where a text first stands in a file.
pub(crate) fn position_of(file: &SourceFile, text: &str) -> Position {
    let found = file.text().lines().enumerate().find_map(|(line, content)| {
        let at = content.find(text)?;
        Some(Position { line: line as u64 + 1, column: content.get(..at)?.chars().count() as u64 + 1 })
    });
    found.unwrap_or(Position::START)
}
