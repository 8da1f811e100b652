//! The scheduler as people run it: `schedule`, `schedule explain`, `schedule pause`, `backfill`, `runs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tranche_tests::ran;

use crate::small_project::{SmallProject, csv, order};

const SOURCE: &str = "format: csv\npath: data/orders/*.csv";

/// The small project with a schedule.
fn project(schedule: &str) -> SmallProject {
    let project = SmallProject::new(SOURCE);
    project.write("a.csv", csv(&[order(1), order(2)]));
    schedule_of(&project, schedule);
    project
}

fn schedule_of(project: &SmallProject, schedule: &str) {
    let steps = "  - {id: people, ingest: [customers]}\n  - {id: sales, ingest: [orders]}\n";
    let text = format!("version: 1\npipeline: shop\nschedule: {schedule}\nsteps:\n{steps}");
    project.sandbox.write("pipelines/shop/pipeline.yaml", text);
}

fn json(project: &SmallProject, arguments: &[&str]) -> Vec<Value> {
    let ran = project.tranche(&[&["--format", "json"], arguments].concat()).expect_code(0);
    ran.json().as_array().cloned().unwrap()
}

fn fates(slots: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    slots.iter().map(|slot| (text(&slot["fate"]), text(&slot["reason"]))).collect()
}

/// The slots of the last and the next minute.
fn around_now(project: &SmallProject) -> Vec<Value> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let [from, to] = [now - 60, now + 60].map(|second| format!("{}", Instants(second)));
    json(project, &["schedule", "explain", "--from", &from, "--to", &to])
}

/// A second of the epoch as `date` writes it.
struct Instants(u64);

impl std::fmt::Display for Instants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let date = std::process::Command::new("date")
            .args(["-u", "-d", &format!("@{}", self.0), "+%Y-%m-%dT%H:%M:%SZ"])
            .output();
        f.write_str(String::from_utf8_lossy(&date.unwrap().stdout).trim())
    }
}

