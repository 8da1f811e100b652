//! `where:` of exposures: which rows of a table are exposures.

use datafusion::logical_expr::Expr;
use tranche_schema::Contract;
use tranche_sql::{Session, SqlProblem};

/// An SQL predicate over the rows of a contract's table.
pub(crate) fn filter_expression(
    sql: &str,
    contract: &Contract,
    session: &Session,
) -> Result<Expr, SqlProblem> {
    session.row_expression(contract, sql)
}
