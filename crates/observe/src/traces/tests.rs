//! Spans on their way to a collector.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

const RUN: &str = "0199d2c4a1b27c3d8e4f5a6b7c8d9e0f";

/// Answers one request with a status, and gives its path and body.
async fn collector(listener: TcpListener, status: &'static str) -> (String, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        request.extend_from_slice(&part[..read]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap()
            .trim()
            .parse::<usize>()
            .unwrap();
        if request.len() == end + 4 + length {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            return (head.split(' ').nth(1).unwrap().to_owned(), request.split_off(end + 4));
        }
    }
}

async fn listen() -> (TcpListener, Traces) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let options = TraceOptions::from_environment(|name| {
        (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| endpoint.clone())
    });
    (listener, Traces::new(options.unwrap().unwrap()))
}

fn work(traces: &Traces) {
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        let run = tracing::error_span!("run", run = RUN, pipeline = "shop");
        let _run = run.enter();
        for (step, rows) in [("load", 7_u64), ("segments", 0)] {
            let span = tracing::error_span!(
                "step",
                step,
                rows = tracing::field::Empty,
                otel.status_code = tracing::field::Empty,
                otel.status_message = tracing::field::Empty
            );
            let _step = span.enter();
            span.record("rows", rows);
            if rows == 0 {
                span.record("otel.status_code", "ERROR").record("otel.status_message", "no rows");
            }
            tracing::info_span!("query").in_scope(|| {});
        }
    });
}

#[tokio::test]
async fn a_run_its_steps_and_their_queries_are_one_trace() {
    let (listener, traces) = listen().await;
    work(&traces);
    let (sent, (path, body)) = tokio::join!(traces.send(), collector(listener, "200 OK"));
    sent.unwrap();
    assert_eq!(path, "/v1/traces");
    let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let spans = otlp::spans(request);
    let named = |name: &str| spans.iter().filter(|span| span.name == name).cloned().collect::<Vec<Span>>();
    let (runs, steps, queries) = (named("run"), named("step"), named("query"));
    let [run] = runs.as_slice() else { panic!("{spans:?}") };
    assert_eq!((steps.len(), queries.len(), spans.len()), (2, 2, 5));
    let trace = uuid::Uuid::try_parse(RUN).unwrap();
    assert!(spans.iter().all(|span| span.trace_id == trace.as_bytes() && span.span_id.len() == 8));
    assert!(run.parent_span_id.is_empty());
    assert!(steps.iter().all(|step| step.parent_span_id == run.span_id));
    for (step, query) in steps.iter().zip(&queries) {
        assert_eq!(query.parent_span_id, step.span_id);
    }
    assert!(spans.iter().all(|span| span.start_time_unix_nano <= span.end_time_unix_nano && span.start_time_unix_nano > 0));
    let value = |span: &Span, key: &str| {
        span.attributes.iter().find(|a| a.key == key).and_then(|a| a.value.clone()?.value)
    };
    assert_eq!(value(&steps[0], "rows"), Some(Value::IntValue(7)));
    assert_eq!(value(run, "pipeline"), Some(Value::StringValue("shop".into())));
    let status = steps[1].status.clone().unwrap();
    assert_eq!(
        (status.code(), status.message.as_str(), steps[0].status.as_ref()),
        (StatusCode::Error, "no rows", None)
    );
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_sent_again() {
    let (listener, traces) = listen().await;
    work(&traces);
    let address = listener.local_addr().unwrap();
    let (sent, _) = tokio::join!(traces.send(), collector(listener, "503 Service Unavailable"));
    assert!(sent.unwrap_err().to_string().contains("503"));
    let listener = TcpListener::bind(address).await.unwrap();
    let (sent, (_, body)) = tokio::join!(traces.send(), collector(listener, "200 OK"));
    sent.unwrap();
    assert_eq!(otlp::spans(ExportTraceServiceRequest::decode(body.as_slice()).unwrap()).len(), 5);
    traces.send().await.unwrap();
}
