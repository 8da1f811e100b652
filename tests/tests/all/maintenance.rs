//! The step `maintain`: what it merges and removes, and what it leaves alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::demo_shop::shop;
use crate::small_project::{SmallProject, assert_same, csv, order};

const DAY_SECONDS: u64 = 86_400;
const PIPELINE: &str = "version: 1\npipeline: tidy\nsteps:\n  - {id: tidy, maintain: all}\n";

/// A project whose orders came in as many files of one day.
fn project(files: usize) -> SmallProject {
    let project = SmallProject::new("format: csv\npath: data/orders/*.csv");
    project.sandbox.write("pipelines/tidy/pipeline.yaml", PIPELINE);
    for file in 0..files {
        // Every 28th order is of the same day.
        project.write(&format!("{file}.csv"), csv(&[order(28 * file + 1)]));
        let _ = project.load().expect_code(0);
    }
    project
}

fn maintained(project: &SmallProject) -> Value {
    let ran = project.tranche(&["--format", "json", "run", "tidy"]).expect_code(0);
    let detail = ran.json()["steps"][0]["detail"]["maintained"].clone();
    assert_eq!(detail["left"], Value::Array(Vec::new()), "{detail:#}");
    detail
}

fn data_files(project: &SmallProject) -> usize {
    let day = project.sandbox.path().join("lake/tables/orders/_day=2026-05-02");
    fs::read_dir(day)
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "parquet"))
        .count()
}

fn seconds_ago(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - seconds
}

