//! `json-schemas`: what an editor needs to complete definitions, and what a program may expect of every JSON output.

use std::fs;
use std::path::Path;

use schemars::Schema;
use tranche_workspace::queries::schemas::{definitions, output, outputs};

use super::init::InitSummary;
use super::schedule::ScheduleSummary;
use crate::failure::{Failure, FailureDocument};

pub(super) fn write(folder: &Path) -> Result<(), Failure> {
    for (name, schema) in definitions() {
        write_schema(folder, name, &schema)?;
    }
    let folder = folder.join("output");
    fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    let own = [
        ("init", output::<InitSummary>()),
        ("schedule", output::<ScheduleSummary>()),
        ("error", output::<FailureDocument<'_>>()),
    ];
    for (name, schema) in outputs().into_iter().chain(own) {
        write_schema(&folder, name, &schema)?;
    }
    Ok(())
}

fn write_schema(folder: &Path, name: &str, schema: &Schema) -> Result<(), Failure> {
    let path = folder.join(format!("{name}.schema.json"));
    let text = serde_json::to_string_pretty(schema).map_err(|e| Failure::internal(e.to_string()))?;
    fs::write(&path, text + "\n").map_err(|error| cannot_write(&path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::storage(format!("cannot write {}: {error}", path.display()))
}
