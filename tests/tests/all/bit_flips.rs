//! A bit of the lake that flips: the next night tells it, or publishes what an undamaged lake would have.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tranche_tests::{Ran, Sandbox};

use crate::demo_shop::{rounded, shop};

/// So many bits are flipped by a build; `TRANCHE_BIT_FLIPS` asks for more, and `TRANCHE_BIT_FLIPS_FIRST` for others.
const FLIPS: usize = 2;

const BEFORE: [&str; 4] = ["run", "shop", "--as-of", "2026-10-01"];
const AFTER: [&str; 4] = ["run", "shop", "--as-of", "2026-11-01"];

/// Of this, a flipped bit that stays is told by nobody: the hint is checked against the log that it is of.
const UNEXAMINED: &str = "._last_checkpoint";

/// What is published, without what differs from run to run.
const PUBLISHED: [(&str, &[&str]); 11] = [
    ("customers", &[]),
    ("orders", &[]),
    ("web_events", &[]),
    ("sends", &[]),
    ("survey", &[]),
    ("complaints", &[]),
    ("traits", &[]),
    ("memberships", &[]),
    ("segment_history", &["publication", "follows"]),
    ("estimates", &[]),
    ("kpis", &[]),
];

/// A lake after its first night, its objects by their kinds, and what the second night publishes.
struct Healthy {
    project: Sandbox,
    kinds: Vec<(String, Vec<PathBuf>)>,
    statement: String,
    published: Vec<String>,
}

fn healthy() -> &'static Healthy {
    static HEALTHY: OnceLock<Healthy> = OnceLock::new();
    HEALTHY.get_or_init(|| {
        let project = shop();
        // A step is tried again at once: what is damaged does not heal by waiting.
        project.amend("pipelines/shop/pipeline.yaml", "backoff: 30s", "backoff: 1ms");
        let _ = project.run(&BEFORE).expect_code(0);
        let mut kinds = BTreeMap::<String, Vec<PathBuf>>::new();
        let lake = project.path().join("lake");
        collect(&lake, &lake, &mut kinds);
        let undisturbed = project.twin();
        let _ = undisturbed.run(&AFTER).expect_code(0);
        let _ = undisturbed.run(&["doctor", "--deep"]).expect_code(0);
        let statement = digest_statement(&undisturbed);
        let published = published(&undisturbed, &statement).unwrap();
        assert!(published.len() > 100, "{published:?}");
        Healthy { project, kinds: kinds.into_iter().collect(), statement, published }
    })
}

/// The objects of a lake by their kinds: the folder without what tells one table, run or day from another, and how the name ends.
fn collect(lake: &Path, folder: &Path, kinds: &mut BTreeMap<String, Vec<PathBuf>>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(lake, &path, kinds);
        } else if path.metadata().unwrap().len() > 0 {
            kinds.entry(kind(path.strip_prefix(lake).unwrap())).or_default().push(path);
        }
    }
}

fn kind(path: &Path) -> String {
    let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let (name, folders) = parts.split_last().unwrap();
    let folders = folders.iter().take(2).map(String::as_str).collect::<Vec<_>>().join("/");
    let is_log = parts.iter().any(|part| part == "_delta_log");
    let extension = name.rsplit('.').next().unwrap_or_default();
    format!("{folders}{} .{extension}", if is_log { " log" } else { "" })
}

/// One statement that gives every published row as a text.
fn digest_statement(sandbox: &Sandbox) -> String {
    let of_table = |(table, without): &(&str, &[&str])| {
        let ran = sandbox.run(&["--format", "csv", "sql", &format!("SELECT * FROM {table} LIMIT 1")]);
        let header = ran.expect_code(0).stdout.lines().next().unwrap().to_owned();
        let columns = header.split(',').filter(|column| !without.contains(column));
        let texts = columns.map(|column| format!("coalesce(CAST(\"{column}\" AS VARCHAR), '-')"));
        format!(
            "SELECT concat_ws('|', '{table}', {}) AS line FROM {table}",
            texts.collect::<Vec<_>>().join(", ")
        )
    };
    PUBLISHED.iter().map(of_table).collect::<Vec<_>>().join(" UNION ALL ")
}

