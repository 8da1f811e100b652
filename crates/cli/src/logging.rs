//! Logs on stderr and spans to a collector, by `tracing`.

use std::io::Write;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, filter, fmt};
use tranche_daemon::{Traces, environment_variable};
use tranche_workspace::is_hidden;

use crate::args::{Arguments, LogFormat};
use crate::failure::Failure;

/// The crates whose logs are ours.
const OWN: [&str; 13] = [
    "tranche",
    "daemon",
    "workspace",
    "ingest",
    "store",
    "sql",
    "incremental",
    "segment",
    "metric",
    "experiment",
    "report",
    "pipeline",
    "observe",
];

/// Starts logging as the flags ask for: without any, errors, and of commands that run pipelines warnings too. `TRANCHE_LOG` overrides
/// them with a filter of its own. Where the environment names a collector, spans of runs, steps and queries are sent to it.
///
/// # Errors
/// [`Failure`] of the caller, when the collector cannot be spoken to as the environment says.
pub(crate) fn start(arguments: &Arguments) -> Result<Option<Traces>, Failure> {
    let global = &arguments.global;
    let (others, own) = match global.verbose {
        0 if arguments.command.runs_pipelines() => ("off", "warn"),
        0 => ("off", "error"),
        1 => ("warn", "info"),
        2 => ("info", "debug"),
        _ => ("debug", "trace"),
    };
    let directives = OWN.iter().fold(others.to_owned(), |all, name| match *name {
        "tranche" => format!("{all},tranche={own}"),
        name => format!("{all},tranche_{name}={own}"),
    });
    let wanted = EnvFilter::try_from_env("TRANCHE_LOG").unwrap_or_else(|_| EnvFilter::new(directives));
    let lines = fmt::layer().with_writer(|| Legible(std::io::stderr())).log_internal_errors(false);
    let lines = match global.log_format {
        LogFormat::Json => lines.json().flatten_event(true).with_filter(wanted).boxed(),
        LogFormat::Text => lines.compact().with_filter(wanted).boxed(),
    };
    let traces = Traces::from_environment(environment_variable)
        .map_err(|error| Failure::definition(error.to_string()))?;
    let is_ours = filter::filter_fn(|about| about.is_span() && about.target().starts_with("tranche"));
    let spans = traces.as_ref().map(|traces| traces.layer().with_filter(is_ours));
    tracing_subscriber::registry().with(lines).with(spans).init();
    Ok(traces)
}

/// Lines of a log in which nothing is hidden: what a terminal obeys is escaped where values are written.
struct Legible<W>(W);

impl<W: Write> Write for Legible<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        // The colours are ours.
        let hidden = |c: char| is_hidden(c) && c != '\u{1b}';
        if text.contains(hidden) {
            self.0.write_all(text.replace(hidden, "\u{fffd}").as_bytes())?;
        } else {
            self.0.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_hides_nothing() {
        let mut log = Legible(Vec::new());
        log.write_all("\u{1b}[32mINFO\u{1b}[0m Zoë \u{202e}x\u{9b}\n".as_bytes()).unwrap();
        assert_eq!(log.0, "\u{1b}[32mINFO\u{1b}[0m Zoë \u{fffd}x\u{fffd}\n".as_bytes());
    }
}
