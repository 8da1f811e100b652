//! The demo shop, made small, and all that its lake holds: to compare two lakes.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use tranche_tests::Sandbox;

/// The demo as `init` writes it, with customers enough for each of its segments and a wrong row more in two of its sources.
pub(crate) fn whole_shop() -> Sandbox {
    shop_of("400")
}

fn shop_of(customers: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let _ = sandbox.run(&["init", ".", "--customers", customers]).expect_code(0);
    let add = |file: &str, text: &str| {
        let content = std::fs::read_to_string(sandbox.path().join(file)).unwrap();
        sandbox.write(file, content + text);
    };
    add("data/orders/2026-08.csv", "o9999999;c00001;2026-08-31T12:00:00Z;dear\n");
    add("data/web_events/2026-08.ndjson", "{\"event_id\": \n");
    sandbox
}

/// The shop with four months of events, and a little of everything to compute.
pub(crate) fn shop() -> Sandbox {
    let sandbox = shop_of("100");
    for folder in ["orders", "web_events", "sends"] {
        for entry in std::fs::read_dir(sandbox.path().join("data").join(folder)).unwrap().flatten() {
            if entry.file_name().to_string_lossy().as_ref() < "2026-07" {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    sandbox.write("pipelines/shop/reports/monthly.yaml", REPORT);
    sandbox.write("pipelines/shop/experiments/winback.yaml", EXPERIMENT);
    sandbox
}

const REPORT: &str = "version: 1
report: monthly
period: month
segments: [all, lifecycle/*]
kpis: [{metric: revenue}, {metric: conversion}]
";

const EXPERIMENT: &str = "version: 1
experiment: winback
entity: customer
exposure: {table: sends, where: \"campaign = 'winback'\", variant: arm, at: sent_at}
variants: {control: 0.5, reminder: 0.5}
control: control
period: {from: 2026-09-01, to: 2026-10-01}
conversion_window: 14 days
metrics: {goal: [conversion], secondary: [revenue]}
segments: [lifecycle/*]
";

/// Every table of the demo, without what must differ between runs: their ids, and instants of the wall clock.
const TABLES: [&str; 14] = [
    "SELECT * FROM customers",
    "SELECT * FROM orders",
    "SELECT * FROM web_events",
    "SELECT * FROM sends",
    "SELECT * FROM survey",
    "SELECT * FROM complaints",
    "SELECT * FROM traits",
    "SELECT * FROM memberships",
    "SELECT * EXCLUDE (publication, follows) FROM segment_history",
    "SELECT * FROM estimates",
    "SELECT * FROM kpis",
    "SELECT source, substr(file, strpos(file, 'data/')), \"row\", \"column\", reason, raw FROM quarantine_orders",
    "SELECT source, substr(file, strpos(file, 'data/')), \"row\", \"column\", reason, raw FROM quarantine_web_events",
    "SELECT as_of, source, \"table\", substr(file, strpos(file, 'data/')), bytes, rows, rejected, duplicates FROM loads",
];

/// The lines of each table, sorted.
#[derive(Debug)]
pub(crate) struct Contents(Vec<Vec<String>>);

/// The content of the lake of a project with the demo's tables.
pub(crate) fn contents(sandbox: &Sandbox) -> Contents {
    let lines = |query: &&str| {
        let ran = sandbox.run(&["--format", "csv", "sql", query, "--as-of", "2026-11-01"]).expect_code(0);
        let mut lines: Vec<String> = ran.stdout.lines().map(rounded).collect();
        lines.sort_unstable();
        lines
    };
    Contents(TABLES.iter().map(lines).collect())
}

impl Contents {
    /// That both are the same; says what differs of the tables that do not.
    pub(crate) fn assert_same(&self, expected: &Self, after: &str) {
        let only = |these: &[String], others: &[String]| -> Vec<String> {
            these.iter().filter(|line| others.binary_search(line).is_err()).take(5).cloned().collect()
        };
        let mut problems = Vec::new();
        for ((query, found), expected) in TABLES.iter().zip(&self.0).zip(&expected.0) {
            if found != expected {
                let (surplus, lack) = (only(found, expected), only(expected, found));
                let sizes = (found.len(), expected.len());
                problems.push(format!("{query}: {sizes:?} lines; surplus {surplus:#?}, lack {lack:#?}"));
            }
        }
        assert!(problems.is_empty(), "{after}: {}", problems.join("\n"));
    }

    /// That every table has rows, so that comparing them means something.
    pub(crate) fn assert_not_empty(&self) {
        for (query, lines) in TABLES.iter().zip(&self.0) {
            assert!(lines.len() > 1, "no rows: {query}");
        }
    }
}

/// A text whose fractions have ten digits: the last ones of a sum depend on the order of its parts.
pub(crate) fn rounded(text: &str) -> String {
    let number = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let mut rest = text;
    let mut out = String::new();
    while let Some(first) = rest.chars().next() {
        let end = match number(first) {
            true => rest.find(|c| !number(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        match token.parse::<f64>() {
            Ok(value) if token.contains('.') && value.abs() < 1e-12 => out.push('0'),
            Ok(value) if token.contains('.') => out.push_str(&format!("{value:.9e}")),
            _ => out.push_str(token),
        }
        rest = after;
    }
    out
}
