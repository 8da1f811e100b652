//! `layers`: crates depend only on the floors below them.
//!
//! [`FLOORS`] is the table of docs/architecture.md; cargo says what the crates really use, for tests and builds too.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Outcome;
use crate::process::{cargo, output};

struct Floor {
    krate: &'static str,
    floor: u8,
    may_use: &'static str,
}

const ALL: &str = "experiment report segment metric incremental ingest observe pipeline sql store scorecard stats project schema faults";
const MEASURED: &str = "metric segment scorecard stats sql store project schema";

const FLOORS: &[Floor] = &[
    Floor { krate: "cli", floor: 11, may_use: "daemon workspace demo" },
    Floor { krate: "daemon", floor: 9, may_use: "workspace observe pipeline" },
    Floor { krate: "workspace", floor: 8, may_use: ALL },
    Floor {
        krate: "experiment",
        floor: 6,
        may_use: "metric segment incremental scorecard stats sql store project schema",
    },
    Floor { krate: "report", floor: 6, may_use: MEASURED },
    Floor { krate: "segment", floor: 5, may_use: "incremental sql store project schema faults" },
    Floor { krate: "metric", floor: 5, may_use: "incremental sql store project schema" },
    Floor { krate: "incremental", floor: 4, may_use: "sql store schema faults" },
    Floor { krate: "ingest", floor: 4, may_use: "sql store project schema" },
    Floor { krate: "observe", floor: 4, may_use: "pipeline store project" },
    Floor { krate: "sql", floor: 3, may_use: "store project schema" },
    Floor { krate: "pipeline", floor: 3, may_use: "store project" },
    Floor { krate: "store", floor: 2, may_use: "schema faults" },
    Floor { krate: "scorecard", floor: 1, may_use: "" },
    Floor { krate: "schema", floor: 1, may_use: "" },
    Floor { krate: "project", floor: 1, may_use: "" },
    Floor { krate: "stats", floor: 1, may_use: "" },
    Floor { krate: "demo", floor: 1, may_use: "" },
    // For tests alone.
    Floor { krate: "faults", floor: 1, may_use: "" },
];

impl Floor {
    fn allows(&self, krate: &str) -> bool {
        self.may_use.split(' ').any(|allowed| allowed == krate)
    }
}

/// One crate of the workspace naming another in its Cargo.toml.
#[derive(Debug, PartialEq)]
struct Edge {
    from: String,
    to: String,
}

/// Fails on any dependency between our crates that the table does not allow.
pub(crate) fn check() -> Outcome {
    let text = output(&mut cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]))?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|problem| format!("cannot read cargo metadata: {problem}"))?;
    let edges = edges(&metadata);
    let violations = violations(&edges);
    if violations.is_empty() {
        println!("{} dependencies between our crates, all downward", edges.len());
        return Ok(());
    }
    Err(format!("crates use what they may not:\n  {}", violations.join("\n  ")))
}

/// The dependencies of the packages in `crates/` on packages of the workspace, whatever their kind.
fn edges(metadata: &Value) -> Vec<Edge> {
    let packages = || metadata["packages"].as_array().into_iter().flatten();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let members: BTreeSet<String> = packages().map(name).collect();
    let in_crates = |package: &&Value| {
        let manifest = package["manifest_path"].as_str().unwrap_or_default().replace('\\', "/");
        manifest.rsplit('/').nth(2) == Some("crates")
    };
    let mut edges = Vec::new();
    for package in packages().filter(in_crates) {
        let used: BTreeSet<String> =
            package["dependencies"].as_array().into_iter().flatten().map(name).collect();
        edges.extend(
            used.intersection(&members).map(|used| Edge { from: folder(&name(package)), to: folder(used) }),
        );
    }
    edges
}

fn folder(package: &str) -> String {
    package.strip_prefix("tranche-").unwrap_or(package).to_owned()
}

/// One sentence for each edge that the table does not allow.
fn violations(edges: &[Edge]) -> Vec<String> {
    edges.iter().filter_map(violation).collect()
}

