//! `maintain`: the whole lake stays quick to open and no larger than it must be.

use async_trait::async_trait;
use tranche_pipeline::definition::Targets;
use tranche_pipeline::{Clock, Step, StepOutcome, SystemClock};
use tranche_project::{Problems, SourceFile};

use crate::action::{Action, ActionContext};
use crate::definitions::PipelineDefinitions;
use crate::failure::Failure;
use crate::lineage::{Datasets, LineageScope};
use crate::maintenance::Maintenance;

/// Maintains the lake.
pub(super) struct Maintain;

#[async_trait]
impl Action for Maintain {
    fn name(&self) -> &'static str {
        "maintain"
    }

    fn target(&self) -> &'static str {
        "lake"
    }

    fn has_target(&self, _: &str, _: &PipelineDefinitions) -> bool {
        false
    }

    fn check(&self, step: &Step, _: &PipelineDefinitions, file: &SourceFile, problems: &mut Problems) {
        let Targets::Named(names) = &step.targets else { return };
        for name in names.iter().take(1) {
            let message = "maintenance is of the whole lake: write `maintain: all`";
            problems.report(file, name.referenced, message);
        }
    }

    /// None: what is in the tables stays the same.
    async fn datasets(&self, _: &Step, _: &LineageScope<'_>) -> Result<Datasets, Failure> {
        Ok(Datasets::default())
    }

    async fn run(&self, _: &Step, context: &ActionContext<'_>) -> Result<StepOutcome, Failure> {
        let progress = |message: String| context.run.progress.report(message);
        let maintenance = Maintenance {
            lake: &context.resources.lake,
            definitions: &context.resources.definitions,
            session: &context.resources.engine.session(context.run.as_of),
            now: SystemClock.now(),
            progress: &progress,
        };
        maintenance.run().await
    }
}
