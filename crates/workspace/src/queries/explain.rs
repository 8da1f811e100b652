//! What a refresh would read, and which definitions share it.

use schemars::JsonSchema;
use serde::Serialize;
use tranche_pipeline::{Clock, SystemClock};
pub use tranche_segment::Explanation;
use tranche_segment::{ExplainedDefinition, Pattern, explain as explain_entity};

use crate::failure::Failure;
use crate::tranche::Tranche;

/// What a refresh of one entity of one pipeline would read.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExplainedRefresh {
    /// The pipeline.
    pub pipeline: String,
    /// What it would read.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// Explains the refreshes at an instant, or now, of every pipeline, or of one; of all definitions, or of those that are named.
///
/// # Errors
/// [`Failure`] when there is no such segment or pipeline, or the lake cannot be read.
pub async fn explain(
    tranche: &Tranche,
    names: &[String],
    as_of: Option<&str>,
    pipeline: Option<&str>,
) -> Result<Vec<ExplainedRefresh>, Failure> {
    for name in names {
        let _ = tranche.definitions.segment(name)?;
    }
    if let Some(pipeline) = pipeline {
        let _ = tranche.definitions.pipeline(pipeline)?;
    }
    let lake = tranche.lake()?;
    let as_of = match as_of {
        Some(text) => tranche.instant(text)?,
        None => SystemClock.now(),
    };
    let tables = tranche.tables(&lake).await?;
    let is_wanted = |definition: &ExplainedDefinition| {
        names.is_empty() || names.iter().any(|name| Pattern::parse(name).definition() == definition.name)
    };
    let mut found = Vec::new();
    for (name, definitions) in tranche.definitions.pipelines.iter().map(|(name, p)| (name, &p.definitions)) {
        if pipeline.is_some_and(|wanted| wanted != name) {
            continue;
        }
        for entity in definitions.entities() {
            let session = tranche.engine.session_over(&tables, as_of).await?;
            let mut explanation = explain_entity(definitions, entity, name, &lake, &tables, &session).await?;
            explanation.definitions.retain(is_wanted);
            if !explanation.definitions.is_empty() {
                found.push(ExplainedRefresh { pipeline: name.clone(), explanation });
            }
        }
    }
    Ok(found)
}
