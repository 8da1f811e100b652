//! The pipelines and sources that schedules refer to.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use tranche_pipeline::schedule::Trigger;
use tranche_project::Problems;

use super::project::PipelineDefinitions;
use crate::position::position_of;

/// Reports the schedules of a pipeline that refer to what there is not.
pub(super) fn check_triggers(
    definitions: &PipelineDefinitions,
    pipelines: &IndexMap<String, PipelineDefinitions>,
    problems: &mut Problems,
) {
    let (Some(pipeline), Some(file)) = (&definitions.pipeline, &definitions.manifest) else { return };
    for schedule in &pipeline.schedules {
        match &schedule.trigger {
            Trigger::Calendar(_) => {}
            Trigger::NewFiles(source) if definitions.sources.contains_key(source) => {}
            Trigger::NewFiles(source) => {
                let known: Vec<&str> = definitions.sources.keys().map(String::as_str).collect();
                let message =
                    format!("there is no source `{source}`; this pipeline has {}", known.join(", "));
                problems.report(file, position_of(file, "on_new_files"), message);
            }
            Trigger::After(names) => {
                for name in names {
                    if let Some(message) = wrong_upstream(&pipeline.name, name, pipelines) {
                        problems.report(file, position_of(file, "after"), message);
                    }
                }
            }
        }
    }
}

/// Why a pipeline cannot come after another, if it cannot.
fn wrong_upstream(
    pipeline: &str,
    upstream: &str,
    pipelines: &IndexMap<String, PipelineDefinitions>,
) -> Option<String> {
    let Some(found) = pipelines.get(upstream) else {
        let known: Vec<&str> = pipelines.keys().map(String::as_str).collect();
        return Some(format!("there is no pipeline `{upstream}`; pipelines/ has {}", known.join(", ")));
    };
    let found = found.pipeline.as_ref()?;
    if found.schedules.is_empty() {
        return Some(format!("pipeline `{upstream}` has no schedule, so nothing ever comes after it"));
    }
    let mut rest = vec![upstream];
    let mut seen = BTreeSet::new();
    while let Some(name) = rest.pop() {
        if name == pipeline {
            return Some(format!("`{pipeline}` and `{upstream}` come after each other"));
        }
        let definitions = pipelines.get(name).and_then(|definitions| definitions.pipeline.as_ref());
        if seen.insert(name)
            && let Some(definitions) = definitions
        {
            rest.extend(
                definitions
                    .schedules
                    .iter()
                    .flat_map(|schedule| match &schedule.trigger {
                        Trigger::After(names) => names.as_slice(),
                        Trigger::Calendar(_) | Trigger::NewFiles(_) => &[],
                    })
                    .map(String::as_str),
            );
        }
    }
    None
}
