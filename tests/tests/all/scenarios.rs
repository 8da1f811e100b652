//! Whole pipelines on real data: sizes and histories against published figures and an independent engine.

#![expect(clippy::unwrap_used, reason = "a test that finds something else than it should panics")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tranche_tests::{Sandbox, real_data, scenarios};

/// Size, entered, exited and unmatched of a segment.
type Counts = [i64; 4];

const JOURNEY: [&str; 4] = ["2017-05-01", "2017-08-01", "2017-12-01", "2018-01-01"];

#[test]
fn rfm() {
    let Some(sandbox) = started("rfm", "rfm") else { return };
    run(&sandbox, "crm", "2007-01-01");
    let customers = segments(&sandbox).into_iter().map(|(name, counts)| (name, counts[0]));
    let query = "SELECT segment, count(*) AS orders, CAST(sum(revenue) AS BIGINT) AS revenue, sum(revenue) % 1 AS cents \
                 FROM memberships JOIN orders USING (customer_id) WHERE exited_at IS NULL GROUP BY segment";
    let sums = sql(&sandbox, query);
    let found: Vec<(String, i64, i64, i64)> = customers
        .map(|(name, customers)| {
            let row = sums.iter().find(|row| row["segment"] == name.as_str()).unwrap();
            assert_eq!(row["cents"].as_f64(), Some(0.0), "{name}");
            (name, customers, row["orders"].as_i64().unwrap(), row["revenue"].as_i64().unwrap())
        })
        .collect();
    let expected = [
        ("rfm/About To Sleep", 102, 283, 23_449),
        ("rfm/At Risk", 28, 216, 22_227),
        ("rfm/Can't Lose Them", 47, 274, 32_446),
        ("rfm/Champions", 35, 316, 31_646),
        ("rfm/Lost", 148, 393, 35_324),
        ("rfm/Loyal Customers", 170, 799, 76_562),
        ("rfm/Need Attention", 10, 57, 4_562),
        ("rfm/New Customers", 104, 329, 28_837),
        ("rfm/Potential Loyalist", 342, 2_211, 204_856),
        ("rfm/Promising", 9, 28, 4_249),
    ];
    assert_eq!(
        found,
        expected.map(|(name, customers, orders, revenue)| (name.to_owned(), customers, orders, revenue))
    );
    assert_eq!(members(&sandbox, "rfm/Can't Lose Them", "customer_id").len(), 47);
}

#[test]
fn complete_journey_agrees_with_another_engine() {
    let test = "complete_journey_agrees_with_another_engine";
    let Some(data) = real_data(test) else { return };
    let Some(oracle) = oracle(test, &data) else { return };
    let sandbox = Sandbox::scenario("complete_journey", Some(&data));
    for as_of in JOURNEY {
        run(&sandbox, "grocer", as_of);
        let ours = segments(&sandbox);
        let theirs = &oracle[as_of];
        let names: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
        assert!(names.len() > 80, "the oracle and the project have some forty segments each: {names:?}");
        for name in names {
            let counts = |of: &BTreeMap<String, Counts>| of.get(name).copied().unwrap_or_default();
            assert_eq!(
                counts(&ours),
                counts(theirs),
                "size, entered, exited, unmatched of {name} at {as_of}"
            );
        }
    }
}

#[test]
fn complete_journey_has_the_published_figures() {
    let Some(sandbox) = started("complete_journey", "complete_journey_has_the_published_figures") else {
        return;
    };
    run(&sandbox, "grocer", "2018-01-01");
    assert_eq!(segments(&sandbox)["buyers"], [801, 801, 0, 1668]);
    let query = "SELECT CAST(sum(sales_value) AS VARCHAR) AS sales, count(DISTINCT household_id) AS households FROM baskets";
    let rows = sql(&sandbox, query);
    assert_eq!(rows[0]["households"], 2469);
    assert_eq!(rows[0]["sales"], "4596039.58");
}

