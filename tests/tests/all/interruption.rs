//! Runs that are cut short: whatever the moment, going on ends where an undisturbed run ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tranche_tests::{Ran, Sandbox};

/// The run that is cut short, and one after it that builds on what it left.
const FIRST: [&str; 4] = ["run", "shop", "--as-of", "2026-10-01"];
const SECOND: [&str; 4] = ["run", "shop", "--as-of", "2026-11-01"];

/// Every table that the two runs write, without what must differ between runs: ids of runs, and instants of the wall clock.
const TABLES: [&str; 15] = [
    "SELECT * FROM customers",
    "SELECT * FROM orders",
    "SELECT * FROM web_events",
    "SELECT * FROM sends",
    "SELECT * FROM survey",
    "SELECT * FROM complaints",
    "SELECT * FROM traits",
    "SELECT * FROM memberships",
    "SELECT * FROM segment_history",
    "SELECT * FROM estimates",
    "SELECT * FROM kpis",
    "SELECT source, file, \"row\", \"column\", reason, raw FROM quarantine_orders",
    "SELECT source, file, \"row\", \"column\", reason, raw FROM quarantine_web_events",
    "SELECT count(*) FROM quarantine_customers",
    "SELECT as_of, source, \"table\", split_part(file, '/data/', 2), bytes, rows, rejected, duplicates FROM loads",
];

/// The demo with few customers and a wrong row in two of its sources.
fn shop() -> Sandbox {
    let sandbox = Sandbox::new();
    let _ = sandbox.run(&["init", ".", "--customers", "300"]).expect_code(0);
    for (file, wrong) in [
        ("data/orders/2026-08.csv", "o9999999;c00001;2026-08-31T12:00:00Z;dear\n"),
        ("data/web_events/2026-08.ndjson", "{\"event_id\": \n"),
    ] {
        let path = sandbox.path().join(file);
        let content = std::fs::read_to_string(&path).unwrap();
        sandbox.write(file, content + wrong);
    }
    sandbox
}

