//! Results on stdout, remarks on stderr. A closed pipe (`| head`) is not an error.

use std::io::{ErrorKind, IsTerminal, Write};

use tranche_workspace::{legible, legible_json};

use super::shorten::wrap;
use super::view::View;
use crate::args::Format;
use crate::failure::Failure;

/// Prints one JSON document, indented for people.
pub(crate) fn print_json(document: &impl serde::Serialize, format: Format) -> Result<(), Failure> {
    let text = if format == Format::Json {
        serde_json::to_string(document)
    } else {
        serde_json::to_string_pretty(document)
    };
    let text = text.map_err(|e| Failure::internal(e.to_string()))?;
    done(writeln!(std::io::stdout().lock(), "{}", legible_json(&text)))
}

/// Prints rows in a format. What a terminal would obey is written out where one may read it.
pub(super) fn print_rows(text: &str, format: Format) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    done(match format {
        Format::Json => writeln!(stdout, "{}", legible_json(text)),
        Format::Csv if !stdout.is_terminal() => writeln!(stdout, "{text}"),
        _ => writeln!(stdout, "{}", legible(text)),
    })
}

/// A text in lines as wide as the terminal, those after the first indented.
pub(crate) fn paragraph(text: &str) -> String {
    const INDENT: &str = "  ";
    match View::current().width {
        Some(width) => wrap(text, width.saturating_sub(INDENT.len())).replace('\n', &format!("\n{INDENT}")),
        None => text.to_owned(),
    }
}

/// Prints a text for people.
pub(crate) fn print_text(text: &str) -> Result<(), Failure> {
    done(writeln!(std::io::stdout().lock(), "{}", legible(text)))
}

/// Prints a remark on stderr, beside the result.
pub(crate) fn note(text: &str) -> Result<(), Failure> {
    done(writeln!(std::io::stderr().lock(), "{}", legible(text)))
}

/// Standard error as the console of a process that stays up. A terminal that went away is no reason to stop.
pub(crate) struct StandardError;

impl tranche_daemon::Console for StandardError {
    fn line(&self, text: &str) {
        let _ = note(text);
    }
}

fn done(written: std::io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::storage(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
