//! The HTTP endpoints of monitoring: `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tranche_pipeline::Clock;

use crate::{Metrics, ObserveError};

/// How long a readiness check may take.
const READY_TIMEOUT: Duration = Duration::from_secs(5);
/// What [`Metrics::text`] is.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Checks whether the process can do its work now; the message says why not.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What the monitoring endpoints answer from.
#[derive(Clone)]
pub struct Monitoring {
    /// The metrics of `/metrics`.
    pub metrics: Metrics,
    /// The clock by which ages are computed at a scrape.
    pub clock: Arc<dyn Clock>,
    /// The check behind `/readyz`: definitions are loaded, and the lake can be reached.
    pub readiness: Readiness,
}

impl Monitoring {
    /// The three endpoints, to be served alone or among others. Each answer closes its connection: scrapes
    /// are seconds apart.
    pub fn router(self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .fallback(|| async { (StatusCode::NOT_FOUND, "see /metrics, /healthz, /readyz\n") })
            .layer(map_response(close))
            .with_state(self)
    }

    /// Serves the endpoints at an address until dropped; `listening` receives the bound address, whose port
    /// is chosen when it is 0.
    ///
    /// # Errors
    /// [`ObserveError::Machine`] when the address cannot be bound.
    pub async fn serve(
        self,
        address: SocketAddr,
        listening: impl FnOnce(SocketAddr),
    ) -> Result<(), ObserveError> {
        let failed = |source| ObserveError::Machine { place: address.to_string(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        listening(listener.local_addr().map_err(failed)?);
        axum::serve(listener, self.router()).await.map_err(failed)
    }
}

async fn metrics(State(monitoring): State<Monitoring>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], monitoring.metrics.text(monitoring.clock.now()))
}

async fn ready(State(monitoring): State<Monitoring>) -> (StatusCode, String) {
    let checked = timeout(READY_TIMEOUT, (monitoring.readiness)()).await;
    match checked.unwrap_or_else(|_| Err(format!("no answer within {} s", READY_TIMEOUT.as_secs()))) {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn close(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt;
    use jiff::Timestamp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tranche_pipeline::definition::{OnFailure, Retries, Targets};
    use tranche_pipeline::{FailureClass, Observer, Step, StepFailure, StepOutcome};

    use super::*;
    use crate::SlotEnd;

    struct OneOClock;

    impl Clock for OneOClock {
        fn now(&self) -> Timestamp {
            "2026-11-01T01:00:00Z".parse().unwrap()
        }
    }

    fn measured() -> Metrics {
        let metrics = Metrics::default();
        metrics.slot("shop", SlotEnd::Done);
        metrics.slot("shop \"2\"\\", SlotEnd::Missed);
        metrics.lag("shop", Duration::from_millis(2_500));
        metrics.fresh("table", "orders", "2026-11-01T00:00:00Z".parse().unwrap());
        let step = Step {
            id: "load".into(),
            action: "ingest".into(),
            targets: Targets::All,
            needs: Vec::new(),
            retries: Retries { max: 0, backoff: Retries::DEFAULT_BACKOFF, jitter_percent: 0 },
            timeout: None,
            on_failure: OnFailure::Stop,
            when: None,
        };
        let meter = metrics.watch("shop");
        for seconds in [0.2, 42.0] {
            let outcome = StepOutcome { rows_read: 10, rows_written: 7, ..StepOutcome::default() };
            meter.step_done(&step, &outcome, seconds);
        }
        meter.step_failed(&step, &StepFailure::new(FailureClass::Storage, "no network"), None);
        metrics
    }

    async fn serve(is_ready: Arc<AtomicBool>) -> SocketAddr {
        let readiness: Readiness = Arc::new(move || {
            let found = is_ready.load(Ordering::Relaxed).then_some(()).ok_or("the lake is away".to_owned());
            async move { found }.boxed()
        });
        let monitoring = Monitoring { metrics: measured(), clock: Arc::new(OneOClock), readiness };
        let (bound, address) = oneshot::channel();
        let listening = |address| bound.send(address).unwrap();
        tokio::spawn(async move { monitoring.serve("127.0.0.1:0".parse().unwrap(), listening).await });
        address.await.unwrap()
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn metrics_are_scraped() {
        let address = serve(Arc::default()).await;
        let answer = ask(address, "GET /metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(OPEN_METRICS), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert!(ask(address, "HEAD /metrics").await.ends_with("\r\n\r\n"));
        assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404 "));
        assert!(ask(address, "POST /metrics").await.starts_with("HTTP/1.1 405 "));
    }

    #[tokio::test]
    async fn a_process_is_healthy_while_it_answers_and_ready_while_its_check_holds() {
        let is_ready = Arc::new(AtomicBool::new(false));
        let address = serve(Arc::clone(&is_ready)).await;
        assert!(ask(address, "GET /healthz").await.starts_with("HTTP/1.1 200 OK\r\n"));
        let answer = ask(address, "GET /readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("the lake is away\n"), "{answer}");
        is_ready.store(true, Ordering::Relaxed);
        assert!(ask(address, "GET /readyz").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }

    /// By the parser of Prometheus's own client, `TRANCHE_TEST_PYTHON` (default python3) with
    /// `prometheus_client`.
    #[tokio::test]
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    async fn another_parser_reads_what_was_measured() {
        const SCRIPT: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
samples = []
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        labels = ','.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))
        samples.append(f'{family.type} {sample.name} {labels} {sample.value:g}')
print(json.dumps(samples))";
        let python = std::env::var("TRANCHE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let there = Command::new(&python)
            .args(["-c", "import prometheus_client"])
            .output()
            .is_ok_and(|found| found.status.success());
        if !there {
            eprintln!("NOT PARSED: that needs python3 with its module prometheus_client");
            return;
        }
        let answer = ask(serve(Arc::default()).await, "GET /metrics").await;
        let mut command = Command::new(python);
        let mut child =
            command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), body.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let samples: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
        for expected in [
            "counter tranche_slots_total fate=done,pipeline=shop 1",
            "counter tranche_slots_total fate=missed,pipeline=shop \"2\"\\ 1",
            "gauge tranche_schedule_lag_seconds pipeline=shop 2.5",
            "gauge tranche_runs_running pipeline=shop 0",
            "histogram tranche_step_duration_seconds_bucket le=0.1,pipeline=shop,step=load 0",
            "histogram tranche_step_duration_seconds_bucket le=0.5,pipeline=shop,step=load 1",
            "histogram tranche_step_duration_seconds_bucket le=60.0,pipeline=shop,step=load 2",
            "histogram tranche_step_duration_seconds_bucket le=+Inf,pipeline=shop,step=load 2",
            "histogram tranche_step_duration_seconds_sum pipeline=shop,step=load 42.2",
            "histogram tranche_step_duration_seconds_count pipeline=shop,step=load 2",
            "counter tranche_rows_read_total pipeline=shop,step=load 20",
            "counter tranche_rows_written_total pipeline=shop,step=load 14",
            "counter tranche_step_failures_total class=storage,pipeline=shop,step=load 1",
            "gauge tranche_freshness_seconds kind=table,name=orders 3600",
        ] {
            assert!(samples.iter().any(|sample| sample == expected), "{expected}\n{samples:#?}");
        }
    }
}
