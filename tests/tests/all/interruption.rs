//! Interrupted runs: whatever the moment, a resumed run leaves what an undisturbed one leaves.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tranche_tests::Sandbox;

use crate::demo_shop::{Contents, contents, shop};

/// The run that is cut short, and one after it that builds on what it left.
const FIRST: [&str; 4] = ["run", "shop", "--as-of", "2026-10-01"];
const SECOND: [&str; 4] = ["run", "shop", "--as-of", "2026-11-01"];

/// What two undisturbed runs leave, and how long the first of them takes.
fn undisturbed() -> &'static (Contents, Duration) {
    static UNDISTURBED: OnceLock<(Contents, Duration)> = OnceLock::new();
    UNDISTURBED.get_or_init(|| {
        let sandbox = shop();
        let begun = Instant::now();
        let _ = sandbox.run(&FIRST).expect_code(0);
        let duration = begun.elapsed();
        let _ = sandbox.run(&SECOND).expect_code(0);
        let contents = contents(&sandbox);
        contents.assert_not_empty();
        (contents, duration)
    })
}

/// Starts the first run.
fn start(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command(&["--format", "json"]);
    command.args(FIRST).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn runs(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.run(&["--format", "json", "runs"]).expect_code(0).json().as_array().cloned().unwrap()
}

/// The work that was left after a run was killed.
#[derive(Debug, PartialEq)]
enum Left {
    /// All: it was not on record yet.
    Everything,
    /// What its log does not say is done.
    Something,
    /// Nothing.
    Nothing,
}

/// A run that is killed at the moment that `until` waits for, and resumed, leaves what an undisturbed one leaves.
fn check_killed(moment: &str, until: impl FnOnce(&Sandbox, &mut Child)) -> Left {
    let sandbox = shop();
    let mut child = start(&sandbox);
    until(&sandbox, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let left = match runs(&sandbox).as_slice() {
        [] => Left::Everything,
        [run] if run["status"] == "done" => Left::Nothing,
        [run] if run["status"] == "running" => {
            let ran =
                sandbox.run(&["--format", "json", "resume", "--force", run["run_id"].as_str().unwrap()]);
            assert_eq!(ran.code, 0, "killed {moment}: {}", ran.stderr);
            Left::Something
        }
        others => panic!("killed {moment}: {others:#?}"),
    };
    if left == Left::Everything {
        let _ = sandbox.run(&FIRST).expect_code(0);
    }
    assert!(runs(&sandbox).iter().all(|run| run["status"] == "done"), "killed {moment}");
    let _ = sandbox.run(&SECOND).expect_code(0);
    contents(&sandbox).assert_same(&undisturbed().0, &format!("killed {moment}"));
    left
}

/// Moments at which a run is killed.
const MOMENTS: u32 = 6;

#[test]
fn a_run_that_is_killed_at_any_moment_ends_the_same() {
    let (_, duration) = undisturbed();
    let lefts: Vec<Left> = (1..=MOMENTS)
        .map(|moment| {
            let pause = *duration * moment / (MOMENTS + 1);
            // The moment is the subject of the test, so it is a time that passes and no event.
            check_killed(&format!("after {pause:?} of {duration:?}"), |_, _| std::thread::sleep(pause))
        })
        .collect();
    // A machine that is faster by now ends its runs before the later moments.
    assert!(lefts.iter().filter(|left| **left == Left::Something).count() >= 2, "{lefts:?}");
}

/// A run that is killed as soon as it has committed to these tables, one after the other, leaves what an undisturbed one leaves.
fn check_killed_after_commits(tables: &[&str]) {
    for table in tables {
        let left = check_killed(&format!("after the first commit to {table}"), |sandbox, child| {
            let commit = sandbox.path().join("lake").join(table).join("_delta_log/00000000000000000000.json");
            while !commit.exists() {
                assert!(child.try_wait().unwrap().is_none(), "the run ended without a commit to {table}");
                std::thread::yield_now();
            }
        });
        assert_ne!(left, Left::Everything, "{table}");
    }
}

#[test]
fn a_run_that_is_killed_between_the_commits_of_a_load_ends_the_same() {
    let tables = [
        "tables/customers",
        "tables/orders",
        "tables/web_events",
        "tables/complaints",
        "quarantine/orders",
        "loads",
    ];
    check_killed_after_commits(&tables);
}

#[test]
fn a_run_that_is_killed_between_the_commits_of_results_ends_the_same() {
    check_killed_after_commits(&[
        "traits/customer",
        "memberships/customer",
        "segment_history",
        "estimates",
        "kpis",
    ]);
}

#[test]
fn of_two_runs_at_once_neither_loads_a_file_that_the_other_has_loaded() {
    let sandbox = shop();
    let both = [start(&sandbox), start(&sandbox)];
    for child in both {
        let ran = tranche_tests::ran(child.wait_with_output().unwrap());
        if ran.code != 0 {
            // The run that met a conflict reports it, and can be resumed.
            let _ = sandbox.run(&["resume", ran.json()["run_id"].as_str().unwrap()]).expect_code(0);
        }
    }
    for (table, key) in [
        ("orders", "order_id"),
        ("web_events", "event_id"),
        ("sends", "send_id"),
        ("customers", "customer_id"),
    ] {
        let query = format!("SELECT count(*) = count(DISTINCT {key}) FROM {table}");
        let ran = sandbox.run(&["--format", "csv", "sql", &query]).expect_code(0);
        assert_eq!(ran.stdout.lines().last(), Some("true"), "{table} has rows twice");
    }
}

#[test]
fn a_run_that_is_taken_over_is_left_alone_by_its_first_process() {
    let sandbox = shop();
    let mut child = start(&sandbox);
    wait_for(&mut child, "… tests");
    signal(&child, "STOP");
    let run = runs(&sandbox)[0]["run_id"].as_str().unwrap().to_owned();
    let _ = sandbox.run(&["resume", &run]).expect_code(0);
    let after = contents(&sandbox);
    signal(&child, "CONT");
    let first = tranche_tests::ran(child.wait_with_output().unwrap());
    assert_ne!(first.code, 0, "{}", first.stderr);
    assert!(first.stderr.contains(&run), "{}", first.stderr);
    contents(&sandbox).assert_same(&after, "the first process continued");
    let _ = sandbox.run(&SECOND).expect_code(0);
    contents(&sandbox).assert_same(&undisturbed().0, "taken over");
}

/// Reads the progress of a run until a line of it begins like this.
fn wait_for(child: &mut Child, beginning: &str) {
    // No more than is asked for is read: the rest is for who waits for the end.
    let mut stderr = BufReader::with_capacity(1, child.stderr.as_mut().unwrap());
    let mut line = String::new();
    while !line.starts_with(beginning) {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the run ended before it said `{beginning}`");
    }
}

/// Sends a signal to a running process.
fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// A run that gets this signal within a step ends as failed, says how to continue, and is continued.
fn check_polite(name: &str) {
    let sandbox = shop();
    let mut child = start(&sandbox);
    wait_for(&mut child, "… tests");
    signal(&child, name);
    let ran = tranche_tests::ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1, "{name}: {}", ran.stderr);
    let report = ran.json();
    let id = report["run_id"].as_str().unwrap();
    assert_eq!(report["status"], "failed");
    let statuses: Vec<&Value> =
        report["steps"].as_array().unwrap().iter().map(|step| &step["status"]).collect();
    assert_eq!(statuses[..2], ["done", "done"], "{report}");
    assert!(ran.stderr.contains(&format!("tranche resume {id}")), "{name}: {}", ran.stderr);
    assert_eq!(runs(&sandbox)[0]["status"], "failed");

    let resumed = sandbox.run(&["--format", "json", "resume", id]).expect_code(0).json();
    assert_eq!((&resumed["run_id"], &resumed["status"]), (&report["run_id"], &"done".into()));
    assert_eq!(resumed["steps"][0], report["steps"][0], "a step that is done is not done again");
    let again = sandbox.run(&["resume", id]).expect_code(2);
    assert!(again.stderr.contains(id) && again.stderr.contains("done"), "{}", again.stderr);
    let _ = sandbox.run(&SECOND).expect_code(0);
    contents(&sandbox).assert_same(&undisturbed().0, name);
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
    let done =
        sandbox.run(&["--format", "json", "run", "shop", "--as-of", "2026-10-01"]).expect_code(0).json();
    let before = contents(&sandbox);
    let again = sandbox.run(&["resume", done["run_id"].as_str().unwrap()]).expect_code(2);
    assert!(again.stderr.contains("done"), "{}", again.stderr);
    contents(&sandbox).assert_same(&before, "resumed though done");
}