fn violation(Edge { from, to }: &Edge) -> Option<String> {
    let stranger =
        |krate: &str| format!("`{krate}` has no floor: give it one in xtask/src/layers.rs ({from} -> {to})");
    let place = |krate: &str| FLOORS.iter().find(|floor| floor.krate == krate).ok_or_else(|| stranger(krate));
    match (place(from), place(to)) {
        (Err(problem), _) | (_, Err(problem)) => Some(problem),
        (Ok(upper), Ok(_)) if upper.allows(to) => None,
        (Ok(upper), Ok(lower)) => {
            let may = if upper.may_use.is_empty() {
                "nothing".to_owned()
            } else {
                upper.may_use.replace(' ', ", ")
            };
            Some(format!(
                "{from} -> {to}: `{from}` (floor {}) may use {may}; `{to}` is on floor {}",
                upper.floor, lower.floor
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(edges: &[(&str, &str)], expected: &[&str]) {
        let edges: Vec<Edge> =
            edges.iter().map(|(from, to)| Edge { from: (*from).into(), to: (*to).into() }).collect();
        assert_eq!(violations(&edges), expected);
    }

    #[test]
    fn downward_edges_pass() {
        check(
            &[
                ("cli", "workspace"),
                ("report", "segment"),
                ("segment", "sql"),
                ("sql", "store"),
                ("store", "schema"),
            ],
            &[],
        );
    }

    #[test]
    fn upward_sideways_and_forbidden_edges_fail() {
        check(
            &[
                ("store", "schema"),
                ("store", "sql"),
                ("report", "experiment"),
                ("pipeline", "schema"),
                ("stats", "schema"),
            ],
            &[
                "store -> sql: `store` (floor 2) may use schema, faults; `sql` is on floor 3",
                "report -> experiment: `report` (floor 6) may use metric, segment, scorecard, stats, sql, store, project, schema; \
                 `experiment` is on floor 6",
                "pipeline -> schema: `pipeline` (floor 3) may use store, project; `schema` is on floor 1",
                "stats -> schema: `stats` (floor 1) may use nothing; `schema` is on floor 1",
            ],
        );
    }

    #[test]
    fn a_crate_without_a_floor_fails() {
        check(
            &[("sql", "xtask")],
            &["`xtask` has no floor: give it one in xtask/src/layers.rs (sql -> xtask)"],
        );
        check(
            &[("server", "sql")],
            &["`server` has no floor: give it one in xtask/src/layers.rs (server -> sql)"],
        );
    }

    #[test]
    fn the_table_itself_only_looks_down() {
        let floor_of =
            |krate: &str| FLOORS.iter().find(|floor| floor.krate == krate).map(|floor| floor.floor);
        for upper in FLOORS {
            for used in upper.may_use.split_terminator(' ') {
                assert!(floor_of(used).is_some_and(|lower| lower < upper.floor), "{} -> {used}", upper.krate);
            }
        }
    }

    #[test]
    fn edges_are_read_for_every_kind_and_only_from_crates() {
        let metadata = serde_json::json!({"packages": [
            {"name": "tranche-sql", "manifest_path": "/p/crates/sql/Cargo.toml", "dependencies": [
                {"name": "tranche-store", "kind": null}, {"name": "arrow", "kind": null},
                {"name": "tranche-stats", "kind": "dev"}, {"name": "tranche-store", "kind": "build"}]},
            {"name": "tranche-store", "manifest_path": "/p/crates/store/Cargo.toml", "dependencies": []},
            {"name": "tranche-stats", "manifest_path": "/p/crates/stats/Cargo.toml", "dependencies": []},
            {"name": "tranche-tests", "manifest_path": "/p/tests/Cargo.toml", "dependencies": [{"name": "tranche-sql", "kind": null}]},
        ]});
        let edge = |to: &str| Edge { from: "sql".into(), to: to.into() };
        assert_eq!(edges(&metadata), [edge("stats"), edge("store")]);
    }
}
