//! Logs on stderr and spans to a collector, by `tracing`.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, filter, fmt};
use tranche_daemon::{Traces, environment_variable};

use crate::args::{Arguments, LogFormat};
use crate::failure::Failure;

/// The crates whose logs are ours.
const OWN: [&str; 12] = [
    "tranche",
    "daemon",
    "workspace",
    "ingest",
    "store",
    "sql",
    "segment",
    "metric",
    "experiment",
    "report",
    "pipeline",
    "observe",
];

/// Starts logging as the flags ask for: without any, errors, and of commands that run unattended warnings too. `TRANCHE_LOG` overrides
/// them with a filter of its own. Where the environment names a collector, spans of runs, steps and queries are sent to it.
///
/// # Errors
/// [`Failure`] of the caller, when the collector cannot be spoken to as the environment says.
pub(crate) fn start(arguments: &Arguments) -> Result<Option<Traces>, Failure> {
    let global = &arguments.global;
    let (others, own) = match global.verbose {
        0 if arguments.command.runs_unattended() => ("off", "warn"),
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
    let lines = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
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