/// What is in the lake, each table as a sorted list of lines.
fn contents(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let lines = |query: &&str| {
        let ran = sandbox.run(&["--format", "csv", "sql", query, "--as-of", "2026-11-01"]).expect_code(0);
        let mut lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    TABLES.iter().map(lines).collect()
}

/// That two lakes hold the same; says what differs of the tables that do not.
fn assert_same(found: &[Vec<String>], expected: &[Vec<String>], after: &str) {
    for ((query, found), expected) in TABLES.iter().zip(found).zip(expected) {
        let only = |these: &[String], others: &[String]| -> Vec<String> {
            these.iter().filter(|line| others.binary_search(line).is_err()).take(5).cloned().collect()
        };
        let (surplus, lack) = (only(found, expected), only(expected, found));
        assert!(
            found == expected,
            "{after}: {query}: {} lines instead of {}; surplus {surplus:#?}, lack {lack:#?}",
            found.len(),
            expected.len()
        );
    }
}

/// What two undisturbed runs leave, and how long the first of them takes.
fn undisturbed() -> (Vec<Vec<String>>, Duration) {
    let sandbox = shop();
    let begun = Instant::now();
    let _ = sandbox.run(&FIRST).expect_code(0);
    let duration = begun.elapsed();
    let _ = sandbox.run(&SECOND).expect_code(0);
    (contents(&sandbox), duration)
}

/// Starts the first run.
fn start(sandbox: &Sandbox) -> Child {
    sandbox.command(&FIRST).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kill(mut child: Child) -> ExitStatus {
    child.kill().unwrap();
    child.wait().unwrap()
}

fn runs(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(&["--format", "json", "runs"]).expect_code(0).json().as_array().cloned().unwrap()
}

/// Goes on with the run that was cut short, or runs anew when it was cut before it was on record; then runs the second.
fn go_on(sandbox: &Sandbox, after: &str) -> String {
    let begun = runs(sandbox);
    let way = match begun.as_slice() {
        [] => {
            let _ = sandbox.run(&FIRST).expect_code(0);
            "run anew".to_owned()
        }
        [run] if run["status"] == "done" => "already done".to_owned(),
        [run] => {
            assert_eq!(run["status"], "running", "{after}");
            let id = run["run_id"].as_str().unwrap();
            let ran = sandbox.run(&["--format", "json", "resume", id]);
            assert_eq!(ran.code, 0, "{after}: {}", ran.stderr);
            "resumed".to_owned()
        }
        several => panic!("{after}: {several:#?}"),
    };
    assert!(runs(sandbox).iter().all(|run| run["status"] == "done"), "{after}");
    let _ = sandbox.run(&SECOND).expect_code(0);
    way
}

/// Moments at which a run is killed.
const MOMENTS: u32 = 10;

#[test]
fn a_run_that_is_killed_and_resumed_leaves_what_an_undisturbed_one_leaves() {
    let (expected, duration) = undisturbed();
    let mut ways = Vec::new();
    for moment in 1..=MOMENTS {
        let sandbox = shop();
        let child = start(&sandbox);
        // The moment is the subject of the test, so it is a time that passes and no event.
        let pause = duration * moment / (MOMENTS + 1);
        std::thread::sleep(pause);
        let ended = kill(child);
        let after = format!("killed after {pause:?} of {duration:?} ({ended})");
        let way = go_on(&sandbox, &after);
        assert_same(&contents(&sandbox), &expected, &format!("{after}, {way}"));
        ways.push(way);
    }
    assert!(ways.iter().filter(|way| *way == "resumed").count() >= 5, "{ways:?}");
}

#[test]
fn a_run_that_is_killed_in_each_of_its_steps_goes_on_from_there() {
    let (expected, _) = undisturbed();
    for step in ["load", "segments", "tests", "monthly"] {
        let sandbox = shop();
        let mut child = start(&sandbox);
        wait_for(&mut child, &format!("… {step}"));
        kill(child);
        let after = format!("killed at the start of `{step}`");
        let way = go_on(&sandbox, &after);
        assert_same(&contents(&sandbox), &expected, &format!("{after}, {way}"));
    }
}

/// Reads the progress of a run until a line of it begins like this.
fn wait_for(child: &mut Child, beginning: &str) {
    let stderr = BufReader::new(child.stderr.as_mut().unwrap());
    let found = stderr.lines().map_while(Result::ok).any(|line| line.starts_with(beginning));
    assert!(found, "the run ended before it said `{beginning}`");
}

/// Sends a signal to a running process.
fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A run that gets a polite signal within a step ends as failed, says how to go on, and goes on.
fn check_polite(name: &str) {
    let sandbox = shop();
    let mut command = sandbox.command(&["--format", "json"]);
    let mut child = command.args(FIRST).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&mut child, "… tests");
    signal(&child, name);
    let ran = tranche_tests::ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1, "{name}: {}", ran.stderr);
    let report = ran.json();
    let id = report["run_id"].as_str().unwrap();
    assert_eq!(report["status"], "failed");
    let statuses: Vec<&Value> = report["steps"].as_array().unwrap().iter().map(|step| &step["status"]).collect();
    assert_eq!(statuses[..2], ["done", "done"], "{report}");
    assert!(ran.stderr.contains(&format!("tranche resume {id}")), "{name}: {}", ran.stderr);
    assert_eq!(runs(&sandbox)[0]["status"], "failed");

    let resumed = sandbox.run(&["--format", "json", "resume", id]).expect_code(0).json();
    assert_eq!((&resumed["run_id"], &resumed["status"]), (&report["run_id"], &"done".into()));
    assert_eq!(resumed["steps"][0], report["steps"][0], "a step that is done is not done again");
    let again = sandbox.run(&["resume", id]).expect_code(2);
    assert!(again.stderr.contains(id) && again.stderr.contains("done"), "{}", again.stderr);
}

#[test]
fn a_run_that_is_interrupted_says_how_to_go_on() {
    check_polite("INT");
    check_polite("TERM");
}

#[test]
fn a_run_that_is_unknown_or_done_is_not_resumed() {
    let sandbox = shop();
    let unknown = sandbox.run(&["resume", "01a2"]).expect_code(2);
    assert!(unknown.stderr.contains("no run `01a2`"), "{}", unknown.stderr);
    let done = sandbox.run(&["--format", "json", "run", "shop", "--as-of", "2026-10-01"]).expect_code(0).json();
    let before = contents(&sandbox);
    let Ran { stderr, .. } = sandbox.run(&["resume", done["run_id"].as_str().unwrap()]).expect_code(2);
    assert!(stderr.contains("done"), "{stderr}");
    assert_same(&contents(&sandbox), &before, "resumed though done");
}
