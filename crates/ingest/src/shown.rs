//! Raw values as messages and the quarantine show them: short, and safe for a terminal.

use tranche_project::is_hidden;

/// The longest value that a reason shows, in characters.
const SHOWN_LIMIT: usize = 80;

/// A value as a reason shows it: short, and without characters that a terminal would obey.
pub(crate) fn legible(value: &str) -> String {
    let shown = |c| if is_hidden(c) || matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    let plain = value.chars().take(SHOWN_LIMIT).map(shown);
    let end = if value.chars().nth(SHOWN_LIMIT).is_some() { "…" } else { "" };
    plain.collect::<String>() + end
}

/// The longest raw row that is stored, in bytes.
const RAW_LIMIT: usize = 4_096;

/// A raw text, shortened to that.
pub(crate) fn shorten(text: &str) -> String {
    if text.len() <= RAW_LIMIT {
        return text.to_owned();
    }
    let end = (0..=RAW_LIMIT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len())
}
