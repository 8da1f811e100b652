//! Spans on their way to a collector.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::{SpanId, Status, TraceId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SpanData;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

const RUN: &str = "0199d2c4a1b27c3d8e4f5a6b7c8d9e0f";

/// Keeps what is exported.
#[derive(Debug, Clone, Default)]
struct Captured(Arc<Mutex<Vec<SpanData>>>);

impl opentelemetry_sdk::trace::SpanExporter for Captured {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

fn work(traces: &Traces) {
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        let run = tracing::error_span!("run", run = RUN, pipeline = "shop");
        let _run = run.enter();
        for (step, rows) in [("load", 7_i64), ("segments", 0)] {
            let span = tracing::error_span!(
                "step",
                step,
                rows = tracing::field::Empty,
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty
            );
            let _step = span.enter();
            span.record("rows", rows);
            if rows == 0 {
                span.record("otel.status_code", "ERROR").record("otel.status_description", "no rows");
            }
            tracing::info_span!("query").in_scope(|| {});
        }
    });
}

#[test]
fn a_run_its_steps_and_their_queries_are_one_trace() {
    let captured = Captured::default();
    let traces = Traces::export_by(captured.clone());
    work(&traces);
    traces.shutdown().unwrap();
    let spans = captured.0.lock().unwrap();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).cloned().collect::<Vec<_>>();
    let (runs, steps, queries) = (named("run"), named("step"), named("query"));
    let [run] = runs.as_slice() else { panic!("{spans:?}") };
    assert_eq!((steps.len(), queries.len(), spans.len()), (2, 2, 5));
    let trace = TraceId::from_hex(RUN).unwrap();
    assert!(spans.iter().all(|span| span.span_context.trace_id() == trace));
    assert_eq!((run.parent_span_id, run.parent_span_is_remote), (SpanId::INVALID, false));
    assert!(steps.iter().all(|step| step.parent_span_id == run.span_context.span_id()));
    for (step, query) in steps.iter().zip(&queries) {
        assert_eq!(query.parent_span_id, step.span_context.span_id());
    }
    let value = |span: &SpanData, key: &str| {
        span.attributes.iter().find(|a| a.key.as_str() == key).map(|attribute| attribute.value.clone())
    };
    assert_eq!(value(&steps[0], "rows"), Some(7_i64.into()));
    assert_eq!(value(run, "pipeline"), Some("shop".into()));
    assert_eq!(run.attributes.len(), 2, "nothing is said that the span does not say: {run:?}");
    assert_eq!((&steps[0].status, &steps[1].status), (&Status::Unset, &Status::error("no rows")));
}

/// Answers one request, and gives its head in lower case.
async fn collector(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        request.extend_from_slice(&part[..read]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        if length.is_some_and(|length: usize| length > 0 && request.len() == end + 4 + length) {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            return head;
        }
    }
}

#[tokio::test]
async fn spans_are_posted_in_the_binary_form() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let traces = Traces::export(Some(&endpoint), EXPORT_TIMEOUT).unwrap();
    work(&traces);
    let shutdown = tokio::task::spawn_blocking(move || traces.shutdown());
    let head = collector(listener).await;
    shutdown.await.unwrap().unwrap();
    assert!(head.starts_with("post /v1/traces "), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
}

#[tokio::test]
async fn a_collector_that_is_away_keeps_no_process_from_ending() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    drop(listener);
    let traces = Traces::export(Some(&endpoint), EXPORT_TIMEOUT).unwrap();
    work(&traces);
    tokio::task::spawn_blocking(move || traces.shutdown()).await.unwrap().unwrap();
}

#[test]
fn traces_are_exported_where_the_environment_names_a_collector() {
    let wanted = |environment: &[(&str, &str)]| {
        let value = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        is_wanted(&value)
    };
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
    assert!(!wanted(&[]).unwrap());
    assert!(!wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]).unwrap());
    assert!(wanted(&[base]).unwrap());
    assert!(wanted(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/x")]).unwrap());
    assert!(!wanted(&[base, ("OTEL_SDK_DISABLED", "true")]).unwrap());
    let refused = wanted(&[base, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err().to_string();
    assert!(refused.contains("write `http/protobuf`"), "{refused}");
}
