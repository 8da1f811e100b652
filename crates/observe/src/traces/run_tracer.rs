//! The trace of a run has the run's id.

use std::time::Duration;

use opentelemetry::trace::{
    SpanBuilder, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracer, SpanData, SpanExporter};

/// The attribute of a span that names its run, as 32 hexadecimal digits.
const RUN: &str = "run";
/// The span that stands for the caller of a run: a parent by which the run's span gets its trace, and
/// which is never exported.
const ORIGIN: SpanId = SpanId::from_bytes(1_u64.to_be_bytes());

/// Starts the span of a run in the trace that has the run's id, and every other span where it belongs.
pub(super) struct RunTracer(pub(super) SdkTracer);

impl Tracer for RunTracer {
    type Span = <SdkTracer as Tracer>::Span;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Self::Span {
        let has_parent = parent.span().span_context().is_valid();
        match trace_of_run(&builder).filter(|_| !has_parent) {
            Some(trace) => {
                let origin =
                    SpanContext::new(trace, ORIGIN, TraceFlags::SAMPLED, true, TraceState::default());
                self.0.build_with_context(builder, &parent.with_remote_span_context(origin))
            }
            None => self.0.build_with_context(builder, parent),
        }
    }
}

fn trace_of_run(span: &SpanBuilder) -> Option<TraceId> {
    let run = span.attributes.iter().flatten().find(|attribute| attribute.key.as_str() == RUN)?;
    let Value::String(id) = &run.value else { return None };
    uuid::Uuid::try_parse(id.as_str()).ok().map(|id| TraceId::from_bytes(*id.as_bytes()))
}

/// Exports spans of runs as what they are: roots of their traces. What the collector does not take is logged
/// and given up.
#[derive(Debug)]
pub(super) struct RunTraces<E>(pub(super) E);

impl<E: SpanExporter> SpanExporter for RunTraces<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        for span in batch.iter_mut().filter(|span| span.parent_span_id == ORIGIN) {
            (span.parent_span_id, span.parent_span_is_remote) = (SpanId::INVALID, false);
        }
        let count = batch.len();
        let exported = self.0.export(batch).await;
        if let Err(error) = &exported {
            tracing::warn!(spans = count, %error, "the trace collector rejected them");
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}
