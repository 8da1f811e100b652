//! What each command prints as JSON is what its schema in `docs/schemas/output/` says.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tranche_tests::Sandbox;

use crate::demo_shop;

/// Reads pairs of a schema's path and a document from standard input, and fails with what does not fit. A property that a schema does not
/// name is a mistake: every printed property is described.
const VALIDATE: &str = r#"
import json, sys
import jsonschema

def strict(schema):
    if isinstance(schema, dict):
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            strict(value)
    elif isinstance(schema, list):
        for value in schema:
            strict(value)
    return schema

problems = []
for path, what, document in json.load(sys.stdin):
    schema = strict(json.load(open(path)))
    jsonschema.Draft202012Validator.check_schema(schema)
    for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
        problems.append(f"{what}: {error.json_path}: {error.message[:300]}")
sys.exit("\n".join(problems) or None)
"#;

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas/output")
}

#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn python() -> Option<String> {
    let python = std::env::var("TRANCHE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", "import jsonschema"]).output();
    if there.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("NOT VALIDATED: that needs python3 with its module jsonschema");
    None
}

/// Printed documents, each with its schema.
#[derive(Default)]
struct Outputs(Vec<Value>);

impl Outputs {
    fn add(&mut self, schema: &str, what: &[&str], document: &Value) {
        let path = schemas().join(format!("{schema}.schema.json"));
        assert!(path.exists(), "there is no schema {}", path.display());
        self.0.push(json!([path, what.join(" "), document]));
    }

    /// Runs a command that prints a document a line.
    fn run(&mut self, sandbox: &Sandbox, schema: &str, code: i32, arguments: &[&str]) -> Vec<Value> {
        let ran = sandbox.run(&[&["--format", "json"], arguments].concat()).expect_code(code);
        let documents: Vec<Value> =
            ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!documents.is_empty(), "{arguments:?} printed nothing");
        documents.iter().for_each(|document| self.add(schema, arguments, document));
        documents
    }

    fn validate(&self, python: &str) {
        let mut command = Command::new(python);
        command.args(["-c", VALIDATE]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut running = command.spawn().unwrap();
        running.stdin.take().unwrap().write_all(json!(self.0).to_string().as_bytes()).unwrap();
        let output = running.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// An adjusted mean, a lift without bounds, and an arm without variance.
const CASES: &str = r#"{"cases": {
    "adjusted": {"kind": "mean_cuped",
        "a": {"n": 90, "sum": 90, "sum_squares": 300, "pre_sum": 80, "pre_sum_squares": 250, "post_pre_sum_of_products": 200},
        "b": {"n": 80, "sum": 85, "sum_squares": 310, "pre_sum": 75, "pre_sum_squares": 240, "post_pre_sum_of_products": 190}},
    "unbounded": {"kind": "mean", "a": {"n": 90, "sum": 1, "sum_squares": 300}, "b": {"n": 80, "sum": 2, "sum_squares": 300}},
    "undefined": {"kind": "proportion", "a": {"n": 90, "sum": 0}, "b": {"n": 80, "sum": 40}}
}}"#;

#[test]
fn outputs_match_their_schemas() {
    let Some(python) = python() else { return };
    let sandbox = demo_shop::shop();
    sandbox.write("cases.json", CASES);
    let mut outputs = Outputs::default();
    let mut run =
        |schema: &str, code: i32, arguments: &[&str]| outputs.run(&sandbox, schema, code, arguments);
    let _ = run("init", 0, &["init", "fresh", "--customers", "10"]);
    let _ = run("check", 0, &["check"]);
    let _ = run("error", 2, &["segment", "show", "nothing"]);
    let ran = run("run", 0, &["run", "shop", "--as-of", "2026-11-01"]);
    let id = ran[0]["run_id"].as_str().unwrap().to_owned();
    let _ = run("runs", 0, &["runs"]);
    let _ = run("runs-run", 0, &["runs", &id]);
    let _ = run("segment-list", 0, &["segment", "list"]);
    let _ = run("segment-show", 0, &["segment", "show", "lifecycle"]);
    let members = run("segment-members", 0, &["segment", "members", "reachable_by_email"]);
    let customer = members[0][0]["customer_id"].as_str().unwrap().to_owned();
    let _ = run("segment-preview", 0, &["segment", "preview", "lifecycle", "--limit", "3"]);
    let _ = run("segment-why", 0, &["segment", "why", "reachable_by_email", &customer]);
    let _ = run("segment-why", 0, &["segment", "why", "reachable_by_email", "nobody"]);
    let _ = run("segment-overlap", 0, &["segment", "overlap", "lifecycle", "app_users"]);
    let _ = run("segment-explain", 0, &["segment", "explain"]);
    let _ = run("segment-history", 0, &["segment", "history", "lifecycle"]);
    let _ = run("segment-test", 0, &["segment", "test", "lifecycle"]);
    let span = ["--from", "2026-10-31", "--to", "2026-11-01"];
    let plan = [&["segment", "backfill", "app_users", "--rebuild", "--dry-run"], &span[..]].concat();
    let _ = run("segment-backfill-dry-run", 0, &plan);
    let _ =
        run("segment-backfill", 0, &[&["segment", "backfill", "app_users", "--rebuild"], &span[..]].concat());
    let _ = run("trait-list", 0, &["trait", "list"]);
    let _ = run("trait-show", 0, &["trait", "show", "orders_365d"]);
    let _ = run("experiment-list", 0, &["experiment", "list"]);
    let _ = run("experiment-assign", 0, &["experiment", "assign", "winback", "--id", &customer]);
    let _ = run("experiment-power", 0, &["experiment", "power", "winback"]);
    let _ = run("experiment-show", 0, &["experiment", "show", "winback"]);
    let _ = run("report", 0, &["report", "monthly"]);
    let _ = run("quarantine-list", 0, &["quarantine", "list"]);
    let _ = run("sql", 0, &["sql", "SELECT segment, size, as_of FROM segment_history LIMIT 3"]);
    let _ =
        run("schedule-explain", 0, &["schedule", "explain", "--from", "2026-10-24", "--to", "2026-10-26"]);
    let _ = run("stats", 0, &["stats", "cases.json"]);
    let _ = run("stats", 0, &["stats", "cases.json", "--inference", "group_sequential", "--margin", "0.5"]);
    let _ = run("schedule-pause", 0, &["schedule", "pause", "shop"]);
    let _ = run("schedule-resume", 0, &["schedule", "resume", "shop"]);
    let _ = run("schedule", 0, &["schedule", "--once"]);
    let slots = ["backfill", "shop", "--from", "2026-10-24", "--to", "2026-10-25"];
    let _ = run("backfill", 0, &slots);
    let _ = run("backfill-list", 0, &["backfill", "--list"]);
    let _ = run("doctor", 0, &["doctor"]);
    outputs.validate(&python);
}
