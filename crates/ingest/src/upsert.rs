//! What a load does to the rows that are there, where a table holds the latest of each key: a row with the same key replaces the earlier
//! one, whichever day that was on.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int32Type};
use datafusion::common::JoinType;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, lit};
use datafusion::prelude::{DataFrame, ident};
use datafusion::scalar::ScalarValue;
use tranche_schema::{Contract, platform};
use tranche_sql::{Session, SqlError};
use tranche_store::{CommitMode, Snapshot};

use crate::change::Change;

/// The rows to write, what becomes of those that are there, and how many of them are replaced.
pub(crate) struct Upsert {
    pub(crate) rows: LogicalPlan,
    pub(crate) mode: CommitMode,
    pub(crate) replaced: u64,
}

/// The plan of a change of `table` as it is now.
pub(crate) async fn plan(
    session: &Session,
    contract: &Contract,
    table: Option<&Snapshot>,
    change: Change,
) -> Result<Upsert, SqlError> {
    let Some(table) = table.filter(|table| table.rows() > 0) else {
        let rows = change.incoming.logical_plan().clone();
        return Ok(Upsert { rows, mode: CommitMode::Append, replaced: 0 });
    };
    let stored = session.read(table).await?;
    if contract.event_time().is_some() {
        return events(session, contract, stored, change).await;
    }
    let replaced =
        count_rows(session, join(&stored, &change.incoming, contract, JoinType::LeftSemi)?).await?;
    let rows = union(kept(stored, &change, contract)?, change.incoming)?;
    Ok(Upsert { rows, mode: CommitMode::Overwrite, replaced })
}

/// The stored rows that a change leaves as they are.
fn kept(stored: DataFrame, change: &Change, contract: &Contract) -> Result<DataFrame, SqlError> {
    let kept = join(&stored, &change.incoming, contract, JoinType::LeftAnti)?;
    match &change.gone {
        Some(gone) => join(&kept, gone, contract, JoinType::LeftAnti),
        None => Ok(kept),
    }
}

/// Events: days that hold a row that is replaced or goes are rewritten; a load that only adds rows is appended.
async fn events(
    session: &Session,
    contract: &Contract,
    stored: DataFrame,
    change: Change,
) -> Result<Upsert, SqlError> {
    let (mut days, replaced) = days_with(session, contract, &stored, &change.incoming).await?;
    if let Some(gone) = &change.gone {
        days.extend(days_with(session, contract, &stored, gone).await?.0);
    }
    if days.is_empty() {
        let rows = change.incoming.logical_plan().clone();
        return Ok(Upsert { rows, mode: CommitMode::Append, replaced });
    }
    let own = change.incoming.clone().select(vec![ident(platform::EVENT_DAY)]);
    let own = own.and_then(DataFrame::distinct).map_err(SqlError::engine)?;
    days.extend(days_of(&session.collect_frame(own).await?.batches)?);
    let literals = days.iter().map(|&day| lit(ScalarValue::Date32(Some(day)))).collect();
    let affected = ident(platform::EVENT_DAY).in_list(literals, false);
    let stored = stored.filter(affected.clone()).map_err(SqlError::engine)?;
    let rows = union(kept(stored, &change, contract)?, change.incoming)?;
    Ok(Upsert { rows, mode: CommitMode::OverwriteWhere(affected), replaced })
}

/// The days of the stored rows with one of these keys, and how many such rows there are.
async fn days_with(
    session: &Session,
    contract: &Contract,
    stored: &DataFrame,
    keys: &DataFrame,
) -> Result<(BTreeSet<i32>, u64), SqlError> {
    let by_day = join(stored, keys, contract, JoinType::LeftSemi)?
        .aggregate(vec![ident(platform::EVENT_DAY)], vec![count(lit(1))])
        .map_err(SqlError::engine)?;
    let found = session.collect_frame(by_day).await?.batches;
    let rows: i64 = tranche_sql::column_i64(&found, 1)?.into_iter().flatten().sum();
    Ok((days_of(&found)?, u64::try_from(rows).unwrap_or(0)))
}

fn days_of(batches: &[arrow::array::RecordBatch]) -> Result<BTreeSet<i32>, SqlError> {
    let mut days = BTreeSet::new();
    for batch in batches {
        let column = cast(batch.column(0), &DataType::Date32)?;
        let column = cast(&column, &DataType::Int32)?;
        days.extend(column.as_primitive::<Int32Type>().iter().flatten());
    }
    Ok(days)
}

/// Stored rows and new ones: what either lacks is null in it, so that a column that no contract names any more keeps its values.
pub(crate) fn union(stored: DataFrame, new: DataFrame) -> Result<LogicalPlan, SqlError> {
    let (stored, new) = (align(stored.clone(), &new)?, align(new, &stored)?);
    // By name: each side has its own columns first.
    Ok(stored.union_by_name(new).map_err(SqlError::engine)?.logical_plan().clone())
}

/// Rows with the columns of others besides their own: these are null.
fn align(rows: DataFrame, others: &DataFrame) -> Result<DataFrame, SqlError> {
    let own = rows.schema().fields().iter().map(|field| ident(field.name()));
    let missing = others.schema().fields().iter().filter(|field| !has(&rows, field.name()));
    let null = |field: &FieldRef| {
        lit(ScalarValue::try_from(field.data_type()).unwrap_or(ScalarValue::Null)).alias(field.name())
    };
    let columns: Vec<Expr> = own.chain(missing.map(null)).collect();
    rows.select(columns).map_err(SqlError::engine)
}

fn has(rows: &DataFrame, name: &str) -> bool {
    rows.schema().has_column_with_unqualified_name(name)
}

/// The rows that have, or do not have, the key of another one.
pub(crate) fn join(
    rows: &DataFrame,
    others: &DataFrame,
    contract: &Contract,
    kind: JoinType,
) -> Result<DataFrame, SqlError> {
    let renamed = contract.key.iter().map(|name| ident(name).alias(theirs(name)));
    let others = others.clone().select(renamed.collect::<Vec<_>>()).map_err(SqlError::engine)?;
    let same_key = contract.key.iter().map(|name| ident(name).eq(ident(theirs(name))));
    rows.clone().join_on(others, kind, same_key).map_err(SqlError::engine)
}

/// The name of an incoming row's column beside that of a stored one: no contract has a name with a blank.
pub(crate) fn theirs(name: &str) -> String {
    format!("incoming {name}")
}

pub(crate) async fn count_rows(session: &Session, frame: DataFrame) -> Result<u64, SqlError> {
    let counted = frame.aggregate(vec![], vec![count(lit(1))]).map_err(SqlError::engine)?;
    let batches = session.collect_frame(counted).await?.batches;
    Ok(tranche_sql::column_i64(&batches, 0)?
        .into_iter()
        .flatten()
        .next()
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or(0))
}
