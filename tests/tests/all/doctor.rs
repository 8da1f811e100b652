//! What `doctor` says of a healthy lake, and of the same lake after one damage each.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tranche_tests::Sandbox;

use crate::demo_shop::shop;
use crate::documents::assert_in_runbook;

/// A damage, the check that must find it, and what it must name.
struct Damage {
    what: &'static str,
    done: fn(&Path),
    check: &'static str,
    named: &'static [&'static str],
}

const DAMAGES: [Damage; 18] = [
    Damage {
        what: "a data file is deleted",
        done: |at| fs::remove_file(data_file(&at.join("lake/tables/orders"))).unwrap(),
        check: "tables",
        named: &["`tables/orders`", "is missing"],
    },
    Damage {
        what: "a data file is cut short",
        done: |at| cut(&data_file(&at.join("lake/tables/customers"))),
        check: "tables",
        named: &["`tables/customers`", "its log says"],
    },
    Damage {
        what: "a data file is overwritten",
        done: |at| {
            let file = data_file(&at.join("lake/memberships/customer"));
            let size = fs::metadata(&file).unwrap().len();
            fs::write(file, vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
        },
        check: "tables",
        named: &["`memberships/customer`", "does not end as a Parquet file does"],
    },
    Damage {
        what: "an event of a run is corrupt",
        done: |at| cut(&event(at, 1)),
        check: "runs",
        named: &["00000001.json` is damaged"],
    },
    Damage {
        what: "an event in the middle of a run is gone",
        done: |at| fs::remove_file(event(at, 2)).unwrap(),
        check: "runs",
        named: &["lacks event 2"],
    },
    Damage {
        what: "a run has no beginning",
        done: |at| fs::remove_file(event(at, 0)).unwrap(),
        check: "runs",
        named: &["lacks event 0"],
    },
    Damage {
        what: "pinned definitions are gone",
        done: |at| fs::remove_file(first(&at.join("lake/_sys/definitions"), |_| true)).unwrap(),
        check: "runs",
        named: &["the definitions `_sys/definitions/", "are gone"],
    },
    Damage {
        what: "pinned definitions are changed",
        done: |at| fs::write(first(&at.join("lake/_sys/definitions"), |_| true), "{}").unwrap(),
        check: "runs",
        named: &["does not have the hash of its name"],
    },
    Damage {
        what: "a run was left open",
        done: |at| {
            fs::remove_file(last(&run(at))).unwrap();
            let hours_ago = SystemTime::now() - Duration::from_secs(7 * 3_600);
            for entry in entries(&run(at)) {
                fs::File::options().append(true).open(entry).unwrap().set_modified(hours_ago).unwrap();
            }
        },
        check: "runs",
        named: &["has not ended", "tranche resume"],
    },
    Damage {
        what: "a message cannot be read",
        done: |at| {
            let folder = at.join("lake/_sys/outbox/failure-r1-3");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("message.json"), "{").unwrap();
        },
        check: "outbox",
        named: &["_sys/outbox/failure-r1-3/message.json` is damaged", "remove `_sys/outbox/failure-r1-3/`"],
    },
    Damage {
        what: "an entry of a table's log is corrupt",
        done: |at| cut(&version(at, "memberships/customer", 1)),
        check: "tables",
        named: &["memberships/customer/_delta_log/00000000000000000001.json` is damaged"],
    },
    Damage {
        what: "a version of a table's log is dropped",
        done: |at| fs::remove_file(version(at, "segment_history", 1)).unwrap(),
        check: "tables",
        named: &["segment_history/_delta_log` lacks version 1"],
    },
    Damage {
        what: "a table lost its log",
        done: |at| fs::remove_dir_all(at.join("lake/tables/sends/_delta_log")).unwrap(),
        check: "tables",
        named: &["`tables/sends"],
    },
    Damage {
        what: "the saved state of a measurement is corrupt",
        done: |at| {
            cut(&find(&at.join("lake/_state/experiments"), &|path| path.ends_with("manifest.json")).unwrap())
        },
        check: "state",
        named: &["_state/experiments/shop/tests/", "delete `_state/"],
    },
    Damage {
        what: "the saved state of a refresh is corrupt",
        done: |at| {
            cut(&find(&at.join("lake/_state/segments/shop"), &|path| path.ends_with("manifest.json"))
                .unwrap())
        },
        check: "state",
        named: &["_state/segments/shop/customer/", "delete `_state/"],
    },
    Damage {
        what: "the last refresh is taken out of the history",
        done: |at| take_back(&at.join("lake/segment_history/_delta_log")),
        check: "memberships",
        named: &["`memberships/customer` has", "segment_history"],
    },
    Damage {
        what: "a contract is not that of its table",
        done: |at| replace(&at.join("schemas/customers.yaml"), "type: date32", "type: utf8"),
        check: "contracts",
        named: &["customers", "is stored as date32"],
    },
    Damage {
        what: "a definition does not plan",
        done: |at| {
            let text = "/*---\nsegment: broken\nentity: customer\n---*/\nSELECT customer_id FROM nowhere\n";
            fs::write(at.join("pipelines/shop/segments/broken.sql"), text).unwrap();
        },
        check: "project",
        named: &["pipelines/shop/segments/broken.sql:5:", "nowhere"],
    },
];

