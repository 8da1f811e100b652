//! Where a project lies and what surrounds it: names with any characters, names that are too long, state that cannot be written, and
//! what lies where files should be.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use tranche_tests::Ran;

use crate::s3_server::{S3Server, SECRET_KEY, point_at};
use crate::small_project::{SmallProject, csv, order, orders_with};

const PIPELINE: &str = "version: 1
pipeline: shop
steps:
  - {id: load, ingest: all}
  - {id: refresh, refresh: all, needs: [load]}
";
const BUYERS: &str = "/*---
segment: buyers
entity: customer
---*/
SELECT customer_id FROM orders GROUP BY customer_id HAVING sum(amount) >= 1
";

/// A shop with a segment, and 200 orders in a file.
fn shop(file: &str) -> SmallProject {
    let shop = SmallProject::new("format: csv\npath: data/orders/*.csv");
    shop.sandbox.write("pipelines/shop/pipeline.yaml", PIPELINE);
    shop.sandbox.write("pipelines/shop/segments/buyers.sql", BUYERS);
    shop.write(file, csv(&orders_with(200, &[(7, "o007,c1,2026-05-08T10:00:00Z,7.50,many,,,,")])));
    shop
}

impl SmallProject {
    fn run_as_of(&self, day: &str) -> Ran {
        self.tranche(&["run", "shop", "--as-of", day])
    }

    /// That `check` and `run` refuse the project for this reason, each in no time.
    fn refused(&self, reason: &str) {
        for arguments in [&["check"][..], &["run", "shop", "--as-of", "2026-06-01"]] {
            let refused = self.tranche(arguments).expect_code(2);
            assert!(refused.stderr.contains(reason), "{reason}: {}", refused.stderr);
        }
    }
}

/// Characters that mean something to patterns, to URLs, to shells and to storage.
const NAMES: [&str; 6] = ["[a] {b}", "{", "50% a%20b %", "#1", "why? * ~", "ö 'q' \"\\^`|<>&;"];

#[test]
fn project_lake_and_raw_files_may_have_any_name() {
    for name in NAMES {
        let shop = shop(&format!("{name}.csv"));
        let folder = shop.sandbox.path().join("projects").join(name);
        fs::create_dir_all(&folder).unwrap();
        for entry in ["tranche.yaml", "schemas", "pipelines", "data"] {
            fs::rename(shop.sandbox.path().join(entry), folder.join(entry)).unwrap();
        }
        let lake = serde_json::to_string(&format!("lakes/{name}")).unwrap();
        fs::write(folder.join("tranche.yaml"), format!("version: 1\nlake: {lake}\n")).unwrap();
        let project = format!("projects/{name}");
        let tranche = |arguments: &[&str]| {
            shop.tranche(&[&["--project", &project, "--format", "json"], arguments].concat()).expect_code(0)
        };
        for command in [&["check"][..], &["run", "shop", "--as-of", "2026-06-01"], &["doctor"], &["runs"]] {
            tranche(command);
        }
        // The night after knows the file.
        tranche(&["run", "shop", "--as-of", "2026-06-02"]);
        let answer = |query: &str| tranche(&["sql", query]).json();
        let counted =
            answer("SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM loads) AS loads");
        assert_eq!(counted[0], serde_json::json!({"orders": 199, "loads": 2}), "{name}");
        let file = answer("SELECT file FROM quarantine_orders")[0]["file"].as_str().unwrap().to_owned();
        assert_eq!(file, format!("data/orders/{name}.csv"));
        assert!(tranche(&["quarantine", "list"]).json()[0].to_string().contains("many"));
        assert_eq!(tranche(&["segment", "list"]).json()[0]["size"], 3, "{name}");
        assert!(folder.join("lakes").join(name).join("memberships/customer").is_dir(), "{name}");
        let url = String::from("file://") + &encoded(folder.join("lakes").join(name).to_str().unwrap());
        assert_eq!(tranche(&["--lake", &url, "segment", "list"]).json()[0]["size"], 3, "{url}");
    }
}

