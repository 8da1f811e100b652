//! Logs on stderr, by `tracing`.

use tracing_subscriber::EnvFilter;

use crate::args::Global;

/// The crates whose logs are ours.
const OWN: [&str; 9] = ["tranche", "ingest", "store", "sql", "segment", "metric", "experiment", "report", "pipeline"];

/// Starts logging as the flags ask for; `TRANCHE_LOG` overrides them with a filter of its own.
pub(crate) fn start(global: &Global) {
    let (others, own) = match global.verbose {
        0 => ("off", "error"),
        1 => ("warn", "info"),
        2 => ("info", "debug"),
        _ => ("debug", "trace"),
    };
    let directives = OWN.iter().fold(others.to_owned(), |all, name| match *name {
        "tranche" => format!("{all},tranche={own}"),
        name => format!("{all},tranche_{name}={own}"),
    });
    let filter = EnvFilter::try_from_env("TRANCHE_LOG").unwrap_or_else(|_| EnvFilter::new(directives));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if global.log_json { subscriber.json().init() } else { subscriber.compact().init() }
}
