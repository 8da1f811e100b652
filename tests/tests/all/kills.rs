//! Commands of every kind that are killed at any moment: who continues or repeats them ends where nothing had happened.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tranche_tests::{Sandbox, ran};

use crate::demo_shop::{Contents, contents, shop};

/// So many commands are killed by a build; `TRANCHE_KILLS` asks for more.
const KILLS: usize = 5;

/// A run is killed at most so often in a row.
const IN_A_ROW: usize = 3;

/// What people do with a lake, one after the other: each builds on what those before it left.
const COMMANDS: [&str; 15] = [
    "run shop --as-of 2026-10-01",
    "check",
    "segment preview lapsing_vip --as-of 2026-10-01",
    "segment backfill --pipeline shop --from 2026-09-28 --to 2026-10-01 --rebuild",
    "segment overlap",
    "backfill shop --from 2026-10-02 --to 2026-10-04",
    "report monthly --as-of 2026-10-03T02:00",
    "experiment power winback --as-of 2026-10-03",
    "experiment show winback",
    "sql SELECT count(*) FROM orders",
    "doctor --deep",
    "run tidy",
    "quarantine list",
    "run shop --as-of 2026-11-01 --full",
    "trait list",
];

const TIDY: &str = "version: 1\npipeline: tidy\nsteps:\n  - {id: tidy, maintain: all}\n";

fn project() -> Sandbox {
    let sandbox = shop();
    sandbox.write("pipelines/tidy/pipeline.yaml", TIDY);
    sandbox
}

/// The words of a command: a statement is one.
fn words(command: &str) -> Vec<&str> {
    match command.split_once("sql ") {
        Some((_, statement)) => vec!["sql", statement],
        None => command.split(' ').collect(),
    }
}

/// What all commands leave when none is disturbed, and how long each of them takes.
fn undisturbed() -> &'static (Contents, Vec<Duration>) {
    static UNDISTURBED: OnceLock<(Contents, Vec<Duration>)> = OnceLock::new();
    UNDISTURBED.get_or_init(|| {
        let sandbox = project();
        let timed = |command: &&str| {
            let begun = Instant::now();
            let _ = sandbox.run(&words(command)).expect_code(0);
            begun.elapsed()
        };
        let durations = COMMANDS.iter().map(timed).collect();
        (contents(&sandbox), durations)
    })
}

fn start(sandbox: &Sandbox, arguments: &[&str]) -> Child {
    let mut command = sandbox.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Vec<Value> {
    let all = [&["--format", "json"], arguments].concat();
    sandbox.run(&all).expect_code(0).json().as_array().cloned().unwrap()
}

/// How what was cut short is continued, if there is any: a backfill takes over the runs of its slots.
fn continuation(sandbox: &Sandbox) -> Option<Vec<String>> {
    let id = |value: &Value, key: &str| value[key].as_str().unwrap().to_owned();
    let open = json(sandbox, &["backfill", "--list"])
        .into_iter()
        .find(|backfill| backfill["waiting"] != 0 || backfill["running"] != 0);
    if let Some(backfill) = open {
        return Some(vec!["backfill".to_owned(), "--resume".to_owned(), id(&backfill, "id")]);
    }
    let runs = json(sandbox, &["runs", "--status", "running"]);
    runs.first().map(|run| vec!["resume".to_owned(), "--force".to_owned(), id(run, "run_id")])
}

/// Continues what was cut short, or begins the command, and kills it at a moment.
fn kill_at(sandbox: &Sandbox, command: &str, moment: Duration, killed: &mut usize) {
    let open = continuation(sandbox);
    let arguments = match &open {
        Some(arguments) => arguments.iter().map(String::as_str).collect(),
        None => words(command),
    };
    let mut child = start(sandbox, &arguments);
    // The moment is the subject of the test, so it is a time that passes and no event.
    std::thread::sleep(moment);
    child.kill().unwrap();
    let ended = ran(child.wait_with_output().unwrap());
    *killed += usize::from(ended.code == -1);
    assert!(matches!(ended.code, -1 | 0), "{arguments:?}: {}", ended.stderr);
}

/// Continues what was cut short until nothing is open.
fn finish(sandbox: &Sandbox) {
    while let Some(arguments) = continuation(sandbox) {
        let _ = sandbox.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).expect_code(0);
    }
}

/// Numbers that are spread evenly from 0 to 1.
fn spread(number: usize) -> f64 {
    (number as f64 * 0.618_033_988_749_895).fract()
}

#[test]
fn commands_that_are_killed_are_continued_and_end_the_same() {
    let kills = std::env::var("TRANCHE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let (expected, durations) = undisturbed();
    let sandbox = project();
    let (mut killed, mut number) = (0, 0);
    for (at, (command, duration)) in COMMANDS.iter().zip(durations).enumerate() {
        // Of all kills, those up to this command.
        let due = (kills * (at + 1)).div_ceil(COMMANDS.len());
        while number < due {
            number += 1;
            kill_at(&sandbox, command, duration.mul_f64(spread(number)), &mut killed);
            // A run whose process is killed over and over is given up.
            if number % IN_A_ROW == 0 {
                finish(&sandbox);
            }
        }
        finish(&sandbox);
        // Who sees that nothing is open does what they wanted, whether it had been done or not.
        let _ = sandbox.run(&words(command)).expect_code(0);
    }
    assert!(killed * 2 >= kills, "{killed} of {kills} came in time");
    contents(&sandbox).assert_same(expected, "killed");
    assert!(json(&sandbox, &["runs", "--status", "failed"]).is_empty());
    let _ = sandbox.run(&["doctor", "--deep"]).expect_code(0);
}
