//! From spans of `tracing` to spans of OTLP.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::otlp::said;

/// The field of a span that names its run.
const RUN: &str = "run";
/// The fields by which a span says how it ended.
const STATUS_CODE: &str = "otel.status_code";
const STATUS_MESSAGE: &str = "otel.status_message";

/// Keeps spans that ended until they are sent.
pub(super) struct TraceLayer {
    pub(super) ended: Arc<Mutex<Vec<Span>>>,
    pub(super) limit: usize,
}

impl<S> Layer<S> for TraceLayer
where
    S: tracing::Subscriber + for<'l> LookupSpan<'l>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut begun = Span {
            span_id: random()[8..].to_vec(),
            name: attributes.metadata().name().to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: now(),
            ..Span::default()
        };
        attributes.record(&mut Told(&mut begun));
        let parent = span.parent().and_then(|parent| {
            let extensions = parent.extensions();
            extensions.get::<Span>().map(|parent| (parent.trace_id.clone(), parent.span_id.clone()))
        });
        match parent {
            Some((trace_id, span_id)) => {
                begun.trace_id = trace_id;
                begun.parent_span_id = span_id;
            }
            None => begun.trace_id = trace_of_run(&begun).unwrap_or_else(|| random().to_vec()),
        }
        span.extensions_mut().insert(begun);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(begun) = span.extensions_mut().get_mut::<Span>()
        {
            values.record(&mut Told(begun));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(mut span) = context.span(&id).and_then(|span| span.extensions_mut().remove::<Span>()) else {
            return;
        };
        span.end_time_unix_nano = now();
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() >= self.limit {
            ended.remove(0);
        }
        ended.push(span);
    }
}

/// The id of a run is that of its trace.
fn trace_of_run(span: &Span) -> Option<Vec<u8>> {
    let run = span.attributes.iter().find(|attribute| attribute.key == RUN)?;
    let Some(Value::StringValue(id)) = run.value.as_ref()?.value.as_ref() else { return None };
    uuid::Uuid::try_parse(id).ok().map(|id| id.as_bytes().to_vec())
}

/// Sixteen bytes, of which the last eight are of no instant.
fn random() -> [u8; 16] {
    *uuid::Uuid::now_v7().as_bytes()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Writes fields into a span.
struct Told<'a>(&'a mut Span);

impl Told<'_> {
    fn set(&mut self, field: &Field, value: Value) {
        match (field.name(), &value) {
            (STATUS_CODE, Value::StringValue(code)) => {
                let status = self.0.status.get_or_insert_default();
                status.set_code(if code == "ERROR" { StatusCode::Error } else { StatusCode::Ok });
            }
            (STATUS_MESSAGE, Value::StringValue(message)) => {
                self.0.status.get_or_insert_default().message.clone_from(message);
            }
            (name, _) => {
                self.0.attributes.retain(|attribute| attribute.key != name);
                self.0.attributes.push(said(name, value));
            }
        }
    }
}

impl Visit for Told<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::DoubleValue(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::IntValue(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::BoolValue(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::StringValue(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, Value::StringValue(format!("{value:?}")));
    }
}
