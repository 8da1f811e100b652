//! What the rows of both tables have in common: whose they are, and their numbers.

use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use tranche_schema::layout;
use tranche_schema::platform::{self, estimates as columns};
use tranche_scorecard::{Effect, ExperimentResult};
use tranche_sql::{Session, SqlError, instant_literal};
use tranche_store::Lake;

use crate::error::ExperimentError;

/// The folder of the table of estimates.
pub const ESTIMATES_TABLE: &str = layout::ESTIMATES.folder;

/// The folder of the table of series.
pub const SERIES_TABLE: &str = layout::ESTIMATE_SERIES.folder;

/// The rows of results.
pub(super) fn same(results: &[ExperimentResult]) -> Expr {
    let of = |result: &ExperimentResult| {
        let own = ident(columns::EXPERIMENT).eq(lit(result.experiment.as_str()));
        own.and(ident(platform::AS_OF).eq(instant_literal(result.as_of)))
    };
    results.iter().map(of).reduce(Expr::or).unwrap_or_else(|| lit(false))
}

/// Whether a table has rows of an earlier measurement at the same instant.
pub(super) async fn has_rows(
    table: &str,
    results: &[ExperimentResult],
    lake: &Lake,
    session: &Session,
) -> Result<bool, ExperimentError> {
    let Some(snapshot) = lake.snapshot(table).await? else { return Ok(false) };
    let frame = session
        .read(&snapshot)
        .await?
        .filter(same(results))
        .and_then(|f| f.limit(0, Some(1)))
        .and_then(|f| f.select(vec![ident(platform::AS_OF)]))
        .map_err(SqlError::engine)?;
    Ok(session.collect_frame(frame).await?.batches.iter().any(|batch| batch.num_rows() > 0))
}

/// The number that belongs into one of the columns [`columns::NUMBERS`], of the two means and the two
/// effects.
pub(super) fn number(
    name: &str,
    (mean, control_mean): (Option<f64>, Option<f64>),
    (absolute, relative): (Option<&Effect>, Option<&Effect>),
) -> Option<f64> {
    let of = |effect: Option<&Effect>, part: &str| {
        effect.and_then(|effect| match part {
            "effect" => Some(effect.effect),
            "se" => effect.se,
            "lower" => effect.ci.low(),
            "upper" => effect.ci.high(),
            _ => effect.p,
        })
    };
    match name.split_once('_') {
        Some(("absolute", part)) => of(absolute, part),
        Some(("relative", part)) => of(relative, part),
        Some(_) => control_mean,
        None => mean,
    }
}