#[test]
fn a_second_run_at_the_same_instant_changes_nothing() {
    let Some(sandbox) = started("complete_journey", "a_second_run_at_the_same_instant_changes_nothing")
    else {
        return;
    };
    run(&sandbox, "grocer", JOURNEY[0]);
    run(&sandbox, "grocer", JOURNEY[1]);
    let first = lake(&sandbox);
    let again = run(&sandbox, "grocer", JOURNEY[1]);
    assert_eq!(again["steps"][0]["rows_read"], 0, "{again}");
    assert_eq!(again["steps"][0]["rows_written"], 0, "{again}");
    let files =
        again["steps"][0]["detail"]["sources"].as_array().unwrap().iter().map(|source| &source["files"]);
    assert!(
        files.clone().count() == 6 && files.clone().all(|count| *count == 0),
        "files were loaded again: {again}"
    );
    assert!(lake(&sandbox) == first, "the lake is another after a second run");
}

#[test]
fn an_earlier_instant_takes_its_place_and_full_discards_what_came_after() {
    let test = "an_earlier_instant_takes_its_place_and_full_discards_what_came_after";
    let Some(sandbox) = started("complete_journey", test) else { return };
    run(&sandbox, "grocer", JOURNEY[2]);
    run(&sandbox, "grocer", JOURNEY[1]);
    let Some(in_order) = started("complete_journey", test) else { return };
    run(&in_order, "grocer", JOURNEY[1]);
    run(&in_order, "grocer", JOURNEY[2]);
    assert!(lake(&sandbox) == lake(&in_order), "the order of two instants shows");

    let _ = sandbox.run(&["run", "grocer", "--as-of", JOURNEY[1], "--full"]).expect_code(0);
    let rebuilt = lake(&sandbox);
    let Some(fresh) = started("complete_journey", test) else { return };
    run(&fresh, "grocer", JOURNEY[1]);
    assert!(rebuilt == lake(&fresh), "a rebuilt lake is not what a fresh one is");

    run(&sandbox, "grocer", JOURNEY[2]);
    run(&fresh, "grocer", JOURNEY[2]);
    assert!(lake(&sandbox) == lake(&fresh), "history continues differently after a rebuild");
}

#[test]
fn a_rebuild_keeps_the_history_before_it() {
    let Some(sandbox) = started("complete_journey", "a_rebuild_keeps_the_history_before_it") else { return };
    run(&sandbox, "grocer", JOURNEY[0]);
    run(&sandbox, "grocer", JOURNEY[1]);
    let then = lake(&sandbox);
    run(&sandbox, "grocer", JOURNEY[2]);
    let _ = sandbox.run(&["run", "grocer", "--as-of", JOURNEY[1], "--full"]).expect_code(0);
    assert!(lake(&sandbox) == then, "going back and rebuilding gives another history");
}

#[test]
fn documents_have_the_keys_of_the_contract() {
    let Some(sandbox) = started("complete_journey", "documents_have_the_keys_of_the_contract") else {
        return;
    };
    let done = run(&sandbox, "grocer", JOURNEY[0]);
    keys(&done, &["as_of", "pipeline", "run_id", "status", "steps"]);
    assert_eq!((&done["pipeline"], &done["status"]), (&"grocer".into(), &"done".into()));
    for step in done["steps"].as_array().unwrap() {
        keys(step, &["detail", "id", "rows_read", "rows_written", "seconds", "status"]);
    }
    let runs = sandbox.run(&["runs", "--format", "json"]).expect_code(0).json();
    assert_eq!(runs.as_array().unwrap().len(), 1);
    keys(&runs[0], &["as_of", "ended_at", "pipeline", "run_id", "slot", "started_at", "status"]);
    assert_eq!(
        (&runs[0]["run_id"], &runs[0]["slot"], &runs[0]["status"]),
        (&done["run_id"], &Value::Null, &"done".into())
    );
    let listed = sandbox.run(&["segment", "list", "--format", "json"]).expect_code(0).json();
    for segment in listed.as_array().unwrap() {
        keys(segment, &["as_of", "entered", "entity", "exited", "segment", "size", "unmatched"]);
    }
    let sizes = segments(&sandbox);
    for (segment, key) in
        [("top_100", "household_id"), ("lifecycle/active", "household_id"), ("running", "campaign_id")]
    {
        let members = members(&sandbox, segment, key);
        assert!(
            members.iter().all(|member| member.parse::<i64>().is_ok()),
            "{segment} has members that are no keys"
        );
        assert_eq!(i64::try_from(members.len()).unwrap(), sizes[segment][0], "members of {segment}");
    }
}

