//! An experiment by its name.

use tranche_experiment::Experiment;
use tranche_workspace::PipelineDefinitions;

use crate::app::App;
use crate::failure::Failure;

/// The experiment of this name, with the definitions of its pipeline.
pub(super) fn find<'a>(
    name: &str,
    app: &'a App,
) -> Result<(&'a PipelineDefinitions, &'a Experiment), Failure> {
    let found = app.tranche.definitions.find(|pipeline| pipeline.experiments.get(name));
    found.map(|(_, pipeline, experiment)| (pipeline, experiment)).ok_or_else(|| {
        let message = format!("there is no experiment `{name}`; `tranche experiment list` shows all");
        Failure::definition(message)
    })
}