/// A path as a URL has it.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[test]
fn what_a_pattern_means_literally_stands_behind_a_backslash() {
    let shop = shop("[2026] {new}/a.csv");
    let load = |path: &str| {
        shop.redefine(&format!("format: csv\npath: '{path}'"));
        shop.run_as_of("2026-06-01")
    };
    let refused = load("data/orders/[2026] {new}/*.csv").expect_code(1);
    assert!(
        refused.stderr.contains(r"a bracket that is part of a name stands behind `\`"),
        "{}",
        refused.stderr
    );
    let _ = load(r"data/orders/\[2026\] \{new\}/*.csv").expect_code(0);
    let loads = ["SELECT count(*) FROM loads WHERE source = 'orders'"];
    assert_eq!(shop.lines(loads[0]), ["1"]);
    // The same file by its URL.
    let url =
        format!("file://{}/%5B2026%5D%20%7Bnew%7D/?.csv", shop.sandbox.path().join("data/orders").display());
    let _ = load(&url).expect_code(0);
    assert_eq!(shop.lines(loads[0]), ["1"]);
    shop.redefine("format: csv\npath: data/orders/{new/*.csv");
    shop.refused("pipelines/shop/sources/orders.yaml:5:7: `data/orders/{new/*.csv` is not a path pattern");
}

#[test]
fn a_refresh_succeeds_where_its_state_cannot_be_saved() {
    let (shop, other) = (shop("a.csv"), shop("a.csv"));
    shop.sandbox.write("lake/_state", "no folder");
    for (day, n) in [("2026-06-01", 201), ("2026-06-02", 202)] {
        for place in [&shop, &other] {
            place.write(&format!("{n}.csv"), csv(&[order(n)]));
            let ran = place.run_as_of(day).expect_code(0);
            let is_told = ran.stderr.contains("state could not be saved; results are complete");
            assert_eq!(is_told, std::ptr::eq(place, &shop), "{}", ran.stderr);
        }
        let members = "SELECT * FROM memberships ORDER BY 1, 2, 3";
        assert_eq!(shop.lines(members), other.lines(members));
    }
    let _ = shop.tranche(&["doctor"]).expect_code(0);
}

#[test]
fn a_definition_that_cannot_be_read_is_told_where_it_lies() {
    type Spoil = fn(&std::path::Path);
    let pipe: Spoil = |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let folder: Spoil = |path| fs::create_dir(path).unwrap();
    let circle: Spoil = |path| symlink(path.file_name().unwrap(), path).unwrap();
    let latin: Spoil = |path| {
        let before = fs::read(path).unwrap_or_default();
        fs::write(path, [&before[..], b"\n# \xfc"].concat()).unwrap();
    };
    for (path, spoil, reason) in [
        ("schemas/more.yaml", pipe, "schemas/more.yaml:1:1: this is a pipe, a socket or a device"),
        (
            "pipelines/shop/segments/more.sql",
            pipe,
            "segments/more.sql:1:1: this is a pipe, a socket or a device",
        ),
        ("pipelines/shop/sources/more.yaml", folder, "sources/more.yaml:1:1: this is a folder"),
        (
            "pipelines/shop/metrics",
            circle,
            "pipelines/shop/metrics:1:1: this symbolic link cannot be followed",
        ),
        ("pipelines/shop/segments/more.sql", circle, "more.sql:1:1: this symbolic link cannot be followed"),
        ("tranche.yaml", latin, "tranche.yaml:4:3: the byte 0xFC is not UTF-8 (in Latin-1 it is `ü`)"),
        ("schemas/orders.yaml", latin, "schemas/orders.yaml:18:3: the byte 0xFC is not UTF-8"),
        ("pipelines/shop/segments/buyers.sql", latin, "segments/buyers.sql:7:3: the byte 0xFC is not UTF-8"),
        (
            "pipelines/shop/pipeline.yaml",
            latin,
            "pipelines/shop/pipeline.yaml:7:3: the byte 0xFC is not UTF-8",
        ),
    ] {
        let shop = shop("a.csv");
        spoil(&shop.sandbox.path().join(path));
        shop.refused(reason);
        assert!(!shop.sandbox.path().join("lake").exists(), "{path}");
        // Nobody knows where the lake is: the default would be another one.
        if path == "tranche.yaml" {
            let refused = shop.tranche(&["segment", "list"]).expect_code(2);
            assert!(refused.stderr.contains(reason), "{}", refused.stderr);
        }
    }
}

