//! A project with people, exposures and purchases, as few or as many as a test writes.

use serde_json::Value;
use tranche_tests::{Ran, Sandbox, ran};

/// A project in which experiments can be measured.
#[derive(Debug)]
pub(crate) struct Lab {
    sandbox: Sandbox,
}

/// What is exposed, and what it does: the rows of the raw files.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    /// `person_id,country`
    pub(crate) people: Vec<String>,
    /// `person_id,arm,seen_at`
    pub(crate) exposures: Vec<String>,
    /// `purchase_id,person_id,bought_at,amount`
    pub(crate) purchases: Vec<String>,
}

impl Lab {
    /// A project with this data and without experiments.
    pub(crate) fn new(raw: &Raw) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("tranche.yaml", "version: 1\nlake: ./lake\n");
        sandbox.write("pipelines/shop/pipeline.yaml", PIPELINE);
        sandbox.write("pipelines/shop/segments/country.sql", COUNTRY);
        for (table, contract, header, rows) in [
            ("people", PEOPLE, "person_id,country", &raw.people),
            ("exposures", EXPOSURES, "person_id,arm,seen_at", &raw.exposures),
            ("purchases", PURCHASES, "purchase_id,person_id,bought_at,amount", &raw.purchases),
        ] {
            sandbox.write(&format!("schemas/{table}.yaml"), contract);
            let source =
                format!("version: 1\nsource: {table}\ninto: {table}\nformat: csv\npath: data/{table}.csv\n");
            sandbox.write(&format!("pipelines/shop/sources/{table}.yaml"), source);
            sandbox.write(&format!("data/{table}.csv"), format!("{header}\n{}\n", rows.join("\n")));
        }
        for (metric, definition) in [
            (
                "revenue",
                "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}\ndirection: increase",
            ),
            ("buyers", "type: proportion\nfact: {table: purchases, aggregate: any}\ndirection: increase"),
            (
                "costs",
                "type: mean\nfact: {table: purchases, value: amount, aggregate: sum}\ndirection: decrease",
            ),
            (
                "gifts",
                "type: mean\nfact: {table: purchases, aggregate: count, where: \"amount > 1000000\"}\ndirection: increase",
            ),
        ] {
            sandbox.write(
                &format!("pipelines/shop/metrics/{metric}.yaml"),
                format!("version: 1\nmetric: {metric}\n{definition}\n"),
            );
        }
        Self { sandbox }
    }

    /// Defines an experiment over variants a (control) and b, exposed from 1 to 11 September; `keys` follow.
    pub(crate) fn define(&self, name: &str, keys: &str) {
        let text = format!(
            "version: 1\nexperiment: {name}\nentity: person\nexposure: {{table: exposures, variant: arm}}\n\
             variants: {{a: 0.5, b: 0.5}}\ncontrol: a\nperiod: {{from: 2026-09-01, to: 2026-09-11}}\n{keys}\n"
        );
        self.sandbox.write(&format!("pipelines/shop/experiments/{name}.yaml"), text);
    }

    /// Runs the pipeline.
    pub(crate) fn measure(&self, as_of: &str) {
        let ran = self.sandbox.run(&["--format", "json", "run", "shop", "--as-of", as_of]);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    }

    /// The program with these arguments.
    pub(crate) fn tranche(&self, arguments: &[&str]) -> Ran {
        self.sandbox.run(arguments)
    }

    /// The program with these arguments, on a terminal so many columns wide.
    pub(crate) fn at_width(&self, width: u16, arguments: &[&str]) -> Ran {
        let mut command = self.sandbox.command(arguments);
        let output = command.env("COLUMNS", width.to_string()).output();
        ran(output.unwrap_or_else(|e| panic!("cannot start the program: {e}")))
    }

    /// What `experiment show` prints.
    pub(crate) fn shown(&self, name: &str) -> Value {
        self.sandbox.run(&["--format", "json", "experiment", "show", name]).expect_code(0).json()
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, path: &str, content: &str) {
        self.sandbox.write(path, content);
    }
}

/// The estimate for everyone in b.
pub(crate) fn estimate<'a>(shown: &'a Value, metric: &str) -> &'a Value {
    let rows = shown["estimates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = rows.iter().find(|row| row["metric"] == metric && row["segment"] == "all");
    found.unwrap_or_else(|| panic!("no estimate of {metric}: {shown}"))
}

/// The number at a pointer.
pub(crate) fn number(value: &Value, pointer: &str) -> f64 {
    value
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("no number at {pointer}: {value}"))
}

/// The texts of a list.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str).collect()
}

const PIPELINE: &str = "version: 1
pipeline: shop
steps:
  - {id: load, ingest: [people, exposures, purchases]}
  - {id: tests, measure: all, needs: [load]}
";

const COUNTRY: &str = "/*---
segment_set: country
entity: person
---*/
SELECT person_id, country AS label FROM people
";

const PEOPLE: &str = "version: 1
table: people
kind: entity
entity: person
key: [person_id]
columns:
  - {name: person_id, type: utf8, nullable: false}
  - {name: country, type: utf8}
";

const EXPOSURES: &str = "version: 1
table: exposures
kind: event
entity: {person: person_id}
key: [person_id, arm, seen_at]
event_time: seen_at
columns:
  - {name: person_id, type: utf8, nullable: false}
  - {name: arm, type: utf8, nullable: false}
  - {name: seen_at, type: 'timestamp(us, UTC)', nullable: false}
";

const PURCHASES: &str = "version: 1
table: purchases
kind: event
entity: {person: person_id}
key: [purchase_id]
event_time: bought_at
columns:
  - {name: purchase_id, type: utf8, nullable: false}
  - {name: person_id, type: utf8, nullable: false}
  - {name: bought_at, type: 'timestamp(us, UTC)', nullable: false}
  - {name: amount, type: 'decimal(12,2)', nullable: false}
";
