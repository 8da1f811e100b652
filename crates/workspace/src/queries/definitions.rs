//! Which definitions a project has.

use schemars::JsonSchema;
use serde::Serialize;
use tranche_project::Diagnostic;

use crate::definitions::PipelineDefinitions;
use crate::failure::Failure;
use crate::tranche::Tranche;

/// How many definitions of each kind there are, when all of them hold together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DefinitionCounts {
    /// Their problems: none.
    #[schemars(with = "Vec<String>")]
    pub problems: Vec<Diagnostic>,
    /// Contracts.
    pub contracts: usize,
    /// Pipelines.
    pub pipelines: usize,
    /// Sources.
    pub sources: usize,
    /// Groups of traits.
    pub traits: usize,
    /// Segments and sets.
    pub segments: usize,
    /// Metrics.
    pub metrics: usize,
    /// Experiments.
    pub experiments: usize,
    /// Reports.
    pub reports: usize,
}

/// Checks every definition and counts them.
///
/// # Errors
/// [`Failure`] with every problem of the definitions.
pub async fn check(tranche: &Tranche) -> Result<DefinitionCounts, Failure> {
    tranche.check_with_raw_files().await?;
    let definitions = &tranche.definitions;
    let count = |each: &dyn Fn(&PipelineDefinitions) -> usize| {
        definitions.pipelines.values().map(each).sum::<usize>()
    };
    Ok(DefinitionCounts {
        problems: Vec::new(),
        contracts: definitions.contracts.len(),
        pipelines: definitions.pipelines.len(),
        sources: count(&|pipeline| pipeline.sources.len()),
        traits: count(&|pipeline| pipeline.definitions.traits.len()),
        segments: count(&|pipeline| pipeline.definitions.segments.len()),
        metrics: count(&|pipeline| pipeline.metrics.0.len()),
        experiments: count(&|pipeline| pipeline.experiments.len()),
        reports: count(&|pipeline| pipeline.reports.len()),
    })
}
