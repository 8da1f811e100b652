//! All that a lake of the demo holds, for telling whether two lakes hold the same.

use tranche_tests::Sandbox;

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
    "SELECT * FROM segment_history",
    "SELECT * FROM estimates",
    "SELECT * FROM kpis",
    "SELECT source, substr(file, strpos(file, 'data/')), \"row\", \"column\", reason, raw FROM quarantine_orders",
    "SELECT source, substr(file, strpos(file, 'data/')), \"row\", \"column\", reason, raw FROM quarantine_web_events",
    "SELECT as_of, source, \"table\", substr(file, strpos(file, 'data/')), bytes, rows, rejected, duplicates FROM loads",
];

/// The lines of each table, sorted.
#[derive(Debug)]
pub(crate) struct Contents(Vec<Vec<String>>);

/// What is in the lake of a project with the demo's tables.
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

    /// That every table has rows, so that comparing them tells something.
    pub(crate) fn assert_not_empty(&self) {
        for (query, lines) in TABLES.iter().zip(&self.0) {
            assert!(lines.len() > 1, "no rows: {query}");
        }
    }
}

/// A line whose fractions have ten digits: the last ones of a sum depend on the order of its parts.
fn rounded(line: &str) -> String {
    let number = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let mut rest = line;
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
