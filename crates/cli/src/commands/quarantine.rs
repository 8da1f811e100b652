//! `quarantine list`: rejected rows and why.

use tranche_workspace::queries::quarantine::list;

use crate::app::App;
use crate::args::Quarantine;
use crate::failure::Failure;
use crate::output::rows_of_result;

pub(super) async fn run(quarantine: &Quarantine, app: &App) -> Result<(), Failure> {
    let Quarantine::List { source, limit } = quarantine;
    let found = list(&app.tranche, source.as_deref(), *limit).await?;
    rows_of_result(found).print(app.global.format)
}
