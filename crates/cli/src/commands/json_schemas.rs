//! `json-schemas`: what an editor needs to complete definitions.

use std::fs;
use std::path::Path;

use schemars::{Schema, schema_for};

use crate::failure::Failure;

pub(super) fn write(folder: &Path) -> Result<(), Failure> {
    let schemas: [(&str, Schema); 9] = [
        ("project", schema_for!(tranche_project::SettingsSpec)),
        ("contract", schema_for!(tranche_schema::ContractSpec)),
        ("source", schema_for!(tranche_ingest::SourceSpec)),
        ("traits", schema_for!(tranche_segment::TraitsSpec)),
        ("segment", schema_for!(tranche_segment::SegmentSpec)),
        ("metric", schema_for!(tranche_metric::MetricSpec)),
        ("experiment", schema_for!(tranche_experiment::ExperimentSpec)),
        ("report", schema_for!(tranche_report::ReportSpec)),
        ("pipeline", schema_for!(tranche_pipeline::PipelineSpec)),
    ];
    for (name, schema) in schemas {
        let path = folder.join(format!("{name}.schema.json"));
        let text = serde_json::to_string_pretty(&schema).map_err(|e| Failure::internal(e.to_string()))?;
        fs::write(&path, text + "\n")
            .map_err(|e| Failure::storage(format!("cannot write {}: {e}", path.display())))?;
    }
    Ok(())
}
