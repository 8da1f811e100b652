//! Runs as independent receivers see them: mails, webhooks, traces, lineage, logs.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tranche_tests::Sandbox;

use crate::small_project::{SmallProject, csv, orders_with};

/// What `receivers.py` needs.
const MODULES: &str =
    "import aiosmtpd, jsonschema, referencing, opentelemetry.proto.collector.trace.v1.trace_service_pb2";

/// The receivers, while they run.
struct Receivers {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    places: Value,
}

impl Receivers {
    /// Starts them with `TRANCHE_TEST_PYTHON` (default python3); `None`, said aloud, where its modules are not installed. The
    /// webhook refuses its first posts, as often as is said.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn start(refusals: usize) -> Option<Self> {
        let python = std::env::var("TRANCHE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let there =
            Command::new(&python).args(["-c", MODULES]).output().is_ok_and(|output| output.status.success());
        if !there {
            eprintln!(
                "NOT TESTED WITH RECEIVERS: that needs python3 with aiosmtpd, jsonschema and opentelemetry-proto"
            );
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/receivers.py");
        let mut command = Command::new(python);
        command.arg(script).arg(refusals.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        let mut receivers = Self { process, input, output, places: Value::Null };
        receivers.places = receivers.line();
        Some(receivers)
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the receivers said `{line}`: {error}"))
    }

    /// What they received.
    fn end(mut self) -> Value {
        drop(self.input.take());
        let received = self.line();
        self.process.wait().unwrap();
        received
    }

    /// A project that notifies all of them.
    fn project(&self) -> SmallProject {
        let mut project = SmallProject::new("format: csv\npath: data/orders/*.csv\non_reject: fail");
        let (web, mail) = (&self.places["web"], &self.places["mail"]);
        let settings = format!(
            "version: 1
lake: ./lake
notifications:
  - {{to: webhook, url: '${{HOOK}}', on: [failure, recovery]}}
  - {{to: email, url: 'smtp://night:${{MAIL_PASSWORD}}@localhost:{mail}', from: Tranche <t@example.org>, recipients: [a@example.org]}}
lineage: {{file: lineage.ndjson, url: 'http://127.0.0.1:{web}/lineage', api_key_variable: LINEAGE_KEY}}
"
        );
        project.sandbox.write("tranche.yaml", settings);
        for (name, value) in [
            ("HOOK", format!("http://127.0.0.1:{web}/hook")),
            ("MAIL_PASSWORD", "pass%20word%2F%25".to_owned()),
            ("LINEAGE_KEY", "k3y".to_owned()),
            ("SSL_CERT_FILE", self.places["certificate"].as_str().unwrap().to_owned()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{web}")),
            ("OTEL_SERVICE_NAME", "night shift".to_owned()),
            ("TRANCHE_LOG_FORMAT", "json".to_owned()),
            ("TRANCHE_LOG", "tranche=info".to_owned()),
        ] {
            project.sandbox.set(name, &value);
        }
        project
    }
}

fn array<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key}: {value}"))
}

#[test]
fn a_failure_and_its_recovery_are_sent_to_every_channel() {
    let Some(receivers) = Receivers::start(0) else { return };
    let project = receivers.project();
    let validates = receivers.places["validates"] == true;
    project.write("1.csv", csv(&orders_with(3, &[(2, "o002,c1,never,x,2,0.25,01067,2026-05-03,fine")])));
    let failed = project.load();
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    project.write("1.csv", csv(&orders_with(3, &[])));
    let done = project.load().expect_code(0);
    let received = receivers.end();
    let (failed_run, done_run) = (failed.json(), done.json());

    let hooks = array(&received, "webhook");
    assert_eq!(hooks.len(), 2, "{received:#}");
    let (failure, recovery) = (&hooks[0], &hooks[1]);
    assert!(text(failure, "key").starts_with(&format!("failure-{}", text(&failed_run, "run_id"))));
    assert!(text(recovery, "key").starts_with(&format!("recovery-{}", text(&done_run, "run_id"))));
    assert!(text(&failure["body"], "text").contains("shop failed"), "{failure:#}");

    let mails = array(&received, "mails");
    assert_eq!(mails.len(), 2, "{received:#}");
    for (mail, hook) in mails.iter().zip(hooks) {
        assert_eq!(text(mail, "id"), format!("<{}@tranche>", text(hook, "key")), "one thing has one id");
        assert_eq!((mail["encrypted"].as_bool(), text(mail, "user")), (Some(true), "night"));
        assert_eq!((text(mail, "from"), &mail["to"][0]), ("t@example.org", &Value::from("a@example.org")));
    }
    assert!(text(&mails[0], "text").contains("tranche resume"), "{received:#}");

    assert_traces(array(&received, "spans"), &failed_run, &done_run);
    assert_eq!(array(&received, "lineage_problems"), &[] as &[Value], "validated: {validates}");
    assert_lineage(array(&received, "lineage"), &project.sandbox);
    assert_logs(&failed.stderr, text(&failed_run, "run_id"));
}

/// Run, steps and queries are one trace, which has the run's id.
fn assert_traces(spans: &[Value], failed: &Value, done: &Value) {
    for (run, status) in [(failed, 2), (done, 0)] {
        let own: Vec<&Value> =
            spans.iter().filter(|span| text(span, "trace") == text(run, "run_id")).collect();
        let named = |name: &str| own.iter().filter(|span| span["name"] == name).copied().collect::<Vec<_>>();
        let [root] = named("run")[..] else { panic!("{own:#?}") };
        assert_eq!((text(root, "parent"), root["status"].as_i64()), ("", Some(status)), "{root:#}");
        assert_eq!(
            (text(root, "service"), &root["attributes"]["pipeline"]),
            ("night shift", &Value::from("shop"))
        );
        let steps = named("step");
        assert!(!steps.is_empty() && steps.iter().all(|step| step["parent"] == root["id"]), "{own:#?}");
        let ids: BTreeSet<&str> = steps.iter().map(|step| text(step, "id")).collect();
        // Rows are written as they are queried.
        let queries = [named("query"), named("commit")].concat();
        assert!(queries.iter().any(|query| ids.contains(text(query, "parent"))), "{own:#?}");
        let written: i64 = steps.iter().filter_map(|step| step["attributes"]["rows_written"].as_i64()).sum();
        let said: i64 = array(run, "steps").iter().filter_map(|step| step["rows_written"].as_i64()).sum();
        assert_eq!(written, said);
    }
}

fn assert_lineage(events: &[Value], sandbox: &Sandbox) {
    let kinds = |kind: &str| events.iter().filter(|event| event["eventType"] == kind).count();
    // Two runs of two steps, of which one step failed.
    assert_eq!((kinds("START"), kinds("COMPLETE"), kinds("FAIL")), (6, 4, 2), "{events:#?}");
    assert!(events.iter().all(|event| event["key"] == "Bearer k3y"));
    let lines = std::fs::read_to_string(sandbox.path().join("lineage.ndjson")).unwrap();
    assert_eq!(lines.lines().count(), events.len());
    let written = events.iter().flat_map(|event| array(event, "outputs"));
    let orders = written.into_iter().find(|dataset| dataset["name"] == "tables/orders").unwrap();
    let fields = array(&orders["facets"]["schema"], "fields");
    assert!(fields.iter().any(|field| field["name"] == "order_id"), "{orders:#}");
    let origin = &orders["facets"]["columnLineage"]["fields"]["order_id"]["inputFields"][0];
    assert_eq!((text(origin, "name"), text(origin, "field")), ("data/orders/*.csv", "order_id"));
    let failed = events.iter().find(|event| event["eventType"] == "FAIL").unwrap();
    assert!(failed["run"]["facets"]["errorMessage"]["message"].is_string(), "{failed:#}");
    assert_eq!(failed["run"]["facets"]["parent"]["job"]["name"], "shop");
}

/// Each line of a step says its run and step.
fn assert_logs(stderr: &str, run: &str) {
    let lines: Vec<Value> = stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of_step = lines
        .iter()
        .find(|line| line["message"].as_str().is_some_and(|m| m.starts_with("step failed")))
        .unwrap();
    let spans = array(of_step, "spans");
    assert_eq!((text(&spans[0], "run"), text(&spans[0], "pipeline")), (run, "shop"), "{of_step:#}");
    assert!(!text(&spans[1], "step").is_empty(), "{of_step:#}");
}

#[test]
fn a_receiver_that_was_down_is_notified_later_with_a_remark() {
    let Some(receivers) = Receivers::start(1) else { return };
    let project = receivers.project();
    project.write("1.csv", "nothing,of,this\n");
    assert_eq!(project.load().code, 1);
    let outbox = project.sandbox.path().join("lake/_sys/outbox");
    // The refused try is made one of two minutes ago, as if nothing had run since.
    let past = std::time::SystemTime::now() - Duration::from_secs(120);
    for message in std::fs::read_dir(&outbox).unwrap().flatten() {
        for object in std::fs::read_dir(message.path()).unwrap().flatten() {
            std::fs::File::options().append(true).open(object.path()).unwrap().set_modified(past).unwrap();
        }
    }
    project.write("1.csv", csv(&orders_with(3, &[])));
    let _ = project.load().expect_code(0);
    let received = receivers.end();
    let hooks = array(&received, "webhook");
    let keys: Vec<&str> = hooks.iter().map(|hook| text(hook, "key").split('-').next().unwrap()).collect();
    assert_eq!((keys, &received["attempts"]), (vec!["failure", "recovery"], &Value::from(3)), "{received:#}");
    assert!(hooks[0]["body"].to_string().contains("attempt 2: you may have it already"), "{received:#}");
    assert_eq!(array(&received, "mails").len(), 2, "a recipient that took it gets it once");
}

/// The daemon answers scrapes while it runs.
#[test]
fn the_daemon_answers_scrapes() {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv\non_reject: fail");
    project.write("1.csv", csv(&orders_with(3, &[])));
    project.sandbox.amend("schemas/orders.yaml", "kind: event", "kind: event\nfreshness: 26h");
    let steps = "steps:\n  - {id: people, ingest: [customers]}\n  - {id: sales, ingest: [orders]}\n";
    let scheduled =
        format!("version: 1\npipeline: shop\nschedule: {{cron: '* * * * * *', timezone: UTC}}\n{steps}");
    project.sandbox.write("pipelines/shop/pipeline.yaml", scheduled);
    let mut command = project.sandbox.command(&["schedule", "--metrics", "127.0.0.1:0"]);
    let mut daemon = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(daemon.stderr.take().unwrap()).lines();
    let address = lines.find_map(|line| {
        Some(line.ok()?.strip_prefix("metrics at http://")?.strip_suffix("/metrics")?.to_owned())
    });
    let address = address.expect("the daemon says where it listens");
    // Its further lines are read, so that it never waits for us.
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    let begun = Instant::now();
    let has =
        |page: &str, start: &str| page.lines().any(|line| line.starts_with(start) && !line.ends_with(" 0"));
    let page = loop {
        let page = scrape(&address);
        let wanted = [
            "tranche_slots_total{pipeline=\"shop\",fate=\"done\"} ",
            "tranche_step_duration_seconds_count{pipeline=\"shop\",step=\"sales\"} ",
            "tranche_rows_written_total{pipeline=\"shop\",step=\"sales\"} 3",
            "tranche_freshness_seconds{kind=\"table\",name=\"orders\"} ",
        ];
        if wanted.iter().all(|start| has(&page, start)) {
            break page;
        }
        assert!(begun.elapsed().as_secs() < 120 && daemon.try_wait().unwrap().is_none(), "{page}");
        std::thread::sleep(Duration::from_millis(200));
    };
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    drop(rest.join().unwrap());
    assert!(page.contains("tranche_schedule_lag_seconds{pipeline=\"shop\"} "), "{page}");
    assert_parsed(&page);
}

/// By the parser of Prometheus's own client, where that is installed, every sample of the page is one.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn assert_parsed(page: &str) {
    const SCRIPT: &str = "
import sys
from prometheus_client.parser import text_string_to_metric_families
print(sum(len(family.samples) for family in text_string_to_metric_families(sys.stdin.read())))";
    let python = std::env::var("TRANCHE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python)
        .args(["-c", "import prometheus_client"])
        .output()
        .is_ok_and(|found| found.status.success());
    if !there {
        eprintln!("NOT PARSED: that needs python3 with its module prometheus_client");
        return;
    }
    let body = page.split_once("\r\n\r\n").unwrap().1;
    let mut command = Command::new(python);
    let mut parser =
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut parser.stdin.take().unwrap(), body.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "{page}");
    let written = body.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), written.to_string(), "{page}");
}

