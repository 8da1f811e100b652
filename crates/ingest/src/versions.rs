//! Entity rows with all of their versions. Each is valid from the instant of a run until that of the next version, in whichever order the
//! runs come: a run of an earlier instant inserts a version between those that are there.

use datafusion::common::JoinType;
use datafusion::functions_aggregate::expr_fn::min;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, lit, when};
use datafusion::prelude::{DataFrame, ident};
use datafusion::scalar::ScalarValue;
use jiff::Timestamp;
use tranche_schema::Contract;
use tranche_schema::platform::{VALID_FROM, VALID_TO};
use tranche_sql::{Session, SqlError, instant_literal};
use tranche_store::{CommitMode, Snapshot};

use crate::upsert::{Upsert, count_rows, theirs, union};

/// The columns of keys beside those of rows: no contract has a name with a blank.
const SAME: &str = "same key";
const CHANGED: &str = "changed key";
const LATER: &str = "later key";
/// From when the version after the session's instant is valid.
const NEXT: &str = "next from";

/// The plan of a load into `table` as it is now: a row that is another than the version valid at the session's instant ends that one there
/// and begins a new one.
pub(crate) async fn plan(
    session: &Session,
    contract: &Contract,
    table: Option<&Snapshot>,
    incoming: DataFrame,
) -> Result<Upsert, SqlError> {
    let as_of = session.as_of();
    let Some(table) = table.filter(|table| table.rows() > 0) else {
        let open = lit(ScalarValue::TimestampMicrosecond(None, Some("UTC".into())));
        let rows = version(incoming, contract, as_of, open)?.logical_plan().clone();
        return Ok(Upsert { rows, mode: CommitMode::Append, replaced: 0 });
    };
    let stored = session.read(table).await?;
    let key = contract.key.first().map_or("", String::as_str);
    // Unchanged rows are no news.
    let unchanged = unchanged_keys(contract, key, &stored, &incoming, as_of)?;
    let changed = incoming
        .join_on(unchanged, JoinType::LeftAnti, [ident(key).eq(ident(SAME))])
        .map_err(SqlError::engine)?;
    let later = stored
        .clone()
        .filter(ident(VALID_FROM).gt(instant_literal(as_of)))
        .and_then(|rows| rows.aggregate(vec![ident(key)], vec![min(ident(VALID_FROM)).alias(NEXT)]))
        .and_then(|rows| rows.select(vec![ident(key).alias(LATER), ident(NEXT)]))
        .map_err(SqlError::engine)?;
    let begun = changed
        .clone()
        .join_on(later, JoinType::Left, [ident(key).eq(ident(LATER))])
        .map_err(SqlError::engine)?;
    let begun = version(begun, contract, as_of, ident(NEXT))?;

    let changed = changed.select(vec![ident(key).alias(CHANGED)]).map_err(SqlError::engine)?;
    let columns = stored.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let with_changes =
        stored.join_on(changed, JoinType::Left, [ident(key).eq(ident(CHANGED))]).map_err(SqlError::engine)?;
    let ends = ident(CHANGED).is_not_null().and(is_valid(as_of));
    let ended = with_changes.clone().filter(ends.clone()).map_err(SqlError::engine)?;
    let replaced = count_rows(session, ended).await?;
    let valid_to = when(ends.clone(), instant_literal(as_of)).otherwise(ident(VALID_TO));
    let valid_to = valid_to.map_err(SqlError::engine)?.alias(VALID_TO);
    let kept = columns.iter().map(|name| match name.as_str() {
        VALID_TO => valid_to.clone(),
        name => ident(name),
    });
    // A version that would end as it begins never was valid.
    let never = ends.and(ident(VALID_FROM).gt_eq(instant_literal(as_of)));
    let kept = with_changes
        .filter(never.is_not_true())
        .and_then(|rows| rows.select(kept.collect::<Vec<_>>()))
        .map_err(SqlError::engine)?;
    Ok(Upsert { rows: union(kept, begun)?, mode: CommitMode::Overwrite, replaced })
}

/// The keys of incoming rows that are as the version valid at an instant.
fn unchanged_keys(
    contract: &Contract,
    key: &str,
    stored: &DataFrame,
    incoming: &DataFrame,
    at: Timestamp,
) -> Result<DataFrame, SqlError> {
    let names = || contract.columns.iter().map(|column| column.name.as_str());
    let new = |name: &&str| !stored.schema().has_column_with_unqualified_name(name);
    // A column that the table does not have yet is null there.
    let same = names().map(|name| match new(&name) {
        true => ident(theirs(name)).is_null(),
        false => {
            let (own, other) = (Box::new(ident(name)), Box::new(ident(theirs(name))));
            Expr::BinaryExpr(BinaryExpr::new(other, Operator::IsNotDistinctFrom, own))
        }
    });
    let valid = stored.clone().filter(is_valid(at)).map_err(SqlError::engine)?;
    let renamed = names().map(|name| ident(name).alias(theirs(name)));
    incoming
        .clone()
        .select(renamed.collect::<Vec<_>>())
        .and_then(|rows| rows.join_on(valid, JoinType::LeftSemi, same.collect::<Vec<_>>()))
        .and_then(|rows| rows.select(vec![ident(theirs(key)).alias(SAME)]))
        .map_err(SqlError::engine)
}

/// Whether a version is valid at an instant.
fn is_valid(at: Timestamp) -> Expr {
    let until = ident(VALID_TO);
    let is_open = until.clone().is_null().or(until.gt(instant_literal(at)));
    ident(VALID_FROM).lt_eq(instant_literal(at)).and(is_open)
}

/// Rows of a contract as versions that are valid from an instant to another.
fn version(rows: DataFrame, contract: &Contract, from: Timestamp, to: Expr) -> Result<DataFrame, SqlError> {
    let mut columns: Vec<Expr> = contract.columns.iter().map(|c| ident(&c.name)).collect();
    columns.push(instant_literal(from).alias(VALID_FROM));
    columns.push(to.alias(VALID_TO));
    rows.select(columns).map_err(SqlError::engine)
}
