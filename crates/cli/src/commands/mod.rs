//! Each command: from its arguments to its output.

mod backfill;
mod doctor;
mod experiment;
mod init;
mod json_schemas;
mod quarantine;
mod report;
mod run;
mod runs;
mod schedule;
mod segment;
mod sql;
mod stats;
mod traits;

use std::process::ExitCode;

use clap::CommandFactory;
use tranche_workspace::queries::definitions;

use crate::app::App;
use crate::args::{Arguments, Command, Format};
use crate::failure::Failure;
use crate::output::{print_document, print_text};

/// Runs the command.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let global = &arguments.global;
    let open = || App::open(global);
    match &arguments.command {
        Command::Init(init) => init::run(init, global)?,
        Command::Check => check(&open()?).await?,
        Command::Run(run) => return run::run(run, &open()?).await,
        Command::Runs(wanted) => runs::run(wanted, &open()?).await?,
        Command::Backfill(backfill) => return backfill::run(backfill, open()?).await,
        Command::Resume { run, force } => return run::resume(run, *force, &open()?).await,
        Command::Schedule(schedule) => return schedule::run(schedule, open()?).await,
        Command::Segment(segment) => return segment::run(segment, &open()?).await,
        Command::Trait(wanted) => traits::run(wanted, &open()?).await?,
        Command::Experiment(experiment) => return experiment::run(experiment, &open()?).await,
        Command::Report(report) => report::run(report, &open()?).await?,
        Command::Quarantine(quarantine) => quarantine::run(quarantine, &open()?).await?,
        Command::Sql(sql) => sql::run(sql, &open()?).await?,
        Command::Doctor { deep } => return doctor::run(&open()?, *deep).await,
        Command::Stats(stats) => stats::run(stats, global)?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "tranche", &mut script);
            print_text(String::from_utf8_lossy(&script).trim_end())?;
        }
        Command::JsonSchemas { folder } => json_schemas::write(folder)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(app: &App) -> Result<(), Failure> {
    let found = definitions::check(&app.tranche).await?;
    if app.global.format == Format::Json {
        return print_document(&found);
    }
    let counts = [
        ("contracts", found.contracts),
        ("pipelines", found.pipelines),
        ("sources", found.sources),
        ("traits", found.traits),
        ("segments", found.segments),
        ("metrics", found.metrics),
        ("experiments", found.experiments),
        ("reports", found.reports),
    ];
    print_text(&format!(
        "no problems in {}",
        counts.map(|(name, count)| format!("{count} {name}")).join(", ")
    ))
}