fn scrape(address: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: tranche\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

/// A receiver that accepts what comes and never answers; gives its address and what is connected.
fn silent_receiver() -> (String, std::sync::mpsc::Receiver<std::net::TcpStream>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, connected) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        listener.incoming().map_while(Result::ok).try_for_each(|stream| sender.send(stream))
    });
    (address, connected)
}

/// A receiver that takes its time for each post, and the bodies that it took.
fn slow_receiver(pause: Duration) -> (String, Arc<Mutex<Vec<String>>>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&bodies);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut request, mut part) = (String::new(), [0; 4096]);
            let is_whole = |request: &str| {
                let (head, body) = request.split_once("\r\n\r\n")?;
                let length = head
                    .lines()
                    .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                (body.len() >= length.unwrap_or(0)).then(|| body.to_owned())
            };
            let body = loop {
                if let Some(body) = is_whole(&request) {
                    break body;
                }
                let read = stream.read(&mut part).unwrap();
                request.push_str(&String::from_utf8_lossy(&part[..read]));
            };
            std::thread::sleep(pause);
            taken.lock().unwrap().push(body);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (address, bodies)
}

fn scheduled(cron: &str) -> String {
    let steps = "steps:\n  - {id: people, ingest: [customers]}\n  - {id: sales, ingest: [orders]}\n";
    format!("version: 1\npipeline: shop\nschedule: {{cron: '{cron}', timezone: UTC}}\n{steps}")
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_receiver_that_hangs_does_not_keep_the_daemon_from_ending() {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv");
    let (address, connected) = silent_receiver();
    let settings =
        format!("version: 1\nlake: ./lake\nnotifications: [{{to: webhook, url: '{address}/hook'}}]\n");
    project.sandbox.write("tranche.yaml", settings);
    project.sandbox.write("pipelines/shop/pipeline.yaml", scheduled("0 0 1 1 *"));
    // Two notifications at once: neither table has data.
    for table in ["orders", "customers"] {
        let contract = format!("schemas/{table}.yaml");
        project.sandbox.amend(&contract, "\nkind:", "\nfreshness: 26h\nkind:");
    }
    let mut command = project.sandbox.command(&["schedule"]);
    let mut daemon = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let patience = Duration::from_secs(60);
    let first = connected.recv_timeout(patience).expect("it is notified about the one");
    terminate(&daemon);
    let second = connected.recv_timeout(patience).expect("it is notified about the other, before the end");
    let asked = Instant::now();
    terminate(&daemon);
    let status = daemon.wait().unwrap();
    assert_eq!(status.code(), Some(130), "the second request ends at once");
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    drop((first, second));
}

#[test]
fn a_daemon_that_ends_sends_its_lineage_to_its_end_and_says_what_went_wrong() {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv\non_reject: fail");
    project.write("1.csv", "nothing,of,this\n");
    let (address, events) = slow_receiver(Duration::from_millis(300));
    project
        .sandbox
        .write("tranche.yaml", format!("version: 1\nlake: ./lake\nlineage: {{url: '{address}/lineage'}}\n"));
    project.sandbox.write("pipelines/shop/pipeline.yaml", scheduled("* * * * * *"));
    let _ = project.tranche(&["schedule", "--once"]);
    std::thread::sleep(Duration::from_millis(1_100));
    let ran = project.tranche(&["schedule", "--once"]).expect_code(1);
    assert!(ran.stderr.contains(" WARN") && ran.stderr.contains("step failed"), "{}", ran.stderr);
    let runs = project.tranche(&["--format", "json", "runs", "--status", "failed"]).expect_code(0).json();
    let runs = runs.as_array().unwrap().len();
    let events: Vec<Value> =
        events.lock().unwrap().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let kinds = |kind: &str| events.iter().filter(|event| event["eventType"] == kind).count();
    // Each run and its two steps begin; one step fails, and with it the run.
    assert_eq!((kinds("START"), kinds("COMPLETE"), kinds("FAIL")), (3 * runs, runs, 2 * runs), "{events:#?}");
    assert!(runs > 0);
}

/// Titles of messages in the outbox.
fn outbox(project: &SmallProject) -> Vec<String> {
    let folder = project.sandbox.path().join("lake/_sys/outbox");
    let messages = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let title = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path().join("message.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["body"]["id"].as_str().unwrap().to_owned()
    };
    messages.map(title).collect()
}

#[test]
fn backfills_of_past_slots_are_neither_late_nor_what_a_run_recovers_from() {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv\non_reject: fail");
    let (address, sent) = slow_receiver(Duration::ZERO);
    let settings =
        format!("version: 1\nlake: ./lake\nnotifications: [{{to: webhook, url: '{address}/hook'}}]\n");
    project.sandbox.write("tranche.yaml", settings);
    project.sandbox.write("pipelines/shop/pipeline.yaml", scheduled("0 2 * * *"));
    project.write("1.csv", csv(&orders_with(3, &[])));
    let backfill = |from: &str, to: &str| project.tranche(&["backfill", "shop", "--from", from, "--to", to]);
    let _ = backfill("2026-05-01", "2026-05-03").expect_code(0);
    assert_eq!(outbox(&project), [""; 0], "they are done, as was asked");
    project.write("2.csv", "nothing,of,this\n");
    let _ = backfill("2026-05-03", "2026-05-05").expect_code(1);
    let ids = outbox(&project);
    assert!(ids.len() == 2 && ids.iter().all(|id| id.starts_with("failure-")), "{ids:?}");
    assert_eq!(sent.lock().unwrap().len(), 2, "the command sends them before it ends");
    std::fs::remove_file(project.sandbox.path().join("data/orders/2.csv")).unwrap();
    let _ = project.load().expect_code(0);
    assert_eq!(outbox(&project).len(), 2, "the run before was no backfill's");
}

#[test]
fn a_new_channel_is_notified_about_later_events() {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv\non_reject: fail");
    let (first, told_first) = slow_receiver(Duration::ZERO);
    let (second, told_second) = slow_receiver(Duration::ZERO);
    let channel = |address: &str| format!("  - {{to: webhook, url: '{address}/hook'}}\n");
    let settings =
        |channels: &[String]| format!("version: 1\nlake: ./lake\nnotifications:\n{}", channels.concat());
    project.write("1.csv", "nothing,of,this\n");
    project.sandbox.write("tranche.yaml", settings(&[channel(&first)]));
    assert_eq!(project.load().code, 1);
    project.sandbox.write("tranche.yaml", settings(&[channel(&first), channel(&second)]));
    assert_eq!(project.load().code, 1);
    let count = |sent: &Mutex<Vec<String>>| sent.lock().unwrap().len();
    assert_eq!((count(&told_first), count(&told_second)), (2, 1));
}

#[test]
fn a_daemon_whose_lake_changes_refuses_that_and_says_what_to_do() {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv");
    project.sandbox.write("pipelines/shop/pipeline.yaml", scheduled("0 0 1 1 *"));
    let mut command = project.sandbox.command(&["schedule"]);
    let mut daemon = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(daemon.stderr.take().unwrap()).lines().map_while(Result::ok);
    // Its first sign of life in the lake: it has read the project.
    let schedules = project.sandbox.path().join("lake/_sys/schedules/shop");
    let begun = Instant::now();
    while !schedules.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it declares its schedule");
        std::thread::sleep(Duration::from_millis(50));
    }
    project.sandbox.write("tranche.yaml", "version: 1\nlake: ./elsewhere\n");
    let refused = lines.find(|line| line.contains("the last valid version")).unwrap();
    assert!(refused.contains("`lake` of tranche.yaml changed: restart the daemon"), "{refused}");
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}

#[test]
fn requests_without_a_pipeline_or_an_effect_are_refused() {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv");
    let _ = project.tranche(&["runs", "--pipeline", "nope"]).expect_code(2);
    let _ = project.tranche(&["runs", "--pipeline", "shop"]).expect_code(0);
    let _ = project.tranche(&["backfill", "--resume", "1", "--all"]).expect_code(2);
    let _ = project.tranche(&["backfill", "--resume", "1", "--concurrency", "9"]).expect_code(2);
    let _ = project.tranche(&["backfill", "--list", "--all", "--dry-run"]).expect_code(2);
    let _ = project.tranche(&["backfill", "--list"]).expect_code(0);
    for changed in [true, false] {
        let held = project.tranche(&["--format", "json", "schedule", "pause", "shop"]).expect_code(0).json();
        assert_eq!(held, serde_json::json!({"pipeline": "shop", "paused": true, "changed": changed}));
    }
}
