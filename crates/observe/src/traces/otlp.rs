//! The messages of OTLP that carry spans, as the protocol's own types.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use super::TraceOptions;

/// Something that is said.
pub(super) fn said(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// What is posted of the spans of this process.
pub(super) fn request(options: &TraceOptions, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let attributes =
        options.resource.iter().map(|(name, value)| said(name, Value::StringValue(value.clone()))).collect();
    let (name, version) = ("tranche".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let scope = InstrumentationScope { name, version, ..InstrumentationScope::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

/// The spans of a request.
pub(super) fn spans(request: ExportTraceServiceRequest) -> Vec<Span> {
    request
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect()
}
