//! `where:` of exposures: which rows of a table are exposures.

use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use tranche_project::Position;
use tranche_schema::Contract;
use tranche_sql::{Session, SqlProblem};

/// An SQL predicate over the rows of a contract's table.
pub(crate) fn filter_expression(
    sql: &str,
    contract: &Contract,
    session: &Session,
) -> Result<Expr, SqlProblem> {
    let failed = |e: datafusion::error::DataFusionError| SqlProblem {
        position: Position::START,
        message: e.strip_backtrace(),
        help: None,
    };
    session.expression(sql, &DFSchema::try_from(contract.arrow_schema().as_ref().clone()).map_err(failed)?)
}