fn daemon(project: &SmallProject) -> Child {
    let mut command = project.sandbox.command(&["schedule", "--lease", "3s"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "waited for nothing: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn slot_runs(project: &SmallProject) -> Vec<Value> {
    json(project, &["runs", "--pipeline", "shop", "--status", "done"])
        .into_iter()
        .filter(|run| run["slot"].is_string())
        .collect()
}

#[test]
fn a_daemon_runs_slots_until_it_is_asked_to_end_and_drains() {
    let project = project("{cron: '* * * * * *', overlap: skip}");
    let child = daemon(&project);
    wait_until("three slots are done", || slot_runs(&project).len() >= 3);
    signal(&child, "TERM");
    let ended = ran(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("runs done, 0 failed"), "{}", ended.stdout);
    let runs = slot_runs(&project);
    assert!(runs.iter().all(|run| run["slot"] == run["as_of"]), "{runs:?}");
    let slots = around_now(&project);
    assert!(fates(&slots).iter().any(|fate| *fate == ("run".to_owned(), "done".to_owned())), "{slots:?}");
    assert_eq!(slots.last().unwrap()["fate"], "future");
    let keys: Vec<&String> = slots[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["dst", "fate", "local", "pipeline", "reason", "run_id", "slot"]);
    assert_eq!(
        project.sandbox.run(&["sql", "SELECT count(*) FROM orders", "--format", "csv"]).stdout.lines().last(),
        Some("2")
    );
    assert!(json(&project, &["runs", "--status", "running"]).is_empty());
}

#[test]
fn two_daemons_share_the_slots_and_the_death_of_one_loses_none() {
    let project = project("{cron: '* * * * * *', overlap: queue, catchup: all}");
    let mut first = daemon(&project);
    let second = daemon(&project);
    wait_until("two slots are done", || slot_runs(&project).len() >= 2);
    first.kill().unwrap();
    first.wait().unwrap();
    let before = slot_runs(&project).len();
    wait_until("slots continue", || slot_runs(&project).len() >= before + 3);
    let _ = project.tranche(&["schedule", "pause", "shop"]).expect_code(0);
    wait_until("all that was begun is done", || json(&project, &["runs", "--status", "running"]).is_empty());
    signal(&second, "TERM");
    let ended = ran(second.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let slots: Vec<String> = slot_runs(&project).iter().map(|run| run["slot"].to_string()).collect();
    let distinct: std::collections::BTreeSet<&String> = slots.iter().collect();
    assert_eq!(distinct.len(), slots.len(), "{slots:?}");
    assert!(json(&project, &["runs", "--status", "failed"]).is_empty());
}

#[test]
fn once_runs_due_slots_and_a_pause_skips_them() {
    let project = project("{cron: '* * * * * *', catchup: last, overlap: skip}");
    let _ = project.tranche(&["schedule", "--once"]).expect_code(0);
    std::thread::sleep(Duration::from_millis(2_500));
    let _ = project.tranche(&["schedule", "--once"]).expect_code(0);
    assert_eq!(slot_runs(&project).len(), 1);
    let _ = project.tranche(&["schedule", "pause", "shop"]).expect_code(0);
    std::thread::sleep(Duration::from_millis(2_500));
    let _ = project.tranche(&["schedule", "--once"]).expect_code(0);
    let skipped = json(&project, &["runs", "--status", "skipped"]);
    assert!(!skipped.is_empty());
    assert!(skipped.iter().all(|slot| slot["run_id"].is_null() && slot["slot"].is_string()), "{skipped:?}");
    assert!(fates(&around_now(&project)).contains(&("skipped".to_owned(), "paused".to_owned())));
}

#[test]
fn broken_definitions_are_refused_and_the_last_good_ones_go_on() {
    let project = project("{cron: '* * * * * *', overlap: skip}");
    let child = daemon(&project);
    wait_until("a slot is done", || !slot_runs(&project).is_empty());
    schedule_of(&project, "{cron: '61 * * * * *'}");
    std::thread::sleep(Duration::from_secs(7));
    let before = slot_runs(&project).len();
    wait_until("slots continue", || slot_runs(&project).len() > before);
    signal(&child, "TERM");
    let ended = ran(child.wait_with_output().unwrap());
    assert!(
        ended.stderr.contains("pipelines/shop/pipeline.yaml:3:18")
            && ended.stderr.contains("continuing with the last valid version"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_backfill_runs_past_slots_in_order_and_again_only_when_asked() {
    let project = project("{cron: '0 2 * * *', timezone: Europe/Berlin}");
    let span = ["--from", "2026-10-24", "--to", "2026-10-27"];
    let backfill = |more: &[&str]| {
        project.tranche(&[&["--format", "json", "backfill", "shop"], &span[..], more].concat())
    };
    let planned = backfill(&["--dry-run"]).expect_code(0).json();
    let slots: Vec<&str> =
        planned.as_array().unwrap().iter().map(|slot| slot["slot"].as_str().unwrap()).collect();
    assert_eq!(slots, ["2026-10-24T00:00:00Z", "2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"]);
    let done = backfill(&["--order", "newest"]).expect_code(0).json();
    assert_eq!((&done["slots"], &done["done"], &done["failed"]), (&3.into(), &3.into(), &0.into()));
    let id = done["id"].as_str().unwrap();
    let runs = json(&project, &["runs", "--backfill", id]);
    let order: Vec<&str> = runs.iter().map(|run| run["slot"].as_str().unwrap()).collect();
    assert_eq!(order, ["2026-10-26T01:00:00Z", "2026-10-25T00:00:00Z", "2026-10-24T00:00:00Z"]);
    assert!(runs.is_sorted_by_key(|run| run["started_at"].as_str().unwrap()), "{runs:#?}");
    assert!(
        backfill(&[]).expect_code(0).json().as_array().unwrap().is_empty(),
        "nothing is missing any more"
    );
    let resumed = project.tranche(&["--format", "json", "backfill", "--resume", id]).expect_code(0).json();
    assert_eq!(resumed["done"], 3);
    assert_eq!(json(&project, &["runs"]).len(), 3, "a backfill that is done runs nothing");
    let again = backfill(&["--all", "--concurrency", "2"]).expect_code(0).json();
    assert_eq!(again["done"], 3);
    assert_eq!(json(&project, &["runs"]).len(), 6);
    assert_eq!(json(&project, &["backfill", "--list"]).len(), 2);
    assert_eq!(
        project.sandbox.run(&["sql", "SELECT count(*) FROM orders", "--format", "csv"]).stdout.lines().last(),
        Some("2")
    );
}

/// What was done is not done again; a slot that was at work when the process was killed is taken over.
#[test]
fn a_backfill_that_was_killed_continues_where_it_was() {
    let project = project("{cron: '0 2 * * *', timezone: UTC}");
    let mut command =
        project.sandbox.command(&["backfill", "shop", "--from", "2025-09-01", "--to", "2026-09-01"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("two slots are done", || slot_runs(&project).len() >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let begun = json(&project, &["backfill", "--list"]);
    let [begun] = begun.as_slice() else { panic!("{begun:#?}") };
    assert!(begun["waiting"].as_u64().unwrap() > 0, "it was killed too late: {begun:#}");
    assert!(begun["running"].as_u64().unwrap() <= 1, "{begun:#}");
    let id = begun["id"].as_str().unwrap();
    let is_done = |run: &Value| run["status"] == "done";
    let runs = || json(&project, &["runs", "--backfill", id]).into_iter().filter(is_done).collect::<Vec<_>>();
    let before = runs();
    let resume = ["--format", "json", "backfill", "--resume", id];
    let ended = project.tranche(&resume).expect_code(0).json();
    assert_eq!((&ended["slots"], &ended["done"]), (&365.into(), &365.into()), "{ended:#}");
    let after = runs();
    assert!(before.len() >= 2 && before.iter().all(|run| after.contains(run)), "{before:#?} {after:#?}");
    let slots: BTreeSet<&str> = after.iter().map(|run| run["slot"].as_str().unwrap()).collect();
    assert_eq!((after.len(), slots.len()), (365, 365), "each slot once");
}

#[test]
fn a_past_slot_takes_its_place_before_later_ones_and_leaves_them_as_they_are() {
    let project = project("{cron: '0 2 * * *', timezone: UTC}");
    let buyers = "/*---\nsegment: buyers\nentity: customer\n---*/\nSELECT customer_id FROM orders\n";
    project.sandbox.write("pipelines/shop/segments/buyers.sql", buyers);
    let steps = "  - {id: people, ingest: [customers]}\n  - {id: sales, ingest: [orders]}\n  - {id: who, refresh: all, needs: [people, sales]}\n";
    let text = format!(
        "version: 1\npipeline: shop\nschedule: {{cron: '0 2 * * *', timezone: UTC}}\nsteps:\n{steps}"
    );
    project.sandbox.write("pipelines/shop/pipeline.yaml", text);
    let _ = project.tranche(&["run", "shop", "--as-of", "2026-10-05"]).expect_code(0);
    let history = || {
        let sql = "SELECT date_trunc('day', as_of)::date AS day, size, entered, exited FROM segment_history ORDER BY 1";
        project.sandbox.run(&["sql", sql, "--format", "csv"]).expect_code(0).stdout
    };
    assert_eq!(history(), "day,size,entered,exited\n2026-10-05,2,2,0\n");
    let backfill = ["--format", "json", "backfill", "shop", "--from", "2026-10-01", "--to", "2026-10-03"];
    let done = project.tranche(&backfill).expect_code(0).json();
    assert_eq!((&done["slots"], &done["done"]), (&2.into(), &2.into()));
    let past = "2026-10-01,2,2,0\n2026-10-02,2,0,0\n";
    assert_eq!(history(), format!("day,size,entered,exited\n{past}2026-10-05,2,0,0\n"));
    // By hand as well.
    let _ = project.tranche(&["run", "shop", "--as-of", "2026-10-03"]).expect_code(0);
    assert_eq!(history(), format!("day,size,entered,exited\n{past}2026-10-03,2,0,0\n2026-10-05,2,0,0\n"));
    let found = project.tranche(&["--format", "json", "doctor"]).json();
    assert!(found.as_array().unwrap().iter().all(|check| check["ok"] == true), "{found:#}");
}

#[test]
fn a_failed_slot_is_run_again_by_a_backfill_and_shown_as_a_timeline() {
    let project = project("{cron: '0 2 * * *'}");
    project.write("a.csv", "order_id,customer_id\n");
    let span = ["--from", "2026-10-24", "--to", "2026-10-25"];
    let backfill = |more: &[&str]| {
        project.tranche(&[&["--format", "json", "backfill", "shop"], &span[..], more].concat())
    };
    assert_eq!(backfill(&[]).expect_code(1).json()["failed"], 1);
    let failed = json(&project, &["runs", "--status", "failed"]);
    let id = failed[0]["run_id"].as_str().unwrap();
    let timeline = project.tranche(&["--format", "json", "runs", id]).expect_code(0).json();
    let sales = &timeline["steps"][1];
    assert_eq!(
        (&sales["id"], &sales["status"], &sales["attempts"]),
        (&"sales".into(), &"failed".into(), &1.into())
    );
    assert_eq!(sales["failures"][0]["message"], sales["message"]);
    assert!(sales["started_at"].is_string() && sales["ended_at"].is_string());
    let timeline = project.tranche(&["runs", id, "--follow"]).expect_code(0).stdout;
    assert!(timeline.lines().last().unwrap().ends_with("the run is failed"), "{timeline}");
    project.write("a.csv", csv(&[order(1)]));
    assert_eq!(backfill(&["--failed"]).expect_code(0).json()["done"], 1);
    assert_eq!(
        project.sandbox.run(&["sql", "SELECT count(*) FROM orders", "--format", "csv"]).stdout.lines().last(),
        Some("1")
    );
}

#[test]
fn new_files_bring_about_a_slot() {
    let project = project("{on_new_files: orders}");
    let child = daemon(&project);
    std::thread::sleep(Duration::from_secs(4));
    project.write("b.csv", csv(&[order(3)]));
    wait_until("the files are loaded", || slot_runs(&project).len() == 1);
    signal(&child, "TERM");
    assert_eq!(ran(child.wait_with_output().unwrap()).code, 0);
    assert_eq!(
        project.sandbox.run(&["sql", "SELECT count(*) FROM orders", "--format", "csv"]).stdout.lines().last(),
        Some("3")
    );
}

#[test]
fn references_of_schedules_must_exist() {
    let project = project("[{after: [crm]}, {on_new_files: ordrs}]");
    let ran = project.tranche(&["check"]).expect_code(2);
    assert!(ran.stderr.contains("there is no pipeline `crm`; pipelines/ has shop"), "{}", ran.stderr);
    assert!(ran.stderr.contains("there is no source `ordrs`"), "{}", ran.stderr);
}
