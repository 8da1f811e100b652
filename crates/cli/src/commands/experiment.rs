//! `experiment list`, `show`, `power`, `validate` and `assign`: what was measured, what would have to be, whether it can be
//! believed, and who gets which variant.

mod estimates;
mod lookup;
mod power;
mod show;
mod validate;

use std::process::ExitCode;

use lookup::find;
use serde_json::json;
use tranche_experiment::store;

use crate::app::App;
use crate::args::Experiment;
use crate::failure::Failure;
use crate::output::{Column, Rows};

pub(super) async fn run(experiment: &Experiment, app: &App) -> Result<ExitCode, Failure> {
    let done = match experiment {
        Experiment::List => list(app).await,
        Experiment::Show { experiment, as_of } => show::run(experiment, as_of, app).await,
        Experiment::Power(wanted) => power::run(wanted, app).await,
        Experiment::Validate(wanted) => return validate::run(wanted, app).await,
        Experiment::Assign { experiment, id } => assign(experiment, id, app).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

async fn list(app: &App) -> Result<(), Failure> {
    let mut rows = Rows::new(&[
        Column::key("experiment"),
        Column::text("pipeline").detail(),
        Column::prose("hypothesis").detail(),
        Column::instant("as_of"),
        Column::number("units"),
        Column::any("trustworthy").main(),
        Column::text("decision").main(),
    ]);
    let (lake, session) =
        (app.tranche.lake()?, app.tranche.engine.session(app.tranche.instant_or_latest(None)?));
    for (pipeline, definitions) in &app.tranche.definitions.pipelines {
        for (name, experiment) in &definitions.experiments {
            let result = store::read_without_series(&lake, &session, name).await?;
            let units = result.as_ref().map(|r| r.srm.observed.iter().map(|v| v.count).sum::<u64>());
            rows.push(vec![
                json!(name),
                json!(pipeline),
                json!(experiment.hypothesis),
                json!(result.as_ref().map(|r| r.as_of)),
                json!(units),
                json!(result.as_ref().map(|r| r.trustworthy)),
                json!(result.as_ref().map(|r| &r.decision.action)),
            ]);
        }
    }
    rows.print(app.global.format)
}

async fn assign(name: &str, ids: &[String], app: &App) -> Result<(), Failure> {
    let (_, experiment) = find(name, app)?;
    app.tranche.check_file(experiment.file.path()).await?;
    let mut rows = Rows::new(&["experiment", "id", "hash", "in_namespace", "variant"]);
    for id in ids {
        let found = experiment.assign(id);
        let hash = json!(found.hash);
        rows.push(vec![
            json!(found.experiment),
            json!(found.id),
            hash,
            json!(found.in_namespace),
            json!(found.variant),
        ]);
    }
    rows.print(app.global.format)
}