#[test]
fn links_in_circles_and_pipes_among_raw_files_are_no_raw_files() {
    let shop = shop("deep/a.csv");
    let folder = shop.sandbox.path().join("data/orders");
    symlink(".", folder.join("deep/again")).unwrap();
    symlink("..", folder.join("deep/up")).unwrap();
    symlink("circle.csv", folder.join("circle.csv")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("pipe.csv")).status().unwrap().success());
    shop.redefine("format: csv\npath: data/orders/**/*.csv");
    let _ = shop.run_as_of("2026-06-01").expect_code(0);
    assert_eq!(shop.lines("SELECT file FROM loads WHERE source = 'orders'"), ["data/orders/deep/a.csv"]);
    shop.redefine("format: csv\npath: data/orders/pipe.csv");
    let refused = shop.run_as_of("2026-06-01").expect_code(1);
    assert!(refused.stderr.contains("no file matches `data/orders/pipe.csv`"), "{}", refused.stderr);
}

/// A shop whose table, entity, source, step and segment have names as long as this.
fn shop_of_long_names(length: usize) -> SmallProject {
    let shop = shop("a.csv");
    let name = |letter: &str| letter.repeat(length);
    let (table, entity, source, step, segment) = (name("t"), name("e"), name("q"), name("s"), name("m"));
    for (path, from, to) in [
        ("schemas/orders.yaml", "table: orders", format!("table: {table}")),
        ("schemas/orders.yaml", "{customer:", format!("{{{entity}:")),
        ("schemas/customers.yaml", "entity: customer\n", format!("entity: {entity}\n")),
        ("pipelines/shop/sources/orders.yaml", "source: orders", format!("source: {source}")),
        ("pipelines/shop/sources/orders.yaml", "into: orders", format!("into: {table}")),
        ("pipelines/shop/pipeline.yaml", "id: load", format!("id: {step}")),
        ("pipelines/shop/pipeline.yaml", "needs: [load]", format!("needs: [{step}]")),
        ("pipelines/shop/segments/buyers.sql", "segment: buyers", format!("segment: {segment}")),
        ("pipelines/shop/segments/buyers.sql", "entity: customer", format!("entity: {entity}")),
        ("pipelines/shop/segments/buyers.sql", "FROM orders", format!("FROM {table}")),
    ] {
        shop.sandbox.amend(path, from, &to);
    }
    shop
}

#[test]
fn a_name_that_no_folder_can_have_is_told_before_the_night() {
    let shop = shop_of_long_names(128);
    for day in ["2026-06-01", "2026-06-02"] {
        let _ = shop.run_as_of(day).expect_code(0);
    }
    let _ = shop.tranche(&["doctor"]).expect_code(0);
    let longer = shop_of_long_names(300);
    for reason in ["table", "entity", "source", "step", "segment"] {
        longer.refused(&format!(
            "this {reason} name has 300 characters, and names have at most 128; shorten it"
        ));
    }
}

#[test]
fn a_lake_and_raw_files_in_a_bucket_may_have_any_name() {
    let server = S3Server::start(&["raw", "lake"]);
    let mut shop = shop("[1] 50%20 ö #?.csv");
    server.upload(&shop.sandbox.path().join("data/orders"), "raw");
    point_at(&mut shop.sandbox, server.address(), SECRET_KEY);
    shop.sandbox.set("TRANCHE_LAKE", "s3://lake/[x] {y}/50%20 ö #?");
    shop.redefine("format: csv\npath: s3://raw/*.csv");
    for day in ["2026-06-01", "2026-06-02"] {
        let _ = shop.run_as_of(day).expect_code(0);
    }
    let file = "s3://raw/[1] 50%20 ö #?.csv";
    assert_eq!(shop.lines("SELECT file FROM loads WHERE source = 'orders'"), [file]);
    assert_eq!(shop.lines("SELECT count(*) FROM orders"), ["199"]);
    assert!(server.bucket("lake").join("[x] {y}/50%20 ö #?/memberships/customer").is_dir());
    let _ = shop.tranche(&["doctor"]).expect_code(0);
}
