//! The JSON Schemas of definitions, and of what `--format json` prints.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, schema_for};
use serde_json::Value;
use tranche_pipeline::RunRecord;
use tranche_pipeline::ledger::RunReport;
use tranche_pipeline::scheduler::ExplainedSlot;
use tranche_segment::store::HistoryRow;
use tranche_segment::{Overlap, TestReport};

use super::backfills::BackfillRow;
use super::definitions::DefinitionCounts;
use super::examination::CheckResult;
use super::experiments::{Assigned, ExperimentResult, ExperimentRow, PowerPlan, Validation};
use super::explain::ExplainedRefresh;
use super::preview::PreviewedDefinition;
use super::report::MadeReport;
use super::rows::ResultRows;
use super::runs::RunRow;
use super::segment_backfill::{SegmentBackfillDone, SegmentBackfillPlan};
use super::segments::{SegmentDescription, SegmentRow};
use super::slots::PauseState;
use super::statistics::ResultsDocument;
use super::traits::{TraitDescription, TraitRow};
use super::why::WhyMember;

/// The schemas of definitions, by kind.
#[must_use]
pub fn definitions() -> Vec<(&'static str, Schema)> {
    vec![
        ("project", project()),
        ("contract", schema_for!(tranche_schema::ContractSpec)),
        ("source", schema_for!(tranche_ingest::SourceSpec)),
        ("traits", schema_for!(tranche_segment::TraitsSpec)),
        ("segment", schema_for!(tranche_segment::SegmentSpec)),
        ("metric", schema_for!(tranche_metric::MetricSpec)),
        ("experiment", schema_for!(tranche_experiment::ExperimentSpec)),
        ("report", schema_for!(tranche_report::ReportSpec)),
        ("pipeline", schema_for!(tranche_pipeline::definition::PipelineSpec)),
    ]
}

/// The schema of `tranche.yaml`: its own keys, and the sections that other crates read.
fn project() -> Schema {
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

/// The schema of a value as it is written.
#[must_use]
pub fn output<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// The schemas of outputs, each by its command's words joined by `-`. A command that prints one document for each of several things, one
/// a line, has the schema of one.
#[must_use]
pub fn outputs() -> Vec<(&'static str, Schema)> {
    vec![
        ("check", output::<DefinitionCounts>()),
        ("run", output::<RunReport<'static>>()),
        ("resume", output::<RunReport<'static>>()),
        ("runs", output::<Vec<RunRow>>()),
        ("runs-run", output::<RunRecord>()),
        ("schedule-explain", output::<Vec<ExplainedSlot>>()),
        ("schedule-pause", output::<PauseState>()),
        ("schedule-resume", output::<PauseState>()),
        ("backfill", output::<BackfillRow>()),
        ("backfill-list", output::<Vec<BackfillRow>>()),
        ("segment-list", output::<Vec<SegmentRow>>()),
        ("segment-show", output::<SegmentDescription>()),
        ("segment-members", output::<ResultRows>()),
        ("segment-preview", output::<PreviewedDefinition>()),
        ("segment-why", output::<WhyMember>()),
        ("segment-overlap", output::<Vec<Overlap>>()),
        ("segment-explain", output::<Vec<ExplainedRefresh>>()),
        ("segment-history", output::<Vec<HistoryRow>>()),
        ("segment-test", output::<Vec<TestReport>>()),
        ("segment-backfill", output::<SegmentBackfillDone>()),
        ("segment-backfill-dry-run", output::<SegmentBackfillPlan>()),
        ("trait-list", output::<Vec<TraitRow>>()),
        ("trait-show", output::<TraitDescription>()),
        ("experiment-list", output::<Vec<ExperimentRow>>()),
        ("experiment-show", output::<ExperimentResult>()),
        ("experiment-power", output::<PowerPlan>()),
        ("experiment-validate", output::<Validation>()),
        ("experiment-assign", output::<Vec<Assigned>>()),
        ("report", output::<MadeReport>()),
        ("quarantine-list", output::<ResultRows>()),
        ("sql", output::<ResultRows>()),
        ("stats", output::<ResultsDocument>()),
        ("doctor", output::<Vec<CheckResult>>()),
    ]
}
