//! Entity rows with all of their versions. Each is valid from the instant of a run until that of the next version, in whichever order the
//! runs come: a run of an earlier instant inserts a version between those that are there.

use datafusion::common::JoinType;
use datafusion::functions_aggregate::expr_fn::min;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, case, lit, when};
use datafusion::prelude::{DataFrame, ident};
use datafusion::scalar::ScalarValue;
use jiff::Timestamp;
use tranche_schema::Contract;
use tranche_schema::platform::{FILE_NUMBER, VALID_FROM, VALID_TO};
use tranche_sql::{Session, SqlError, instant_literal};
use tranche_store::{CommitMode, Snapshot};

use crate::change::Change;
use crate::upsert::{Upsert, count_rows, theirs, union};

/// The columns of keys beside those of rows: no contract has a name with a blank.
const SAME: &str = "same key";
const NEWS: &str = "key with news";
const LATER: &str = "later key";
/// Whether the version valid at the session's instant ends.
const ENDS: &str = "version ends";
/// From when the version after the session's instant is valid.
const NEXT: &str = "next from";

/// The plan of a change of `table` as it is now: a row that is another than the version valid at the session's instant ends that one there
/// and begins a new one; one that goes ends it.
pub(crate) async fn plan(
    session: &Session,
    contract: &Contract,
    table: Option<&Snapshot>,
    change: Change,
) -> Result<Upsert, SqlError> {
    let (as_of, Change { incoming, gone, removed, succeeded, .. }) = (session.as_of(), change);
    let Some(table) = table.filter(|table| table.rows() > 0) else {
        let open = lit(ScalarValue::TimestampMicrosecond(None, Some("UTC".into())));
        let rows = version(incoming, contract, as_of, open)?.logical_plan().clone();
        return Ok(Upsert { rows, mode: CommitMode::Append, replaced: 0 });
    };
    let stored = session.read(table).await?;
    let key = contract.key.first().map_or("", String::as_str);
    // Unchanged rows are no news.
    let unchanged = unchanged_keys(contract, key, &stored, &incoming, as_of)?;
    let news = incoming
        .join_on(unchanged, JoinType::Left, [ident(key).eq(ident(SAME))])
        .map_err(SqlError::engine)?;
    let changed = news.clone().filter(ident(SAME).is_null()).map_err(SqlError::engine)?;
    let later = stored
        .clone()
        .filter(ident(VALID_FROM).gt(instant_literal(as_of)))
        .and_then(|rows| rows.aggregate(vec![ident(key)], vec![min(ident(VALID_FROM)).alias(NEXT)]))
        .and_then(|rows| rows.select(vec![ident(key).alias(LATER), ident(NEXT)]))
        .map_err(SqlError::engine)?;
    let begun =
        changed.join_on(later, JoinType::Left, [ident(key).eq(ident(LATER))]).map_err(SqlError::engine)?;
    let begun = version(begun, contract, as_of, ident(NEXT))?;

    let with_news = stored
        .join_on(keys_with_news(news, gone, key)?, JoinType::Left, [ident(key).eq(ident(NEWS))])
        .map_err(SqlError::engine)?;
    let ends = ident(ENDS).is_true().and(is_valid(as_of));
    let ended = with_news.clone().filter(ends.clone()).map_err(SqlError::engine)?;
    let replaced = count_rows(session, ended).await?.saturating_sub(removed);
    // A version that would end as it begins never was valid.
    let never = ends.clone().and(ident(VALID_FROM).gt_eq(instant_literal(as_of)));
    let kept = with_news.filter(never.is_not_true()).map_err(SqlError::engine)?;
    let kept = with_ends(kept, ends, &succeeded, as_of)?;
    Ok(Upsert { rows: union(kept, begun)?, mode: CommitMode::Overwrite, replaced })
}

/// The keys of which a load says something, each with the number of its file, and whether the valid version ends: not where the row is as
/// it was.
fn keys_with_news(news: DataFrame, gone: Option<DataFrame>, key: &str) -> Result<DataFrame, SqlError> {
    let incoming = vec![
        ident(key).alias(NEWS),
        ident(FILE_NUMBER).alias(theirs(FILE_NUMBER)),
        ident(SAME).is_null().alias(ENDS),
    ];
    let incoming = news.select(incoming).map_err(SqlError::engine)?;
    let Some(gone) = gone else { return Ok(incoming) };
    let no_number = lit(ScalarValue::Int64(None)).alias(theirs(FILE_NUMBER));
    gone.select(vec![ident(key).alias(NEWS), no_number, lit(true).alias(ENDS)])
        .and_then(|gone| incoming.union(gone))
        .map_err(SqlError::engine)
}

/// Stored versions beside news of their keys, as they are afterwards: one that ends does so at an instant, one that an incoming row has
/// as it was is of that row's file, and one of a file that was written again since is of its present edition.
fn with_ends(
    versions: DataFrame,
    ends: Expr,
    succeeded: &[(i64, i64)],
    at: Timestamp,
) -> Result<DataFrame, SqlError> {
    let has_numbers = versions.schema().has_column_with_unqualified_name(FILE_NUMBER);
    let number = if has_numbers { ident(FILE_NUMBER) } else { lit(ScalarValue::Int64(None)) };
    let confirmed = ident(ENDS).is_false().and(is_valid(at));
    let number = when(confirmed, ident(theirs(FILE_NUMBER))).otherwise(present(number, succeeded)?);
    let number = number.map_err(SqlError::engine)?.alias(FILE_NUMBER);
    let valid_to = when(ends, instant_literal(at)).otherwise(ident(VALID_TO)).map_err(SqlError::engine)?;
    let news = [NEWS, ENDS, &theirs(FILE_NUMBER)];
    let names = versions.schema().fields().iter().map(|field| field.name().as_str());
    let mut columns: Vec<Expr> = names
        .filter(|name| !news.contains(name))
        .map(|name| match name {
            VALID_TO => valid_to.clone().alias(VALID_TO),
            FILE_NUMBER => number.clone(),
            name => ident(name),
        })
        .collect();
    if !has_numbers {
        columns.push(number);
    }
    versions.select(columns).map_err(SqlError::engine)
}

/// The number of an edition, or of the one that succeeded it.
fn present(number: Expr, succeeded: &[(i64, i64)]) -> Result<Expr, SqlError> {
    let Some(((former, new), others)) = succeeded.split_first() else { return Ok(number) };
    let mut successor = case(number.clone()).when(lit(*former), lit(*new));
    for (former, new) in others {
        successor = successor.when(lit(*former), lit(*new));
    }
    successor.otherwise(number).map_err(SqlError::engine)
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
pub(crate) fn is_valid(at: Timestamp) -> Expr {
    let until = ident(VALID_TO);
    let is_open = until.clone().is_null().or(until.gt(instant_literal(at)));
    ident(VALID_FROM).lt_eq(instant_literal(at)).and(is_open)
}

/// Rows of a contract as versions that are valid from an instant to another.
fn version(rows: DataFrame, contract: &Contract, from: Timestamp, to: Expr) -> Result<DataFrame, SqlError> {
    let mut columns: Vec<Expr> = contract.columns.iter().map(|c| ident(&c.name)).collect();
    columns.push(ident(FILE_NUMBER));
    columns.push(instant_literal(from).alias(VALID_FROM));
    columns.push(to.alias(VALID_TO));
    rows.select(columns).map_err(SqlError::engine)
}
