//! A port on which `GET /metrics` is answered, and nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::{Metrics, ObserveError};

/// How long a scraper may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer requests are no scrape.
const LONGEST_REQUEST: usize = 16 << 10;

/// Answers scrapes at an address until it is dropped; `listening` is told the address, whose port may have been 0.
///
/// # Errors
/// [`ObserveError::Machine`] when the address cannot be listened at.
pub async fn serve(
    address: SocketAddr,
    metrics: Metrics,
    now: impl Fn() -> Timestamp,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), ObserveError> {
    let failed = |source| ObserveError::Machine { place: address.to_string(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    listening(listener.local_addr().map_err(failed)?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let text = metrics.text(now());
                // Each on a task of its own: who dawdles keeps nobody else waiting.
                tokio::spawn(timeout(PATIENCE, answer(stream, text)));
            }
            // Such as too many open files: it passes.
            Err(error) => {
                tracing::warn!(%error, "a scrape was not answered");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, text: String) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        let read = stream.read(&mut part).await?;
        request.extend_from_slice(part.get(..read).unwrap_or_default());
        if read == 0 || request.len() > LONGEST_REQUEST {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let mut words = request.split([' ', '?']);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, kind, body) = match (method, path) {
        ("GET" | "HEAD", "/metrics") => ("200 OK", "text/plain; version=0.0.4; charset=utf-8", text),
        ("GET" | "HEAD", _) => ("404 Not Found", "text/plain", "see /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "text/plain", "only GET\n".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    if method != "HEAD" {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use tokio::sync::oneshot;
    use tranche_pipeline::{
        FailureClass, Observer, OnFailure, Retries, Step, StepFailure, StepOutcome, Targets,
    };

    use super::*;
    use crate::SlotEnd;

    async fn server() -> SocketAddr {
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
        drop(meter);
        let (told, address) = oneshot::channel();
        let now = || "2026-11-01T01:00:00Z".parse().unwrap();
        tokio::spawn(serve("127.0.0.1:0".parse().unwrap(), metrics, now, |address| {
            told.send(address).unwrap()
        }));
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
    async fn only_metrics_are_answered() {
        let address = server().await;
        let answer = ask(address, "GET /metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("version=0.0.4"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        assert!(ask(address, "HEAD /metrics").await.ends_with("\r\n\r\n"));
        assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404 "));
        assert!(ask(address, "POST /metrics").await.starts_with("HTTP/1.1 405 "));
    }

    /// By the parser of Prometheus's own client, `TRANCHE_TEST_PYTHON` (default python3) with `prometheus_client`.
    #[tokio::test]
    #[expect(clippy::print_stderr, reason = "a test that is left out says so")]
    async fn another_parser_reads_what_was_measured() {
        const SCRIPT: &str = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families
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
        let answer = ask(server().await, "GET /metrics").await;
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
            "histogram tranche_step_duration_seconds_bucket le=60,pipeline=shop,step=load 2",
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
