//! `json-schemas`: what an editor needs to complete definitions.

use std::fs;
use std::path::Path;

use schemars::{Schema, schema_for};
use serde_json::Value;

use crate::failure::Failure;

pub(super) fn write(folder: &Path) -> Result<(), Failure> {
    let schemas: [(&str, Schema); 9] = [
        ("project", project_schema()),
        ("contract", schema_for!(tranche_schema::ContractSpec)),
        ("source", schema_for!(tranche_ingest::SourceSpec)),
        ("traits", schema_for!(tranche_segment::TraitsSpec)),
        ("segment", schema_for!(tranche_segment::SegmentSpec)),
        ("metric", schema_for!(tranche_metric::MetricSpec)),
        ("experiment", schema_for!(tranche_experiment::ExperimentSpec)),
        ("report", schema_for!(tranche_report::ReportSpec)),
        ("pipeline", schema_for!(tranche_pipeline::definition::PipelineSpec)),
    ];
    for (name, schema) in schemas {
        let path = folder.join(format!("{name}.schema.json"));
        let text = serde_json::to_string_pretty(&schema).map_err(|e| Failure::internal(e.to_string()))?;
        fs::write(&path, text + "\n")
            .map_err(|e| Failure::storage(format!("cannot write {}: {e}", path.display())))?;
    }
    Ok(())
}

/// The schema of `tranche.yaml`: its own keys, and the sections that other crates read.
fn project_schema() -> Schema {
    let mut schema = schema_for!(tranche_project::SettingsSpec);
    let sections = schema_for!(tranche_observe::ObserveSpec);
    for part in ["properties", "$defs"] {
        let theirs = sections.get(part).and_then(Value::as_object);
        if let (Some(own), Some(theirs)) = (schema.get_mut(part).and_then(Value::as_object_mut), theirs) {
            own.extend(theirs.clone());
        }
    }
    schema
}
