//! Spans of `tracing` as OpenTelemetry traces, sent to a collector by OTLP over HTTP.
//!
//! A span that names a run (`run`, 32 hexadecimal digits) and has no parent begins a trace whose id is the run's: who knows a run finds its trace, and a run
//! that is resumed goes on in the same one. A collector that cannot be reached costs traces, never runs.

mod layer;
mod options;
mod otlp;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

pub use options::TraceOptions;

use crate::ObserveError;
use crate::http::Poster;
use layer::TraceLayer;

/// How often what has ended is sent.
const INTERVAL: Duration = Duration::from_secs(5);
/// Spans that wait for a collector; the oldest are forgotten when there are more.
const WAITING: usize = 8_192;

/// The spans of this process, on their way to a collector. Clones share them.
#[derive(Debug, Clone)]
pub struct Traces {
    ended: Arc<Mutex<Vec<Span>>>,
    options: TraceOptions,
}

impl Traces {
    /// Spans that go where the options say.
    #[must_use]
    pub fn new(options: TraceOptions) -> Self {
        Self { ended: Arc::default(), options }
    }

    /// What takes the spans of a subscriber.
    #[must_use]
    pub fn layer<S>(&self) -> impl tracing_subscriber::Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'l> tracing_subscriber::registry::LookupSpan<'l>,
    {
        TraceLayer { ended: Arc::clone(&self.ended), limit: WAITING }
    }

    /// Sends what has ended, now and then, until it is dropped.
    pub async fn send_regularly(&self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if let Err(error) = self.send().await {
                tracing::warn!("traces are kept until the collector takes them: {error}");
            }
        }
    }

    /// Sends what has ended; what the collector does not take is kept for the next time.
    ///
    /// # Errors
    /// [`ObserveError::Refused`] when it takes none, [`ObserveError::Place`] when there cannot be a collector there.
    pub async fn send(&self) -> Result<(), ObserveError> {
        let spans = std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner));
        if spans.is_empty() {
            return Ok(());
        }
        let poster = Poster::new(&self.options.endpoint)?;
        let request = otlp::request(&self.options, spans);
        let posted =
            poster.post("application/x-protobuf", &self.options.headers, request.encode_to_vec()).await;
        if posted.is_err() {
            let unsent = otlp::spans(request);
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let room = WAITING.saturating_sub(ended.len());
            let forgotten = unsent.len().saturating_sub(room);
            ended.splice(0..0, unsent.into_iter().skip(forgotten));
        }
        posted
    }
}

#[cfg(test)]
mod tests;