#[test]
fn a_healthy_lake_passes_and_each_damage_is_named() {
    let healthy = shop();
    for as_of in ["2026-09-01", "2026-10-01", "2026-11-01"] {
        let _ = healthy.run(&["run", "shop", "--as-of", as_of]).expect_code(0);
    }
    let found = doctor(&healthy, 0);
    let checks: Vec<&str> = found.iter().map(|line| line["check"].as_str().unwrap()).collect();
    assert_eq!(
        checks,
        [
            "project",
            "storage",
            "clock",
            "runs",
            "slots",
            "schedules",
            "backfills",
            "outbox",
            "tables",
            "contracts",
            "state",
            "memberships",
            "estimates"
        ]
    );
    assert!(found.iter().all(|line| line["ok"] == true), "{found:#?}");
    assert!(
        !healthy.path().join("lake/_sys/doctor").exists()
            || entries(&healthy.path().join("lake/_sys/doctor")).is_empty()
    );
    for Damage { what, done, check, named } in DAMAGES {
        let damaged = healthy.twin();
        done(damaged.path());
        let found = doctor(&damaged, 1);
        let says = |line: &&Value| {
            let said = format!("{} {}", line["finding"].as_str().unwrap(), line["advice"].as_str().unwrap());
            line["check"] == check && line["ok"] == false && named.iter().all(|part| said.contains(part))
        };
        assert!(found.iter().find(says).is_some(), "{what}: {found:#?}");
        for line in found.iter().filter(|line| line["ok"] == false) {
            assert_in_runbook(line["check"].as_str().unwrap(), line["finding"].as_str().unwrap());
        }
        assert!(
            found.iter().filter(|line| line["ok"] == false).all(|line| line["advice"] != ""),
            "{what}: {found:#?}"
        );
    }
}

#[test]
fn a_bit_that_flips_is_named_by_the_deep_examination_and_by_whoever_reads_it() {
    let healthy = shop();
    let _ = healthy.run(&["run", "shop", "--as-of", "2026-09-01"]).expect_code(0);
    let deep = |sandbox: &Sandbox, code: i32| {
        let ran = sandbox.run(&["doctor", "--deep", "--format", "json"]).expect_code(code);
        ran.json().as_array().cloned().unwrap()
    };
    assert!(deep(&healthy, 0).iter().any(|line| line["check"] == "content" && line["ok"] == true));
    let damaged = healthy.twin();
    let file = data_file(&damaged.path().join("lake/tables/orders"));
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::write(&file, bytes).unwrap();
    let found = deep(&damaged, 1);
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let names = |line: &&Value| {
        line["check"] == "content" && line["ok"] == false && line["finding"].as_str().unwrap().contains(&name)
    };
    assert!(found.iter().find(names).is_some(), "{found:#?}");
    for line in found.iter().filter(|line| line["ok"] == false) {
        assert_in_runbook(line["check"].as_str().unwrap(), line["finding"].as_str().unwrap());
    }
    let refused = damaged.run(&["run", "shop", "--as-of", "2026-10-01", "--full"]).expect_code(3);
    assert!(refused.stderr.contains("is damaged") && refused.stderr.contains(&name), "{}", refused.stderr);
}