/// Makes the removals of files in the log of orders ones of so many days ago.
fn age_removals(project: &SmallProject, days: u64) {
    let millis = seconds_ago(days * DAY_SECONDS) * 1_000;
    for entry in fs::read_dir(project.sandbox.path().join("lake/tables/orders/_delta_log")).unwrap().flatten()
    {
        if entry.path().extension().is_none_or(|extension| extension != "json") {
            fs::remove_file(entry.path()).unwrap();
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        let aged = text.lines().map(|line| {
            let mut action: Value = serde_json::from_str(&tranche_tests::without_checksum(line)).unwrap();
            if action["remove"]["deletionTimestamp"].is_number() {
                action["remove"]["deletionTimestamp"] = millis.into();
            }
            format!("{action}\n")
        });
        fs::write(entry.path(), aged.collect::<String>()).unwrap();
    }
}

/// Writes the log of a run of the pipeline `night` that began so many days ago, and ended if it is said how.
fn old_run(project: &SmallProject, id: &str, days: u64, ended: Option<&str>) -> PathBuf {
    let at = project.tranche(&[
        "--format",
        "csv",
        "sql",
        &format!("SELECT to_timestamp({})", seconds_ago(days * DAY_SECONDS)),
    ]);
    let at = format!("{}Z", at.expect_code(0).stdout.lines().nth(1).unwrap().trim_end_matches('Z'));
    let folder = project.sandbox.path().join("lake/_sys/runs").join(id);
    fs::create_dir_all(&folder).unwrap();
    let started = format!(
        r#"{{"event":"started","run_id":"{id}","pipeline":"night","slot":null,"as_of":"{at}","full":false,"definitions":"x","steps":[],"at":"{at}"}}"#
    );
    fs::write(folder.join("00000000.json"), format!(r#"{{"nonce":"n","body":{started}}}"#)).unwrap();
    if let Some(status) = ended {
        let ended = format!(r#"{{"event":"ended","status":"{status}","at":"{at}"}}"#);
        fs::write(folder.join("00000001.json"), format!(r#"{{"nonce":"n","body":{ended}}}"#)).unwrap();
    }
    folder
}

#[test]
fn many_small_files_become_one_and_the_old_ones_go_when_nothing_needs_them() {
    let project = project(9);
    let orders = project.orders();
    assert_eq!(data_files(&project), 9);
    let first = maintained(&project);
    // Those of orders, and those of the table of loads, which has one more.
    assert_eq!((&first["merged_files"], &first["written_files"]), (&19.into(), &2.into()), "{first:#}");
    assert_eq!(
        (&first["deleted_files"], data_files(&project)),
        (&0.into(), 10),
        "earlier versions can still be read"
    );
    assert_same(&project.orders(), &orders);

    age_removals(&project, 8);
    let open = old_run(&project, "0000", 9, None);
    assert_eq!(maintained(&project)["deleted_files"], 0, "a run at work may have begun to read them");
    fs::remove_dir_all(open).unwrap();
    project.sandbox.write("tranche.yaml", "version: 1\nlake: ./lake\nretention: {versions: 10 days}\n");
    age_removals(&project, 8);
    assert_eq!(maintained(&project)["deleted_files"], 0, "the project keeps ten days");
    project.sandbox.write("tranche.yaml", "version: 1\nlake: ./lake\n");
    age_removals(&project, 8);
    assert_eq!(maintained(&project)["deleted_files"], 9);
    assert_eq!(data_files(&project), 1);
    assert_same(&project.orders(), &orders);
    assert_eq!(maintained(&project)["merged_files"], 0);
    let _ = project.tranche(&["doctor"]).expect_code(0);
}

#[test]
fn runs_that_are_long_over_are_forgotten() {
    let project = project(1);
    let gone = old_run(&project, "0001", 500, Some("failed"));
    let open = old_run(&project, "0002", 500, None);
    let young = old_run(&project, "0003", 390, Some("done"));
    let last = old_run(&project, "0004", 389, Some("done"));
    let leases = project.sandbox.path().join("lake/_sys/leases");
    fs::create_dir_all(&leases).unwrap();
    let days_ago = SystemTime::now() - std::time::Duration::from_secs(2 * DAY_SECONDS);
    for run in ["0002", "0003", "gone"] {
        let lease = leases.join(format!("{run}.json"));
        fs::write(&lease, r#"{"owner":"o","counter":1,"milliseconds":60000}"#).unwrap();
        fs::File::options().append(true).open(lease).unwrap().set_modified(days_ago).unwrap();
    }
    let detail = maintained(&project);
    assert_eq!((&detail["expired_runs"], &detail["expired_leases"]), (&1.into(), &2.into()), "{detail:#}");
    assert!(leases.join("0002.json").exists(), "its run is not over");
    assert_eq!(
        [gone, open, young, last].map(|folder| folder.join("00000000.json").exists()),
        [false, true, true, true]
    );
    project.sandbox.write("tranche.yaml", "version: 1\nlake: ./lake\nretention: {runs: 30 days}\n");
    assert_eq!(maintained(&project)["expired_runs"], 1, "the last of a pipeline stays");
}

#[test]
fn saved_state_without_a_definition_is_deleted() {
    let project = project(1);
    project.sandbox.write("lake/_state/gone/customer/orders/manifest.json", "{}");
    assert_eq!(maintained(&project)["expired_state"], 1);
    assert!(!project.sandbox.path().join("lake/_state/gone/customer/orders/manifest.json").exists());
}

#[test]
fn state_stays_while_its_owner_is_defined_and_every_table_of_a_full_run_is_maintained() {
    let shop = shop();
    // A pipeline may be called what saved state of experiments is called.
    std::fs::rename(shop.path().join("pipelines/shop"), shop.path().join("pipelines/experiments")).unwrap();
    let definition = "pipelines/experiments/pipeline.yaml";
    shop.amend(definition, "pipeline: shop", "pipeline: experiments");
    shop.write("pipelines/tidy/pipeline.yaml", PIPELINE);
    let _ = shop.run(&["run", "experiments", "--as-of", "2026-11-01"]).expect_code(0);

    let lake = shop.path().join("lake");
    let tables: Vec<PathBuf> =
        folders_below(&lake).into_iter().filter(|folder| folder.join("_delta_log").is_dir()).collect();
    for written in ["kpis", "estimates", "estimate_series", "segment_history", "loads", "quarantine/orders"] {
        assert!(tables.contains(&lake.join(written)), "{written}: {tables:#?}");
    }
    let state = |pipeline: &str, kind: &str| lake.join("_state").join(kind).join(pipeline);
    for kind in ["segments", "experiments"] {
        assert!(state("experiments", kind).is_dir(), "{kind}");
        let gone = format!("lake/_state/{kind}/gone/tests/orders/manifest.json");
        shop.write(&gone, "{}");
    }
    shop.write("lake/_state/experiments/experiments/gone/orders/manifest.json", "{}");
    let saved = || folders_below(&lake.join("_state")).iter().map(|f| files_in(f)).sum::<usize>();
    let before = saved();

    let ran = shop.run(&["--format", "json", "run", "tidy"]).expect_code(0).json();
    let detail = &ran["steps"][0]["detail"]["maintained"];
    assert_eq!(
        (&detail["tables"], &detail["expired_state"]),
        (&tables.len().into(), &3.into()),
        "{detail:#}"
    );
    assert_eq!(saved(), before - 3);
    for table in &tables {
        assert!(table.join("_delta_log/_last_checkpoint").exists(), "{}", table.display());
    }
    let found = shop.run(&["doctor", "--format", "json"]).expect_code(0).json();
    let finding = format!("the logs and files of {} tables are whole", tables.len());
    assert!(found.as_array().unwrap().iter().any(|line| line["finding"] == finding.as_str()), "{found:#}");
}

fn folders_below(folder: &Path) -> Vec<PathBuf> {
    let below =
        fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    below.flat_map(|path| [vec![path.clone()], folders_below(&path)].concat()).collect()
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file()).count()
}
