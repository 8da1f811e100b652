//! `sql`: a query over the lake: contracts, traits, memberships, estimates, KPIs, quarantine.

use tranche_workspace::queries::sql::sql;

use crate::app::App;
use crate::args::Sql;
use crate::failure::Failure;
use crate::output::rows_of_result;

pub(super) async fn run(query: &Sql, app: &App) -> Result<(), Failure> {
    let found = sql(&app.tranche, &query.query, query.as_of.as_of.as_deref()).await?;
    rows_of_result(found).print(app.global.format)
}