#[test]
fn a_lake_without_anything_in_it_is_healthy() {
    let sandbox = Sandbox::new();
    sandbox.write("tranche.yaml", "version: 1\n");
    assert!(doctor(&sandbox, 0).iter().all(|line| line["ok"] == true));
}

fn doctor(sandbox: &Sandbox, code: i32) -> Vec<Value> {
    sandbox.run(&["doctor", "--format", "json"]).expect_code(code).json().as_array().cloned().unwrap()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn first(folder: &Path, wanted: impl Fn(&Path) -> bool) -> PathBuf {
    entries(folder).into_iter().find(|path| wanted(path)).unwrap()
}

fn last(folder: &Path) -> PathBuf {
    entries(folder).pop().unwrap()
}

/// The folder of the run that began first.
fn run(project: &Path) -> PathBuf {
    first(&project.join("lake/_sys/runs"), |_| true)
}

fn event(project: &Path, sequence: usize) -> PathBuf {
    run(project).join(format!("{sequence:08}.json"))
}

fn version(project: &Path, table: &str, version: usize) -> PathBuf {
    project.join("lake").join(table).join(format!("_delta_log/{version:020}.json"))
}

/// Takes the last version out of a table's log, and everything that refers to it.
fn take_back(log: &Path) {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let last = entries(log)
        .into_iter()
        .rfind(|path| name(path).len() == 25 && name(path).ends_with(".json"))
        .unwrap();
    let version = name(&last)[..20].to_owned();
    for path in entries(log)
        .into_iter()
        .filter(|path| name(path).starts_with(&version) || name(path) == "_last_checkpoint")
    {
        fs::remove_file(path).unwrap();
    }
}

/// A file that the latest version of a table needs.
fn data_file(table: &Path) -> PathBuf {
    let mut needed: Vec<String> = Vec::new();
    for entry in
        entries(&table.join("_delta_log")).iter().filter(|path| path.extension().is_some_and(|e| e == "json"))
    {
        for line in fs::read_to_string(entry).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            let path = |kind: &str| action[kind]["path"].as_str().map(str::to_owned);
            needed.extend(path("add"));
            needed.retain(|known| Some(known) != path("remove").as_ref());
        }
    }
    table.join(needed.first().unwrap())
}

/// The first file below a folder that is wanted.
fn find(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    entries(folder).into_iter().find_map(|path| match path.is_dir() {
        true => find(&path, wanted),
        false => wanted(&path).then_some(path),
    })
}

/// Leaves half of a file.
fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn published_values_are_compared_with_what_their_definitions_give() {
    let values = |sandbox: &Sandbox| {
        let found = sandbox.run(&["--format", "json", "doctor", "--deep"]).json();
        let of = |line: &&Value| line["check"] == "values";
        let values = found.as_array().unwrap().iter().filter(of).cloned();
        let findings: Vec<String> = values
            .filter(|line| line["ok"] != true)
            .map(|line| line["finding"].as_str().unwrap().to_owned())
            .collect();
        findings
    };
    let run = ["run", "site", "--as-of", "2026-09-20"];
    let (sandbox, other) = (crate::at_once::project(""), crate::at_once::project(""));
    other.amend("data/visits.csv", ",banner,", ",banner,1");
    for sandbox in [&sandbox, &other] {
        let _ = sandbox.run(&run).expect_code(0);
        assert_eq!(values(sandbox), Vec::<String>::new());
    }
    // The traits of other visits in their place.
    let traits = "lake/traits/person";
    fs::remove_dir_all(sandbox.path().join(traits)).unwrap();
    copy(&other.path().join(traits), &sandbox.path().join(traits));
    let found = values(&sandbox);
    assert_eq!(found.len(), 1, "{found:#?}");
    let expected = "`minutes_total` in `traits/person` has another value for 30 of 60 entities than its definition gives";
    assert!(found[0].starts_with(expected), "{found:#?}");
    assert_in_runbook("values", &found[0]);
    // Published anew, all is well; and of a definition that has changed since, nothing is said.
    let _ = sandbox.run(&[&run[..], &["--full"]].concat()).expect_code(0);
    assert_eq!(values(&sandbox), Vec::<String>::new());
    sandbox.amend("pipelines/site/traits/stay.sql", "sum(minutes)", "max(minutes)");
    assert_eq!(values(&sandbox), Vec::<String>::new());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
