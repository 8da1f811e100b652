//! The code map of the architecture page is what `cargo xtask layers` checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use tranche_tests::root;

use super::markdown::Document;

/// The floor of a crate, and the crates that it may use.
type Row = (String, BTreeSet<String>);

#[test]
fn the_code_map_is_that_of_the_layers() {
    let text = fs::read_to_string(root().join("xtask/src/layers.rs")).unwrap_or_default();
    let (table, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
    let checked = floors(table);
    let shown: BTreeMap<String, Row> = rows(&Document::read("docs/architecture.md"));
    assert!(checked.len() > 10, "{checked:?}");
    for (name, row) in &checked {
        assert_eq!(shown.get(name), Some(row), "`{name}` in docs/architecture.md, as in xtask/src/layers.rs");
    }
    let surplus: Vec<&String> = shown.keys().filter(|name| !checked.contains_key(*name)).collect();
    assert!(surplus.is_empty(), "there are no such crates: {surplus:?}");
}

/// The rows of the page's table; `all below` are all crates on lower floors.
fn rows(page: &Document) -> BTreeMap<String, Row> {
    let cells = page.rows("floor");
    let floor_of = |cells: &[String]| cells[0].parse::<u8>().unwrap_or(u8::MAX);
    let below = |floor: u8| {
        cells.iter().filter(move |row| floor_of(row) < floor).map(|row| row[1].trim_matches('`').to_owned())
    };
    let row = |row: &Vec<String>| {
        let uses = match row[3].as_str() {
            "all below" => below(floor_of(row)).filter(|name| name != "demo").collect(),
            uses => uses.split_whitespace().map(str::to_owned).collect(),
        };
        (row[1].trim_matches('`').to_owned(), (row[0].clone(), uses))
    };
    cells.iter().map(row).collect()
}

/// The crates that `Floor { krate: "...", floor: ..., may_use: ... }` names, except `faults`, which only tests use.
fn floors(text: &str) -> BTreeMap<String, Row> {
    let quoted =
        |text: &str| text.trim_start().strip_prefix('"')?.split_once('"').map(|(text, _)| text.to_owned());
    let constant = |name: &str| {
        let (_, rest) = text.split_once(&format!("const {name}: &str ="))?;
        quoted(rest)
    };
    let mut rows = BTreeMap::new();
    for entry in text.split("Floor {").skip(1) {
        let field = |name: &str| entry.split_once(&format!("{name}:")).map(|(_, rest)| rest);
        let (Some(name), Some(floor), Some(uses)) =
            (field("krate").and_then(quoted), field("floor"), field("may_use"))
        else {
            continue;
        };
        let floor: String = floor.trim().chars().take_while(char::is_ascii_digit).collect();
        let word: String = uses.trim().chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
        let uses = quoted(uses).or_else(|| constant(&word)).unwrap_or_default();
        rows.insert(
            name,
            (floor, uses.split_whitespace().filter(|name| *name != "faults").map(str::to_owned).collect()),
        );
    }
    rows.remove("faults");
    rows
}