#[test]
fn decimals_are_printed_with_every_digit() {
    let sandbox = Sandbox::scenario("rfm", None);
    let query = "SELECT CAST('12345678901234567890.12' AS DECIMAL(38, 2)) AS amount";
    for format in ["table", "csv", "json"] {
        let printed = sandbox.run(&["sql", query, "--format", format]).expect_code(0).stdout;
        assert!(printed.contains("12345678901234567890.12"), "as {format}: {printed}");
    }
}

/// A scenario's project with the real data; `None`, said aloud, without them.
fn started(scenario: &str, test: &str) -> Option<Sandbox> {
    real_data(test).map(|data| Sandbox::scenario(scenario, Some(&data)))
}

/// The result of `run`, which must succeed.
fn run(sandbox: &Sandbox, pipeline: &str, as_of: &str) -> Value {
    sandbox.run(&["run", pipeline, "--as-of", as_of, "--format", "json"]).expect_code(0).json()
}

/// What `segment list` says, by name.
fn segments(sandbox: &Sandbox) -> BTreeMap<String, Counts> {
    let listed = sandbox.run(&["segment", "list", "--format", "json"]).expect_code(0).json();
    let rows = listed.as_array().unwrap().iter();
    rows.map(|row| (row["segment"].as_str().unwrap().to_owned(), counts(row))).collect()
}

fn counts(row: &Value) -> Counts {
    ["size", "entered", "exited", "unmatched"]
        .map(|key| row[key].as_i64().unwrap_or_else(|| panic!("no {key}: {row}")))
}

fn sql(sandbox: &Sandbox, query: &str) -> Vec<Value> {
    sandbox.run(&["sql", query, "--format", "json"]).expect_code(0).json().as_array().unwrap().clone()
}

/// All that the refreshes published: the list, memberships, traits and history of segments, without the order of rows.
fn lake(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let list = sandbox.run(&["segment", "list", "--format", "json"]).expect_code(0).json();
    let tables = ["memberships_household", "memberships_campaign", "traits_household"];
    let queries = tables.map(|table| sql(sandbox, &format!("SELECT * FROM {table}")));
    let history =
        sql(sandbox, "SELECT as_of, segment, size, entered, exited, unmatched FROM segment_history");
    let lines = |rows: &Vec<Value>| {
        let mut lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        lines.sort();
        lines
    };
    let mut all: Vec<Vec<String>> = queries.iter().chain([&history]).map(lines).collect();
    all.push(lines(list.as_array().unwrap()));
    assert!(all.iter().all(|lines| !lines.is_empty()));
    all
}

/// The keys that `segment members` prints below its header `key`.
fn members(sandbox: &Sandbox, segment: &str, key: &str) -> Vec<String> {
    let printed = sandbox.run(&["segment", "members", segment, "--format", "csv"]).expect_code(0).stdout;
    let mut lines = printed.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some(key), "header of {segment}");
    lines.collect()
}

fn keys(document: &Value, expected: &[&str]) {
    let mut found: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{document}");
}

/// What another engine finds in the raw files, by instant and segment; `None`, said aloud, when it is not installed.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn oracle(test: &str, data: &Path) -> Option<BTreeMap<String, BTreeMap<String, Counts>>> {
    let there = Command::new("python3")
        .args(["-c", "import duckdb"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped {test}: it needs python3 with its module duckdb");
        return None;
    }
    let mut command = Command::new("python3");
    command.arg(scenarios().join("complete_journey/oracle.py")).arg("--data").arg(data);
    let output = command.args(JOURNEY.iter().flat_map(|as_of| ["--as-of", as_of])).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_slice(&output.stdout).unwrap();
    let of_instant = |segments: BTreeMap<String, Value>| {
        segments.into_iter().map(|(name, row)| (name, counts(&row))).collect()
    };
    Some(found.into_iter().map(|(as_of, segments)| (as_of, of_instant(segments))).collect())
}
