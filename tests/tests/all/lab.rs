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
        let sandbox = Sandbox::scenario("lab", None);
        for (table, header, rows) in [
            ("people", "person_id,country", &raw.people),
            ("exposures", "person_id,arm,seen_at", &raw.exposures),
            ("purchases", "purchase_id,person_id,bought_at,amount", &raw.purchases),
        ] {
            sandbox.write(&format!("data/{table}.csv"), format!("{header}\n{}\n", rows.join("\n")));
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
