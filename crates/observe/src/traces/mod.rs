//! Spans of `tracing` as OpenTelemetry traces, exported to a collector by OTLP over HTTP.
//!
//! Everything about them is the SDK's, and is set by its variables of the environment: where they go,
//! sampling, batches, timeouts, what is said of the process. Two things are ours: a trace of a run has the
//! run's id, so that who knows a run finds its trace and a resumed run continues in it; and the program
//! exports nothing unless a collector is named.

mod client;
mod run_tracer;

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, Key};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::registry::LookupSpan;
use tranche_project::is_near;

use crate::ObserveError;
use client::CollectorClient;
use run_tracer::{RunTracer, RunTraces};

/// How long a request may take unless the environment says otherwise: as the specification of OTLP has it.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last export may take when the process ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The traces of this process, on their way to a collector. Clones share them.
#[derive(Debug, Clone)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Traces as the environment asks for them; `None` when it names no collector
    /// (`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) or sets `OTEL_SDK_DISABLED`.
    ///
    /// # Errors
    /// [`ObserveError::Place`] when its variables contradict themselves, or ask for another protocol than
    /// `http/protobuf`.
    pub fn from_environment(value_of: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ObserveError> {
        if !is_wanted(&value_of)? {
            return Ok(None);
        }
        let milliseconds = variable(&value_of, "TIMEOUT").and_then(|text| text.parse().ok());
        Self::export(None, milliseconds.map_or(EXPORT_TIMEOUT, Duration::from_millis)).map(Some)
    }

    /// Exports to this endpoint, or to the one that the environment names. A request takes no longer than
    /// `timeout`.
    fn export(endpoint: Option<&str>, timeout: Duration) -> Result<Self, ObserveError> {
        let wrong =
            |reason: &dyn ToString| ObserveError::place("the collector of traces", reason.to_string());
        let client = CollectorClient::new(timeout).map_err(|error| wrong(&error))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client);
        let exporter = match endpoint {
            Some(endpoint) => exporter.with_endpoint(endpoint),
            None => exporter,
        };
        Ok(Self::export_by(exporter.build().map_err(|error| wrong(&error))?))
    }

    fn export_by(exporter: impl opentelemetry_sdk::trace::SpanExporter + 'static) -> Self {
        let provider = SdkTracerProvider::builder().with_resource(resource());
        Self(provider.with_batch_exporter(RunTraces(exporter)).build())
    }

    /// The layer of a subscriber whose spans are exported.
    #[must_use]
    pub fn layer<S>(&self) -> impl tracing_subscriber::Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'l> LookupSpan<'l>,
    {
        let scope = InstrumentationScope::builder("tranche").with_version(env!("CARGO_PKG_VERSION")).build();
        tracing_opentelemetry::layer()
            .with_tracer(RunTracer(self.0.tracer_with_scope(scope)))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_level(false)
            .with_target(false)
    }

    /// Exports what has ended, and nothing after that. Blocks: for the end of the process, outside of its
    /// tasks.
    ///
    /// # Errors
    /// [`ObserveError::Refused`] when the collector does not take it in time.
    pub fn shutdown(&self) -> Result<(), ObserveError> {
        let ended = self.0.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
        ended.map_err(|error| ObserveError::refused("the collector of traces", error))
    }
}

/// A variable of the exporter: the one for traces, or else the one for everything.
fn variable(value_of: &impl Fn(&str) -> Option<String>, suffix: &str) -> Option<String> {
    let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{suffix}"), format!("OTEL_EXPORTER_OTLP_{suffix}")];
    names.iter().find_map(|name| value_of(name).filter(|value| !value.is_empty()))
}

/// Whether the environment names a collector, by the protocol that is spoken here: of another, the SDK would
/// say nothing.
fn is_wanted(value_of: &impl Fn(&str) -> Option<String>) -> Result<bool, ObserveError> {
    let is_disabled = value_of("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"));
    if is_disabled || variable(value_of, "ENDPOINT").is_none() {
        return Ok(false);
    }
    let Some(protocol) = variable(value_of, "PROTOCOL").filter(|protocol| protocol != "http/protobuf") else {
        return Ok(true);
    };
    let near = if is_near("http/protobuf", &protocol) { "did you mean" } else { "write" };
    let reason = format!("OTEL_EXPORTER_OTLP_PROTOCOL is `{protocol}`; {near} `http/protobuf`");
    Err(ObserveError::place("the collector of traces", reason))
}

/// What is said of the process: as the environment says, with the program's name where that gives the service
/// none.
fn resource() -> Resource {
    let resource = Resource::builder().build();
    let name = resource.get(&Key::from_static_str("service.name"));
    if name.is_some_and(|name| !name.as_str().starts_with("unknown_service")) {
        return resource;
    }
    Resource::builder().with_service_name("tranche").build()
}

#[cfg(test)]
mod tests;