/// What the lake publishes, or why that cannot be told.
fn published(sandbox: &Sandbox, statement: &str) -> Result<Vec<String>, Ran> {
    let ran = sandbox.run(&["--format", "csv", "sql", statement, "--as-of", "2026-11-01"]);
    if ran.code != 0 {
        return Err(ran);
    }
    let mut lines: Vec<String> = ran.stdout.lines().map(rounded).collect();
    lines.sort_unstable();
    Ok(lines)
}

/// Numbers that look drawn, and are the same each time.
fn drawn(seed: usize, stream: u64) -> u64 {
    let mut x =
        (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    for _ in 0..3 {
        x = (x ^ (x >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    }
    x ^ (x >> 29)
}

/// How a flip became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    /// The night failed, or its results cannot be read, with a message.
    ByTheNight,
    /// The night published what it should, and `doctor --deep` names the object.
    ByDoctor,
    /// The night wrote over the object, or removed it.
    Healed,
    /// Nobody examines objects of this kind.
    Unexamined,
}

/// Flips a bit of an object of the kinds in turn.
fn flip(seed: usize, kinds: &[(String, Vec<PathBuf>)], found: &mut Vec<(String, Told)>) {
    let healthy = healthy();
    // Seeds that follow each other take kinds that are far apart.
    let stride = [7, 11, 13].into_iter().find(|stride| !kinds.len().is_multiple_of(*stride)).unwrap();
    let (kind, objects) = &kinds[seed * stride % kinds.len()];
    let object = &objects[drawn(seed, 1) as usize % objects.len()];
    let damaged = healthy.project.twin();
    let path = damaged.path().join(object.strip_prefix(healthy.project.path()).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    let bit = drawn(seed, 2) as usize % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(&path, &bytes).unwrap();
    let what = format!("flip {seed}: bit {bit} of {}", object.display());
    let night = damaged.run(&AFTER);
    assert!(!night.stderr.contains("panicked"), "{what}: {}", night.stderr);
    if night.code != 0 {
        assert!(matches!(night.code, 1..=3), "{what}: {} {}", night.code, night.stderr);
        return found.push((kind.clone(), Told::ByTheNight));
    }
    match published(&damaged, &healthy.statement) {
        Err(ran) => {
            assert!(matches!(ran.code, 1..=3) && !ran.stderr.contains("panicked"), "{what}: {}", ran.stderr);
            found.push((kind.clone(), Told::ByTheNight));
        }
        Ok(lines) => {
            assert!(
                lines == healthy.published,
                "{what}: published in silence: {}",
                difference(&lines, &healthy.published)
            );
            let deep = damaged.run(&["doctor", "--deep"]);
            assert!(!deep.stderr.contains("panicked"), "{what}: {}", deep.stderr);
            let told = match (deep.code, fs::read(&path)) {
                (0, Ok(now)) if now == bytes => {
                    assert!(kind.contains(UNEXAMINED), "{what}: told by nobody");
                    Told::Unexamined
                }
                (0, _) => Told::Healed,
                _ => Told::ByDoctor,
            };
            found.push((kind.clone(), told));
        }
    }
}

fn difference(found: &[String], expected: &[String]) -> String {
    let only = |these: &[String], others: &[String]| -> Vec<String> {
        these.iter().filter(|line| others.binary_search(line).is_err()).take(3).cloned().collect()
    };
    format!("surplus {:#?}, lack {:#?}", only(found, expected), only(expected, found))
}

#[test]
#[expect(clippy::print_stderr, reason = "asked for more flips, it tells what became of them")]
fn a_bit_that_flips_is_told_or_changes_nothing() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<usize>().unwrap());
    let flips = number("TRANCHE_BIT_FLIPS").unwrap_or(FLIPS);
    let first = number("TRANCHE_BIT_FLIPS_FIRST").unwrap_or(0);
    let kinds = &healthy().kinds;
    let next = AtomicUsize::new(first);
    let work = || {
        let mut found = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + flips {
                return found;
            }
            flip(seed, kinds, &mut found);
        }
    };
    let found: Vec<(String, Told)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut counts = BTreeMap::<(&str, Told), usize>::new();
    for (kind, told) in &found {
        *counts.entry((kind, *told)).or_default() += 1;
    }
    eprintln!("{counts:#?}");
    assert_eq!(found.len(), flips);
}
