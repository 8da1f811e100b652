//! `experiment list`, `show`, `power`, `validate` and `assign`: what was measured, what would have to be, whether it can be
//! believed, and who gets which variant.

mod estimates;
mod power;
mod show;
mod validate;

use std::process::ExitCode;

use tranche_workspace::queries::experiments;

use crate::app::App;
use crate::args::Experiment;
use crate::failure::Failure;
use crate::output::{Column, print_records};

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
    let columns = [
        Column::key("experiment"),
        Column::text("pipeline").detail(),
        Column::prose("hypothesis").detail(),
        Column::instant("as_of"),
        Column::number("units"),
        Column::any("trustworthy").main(),
        Column::text("decision").main(),
    ];
    print_records(&columns, &experiments::list(&app.tranche).await?, app.global.format)
}

async fn assign(name: &str, ids: &[String], app: &App) -> Result<(), Failure> {
    let assigned = experiments::assign(&app.tranche, name, ids).await?;
    print_records(&["experiment", "id", "hash", "in_namespace", "variant"], &assigned, app.global.format)
}
