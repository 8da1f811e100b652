//! A query over the lake.

use tranche_pipeline::{Clock, SystemClock};
use tranche_project::SourceFile;
use tranche_segment::InSegment;

use super::rows::ResultRows;
use crate::failure::Failure;
use crate::lake_sql;
use crate::tranche::Tranche;

/// The rows of one SELECT at an instant, or now.
///
/// # Errors
/// [`Failure`] with the place of the mistake when the query cannot be planned, or when the lake cannot be read.
pub async fn sql(tranche: &Tranche, query: &str, as_of: Option<&str>) -> Result<ResultRows, Failure> {
    let as_of = match as_of {
        Some(text) => tranche.instant(text)?,
        None => SystemClock.now(),
    };
    let session = lake_sql::session(tranche, as_of).await?;
    let Ok(plan) = session.plan(query, &InSegment::WithoutEntity).await else {
        let mistakes = session.mistakes(query, &InSegment::WithoutEntity).await.into_iter().map(|problem| {
            SourceFile::new("query", query)
                .problem(problem.position, problem.message)
                .with_help_if(problem.help)
        });
        let diagnostics = mistakes.collect();
        return Err(Failure { diagnostics, ..Failure::definition("the query cannot be planned") });
    };
    let found = session.collect(&plan).await?;
    ResultRows::from_batches(&found.schema, &found.batches)
}
