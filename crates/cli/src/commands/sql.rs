//! `sql`: a query over the lake: contracts, traits, memberships, estimates, KPIs, quarantine.

use tranche_pipeline::{Clock, SystemClock};
use tranche_project::SourceFile;
use tranche_workspace::lake_sql;

use crate::app::App;
use crate::args::Sql;
use crate::failure::Failure;
use crate::output::Rows;

pub(super) async fn run(sql: &Sql, app: &App) -> Result<(), Failure> {
    let as_of = match &sql.as_of.as_of {
        Some(text) => app.tranche.instant(text)?,
        None => SystemClock.now(),
    };
    let session = lake_sql::session(&app.tranche, as_of).await?;
    let Ok(plan) = session.plan(&sql.query, None).await else {
        let mistakes = session.mistakes(&sql.query, None).await.into_iter().map(|problem| {
            let mut diagnostic =
                SourceFile::new("query", &sql.query).problem(problem.position, problem.message);
            diagnostic.help = problem.help;
            diagnostic
        });
        return Err(Failure {
            diagnostics: mistakes.collect(),
            ..Failure::definition("the query cannot be planned")
        });
    };
    let found = session.collect(&plan).await?;
    Rows::from_batches(&found.schema, &found.batches)?.print(app.global.format)
}
