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

/// The rows to write, what becomes of those that are there, and how many of them are replaced.
pub(crate) struct Upsert {
    pub(crate) rows: LogicalPlan,
    pub(crate) mode: CommitMode,
    pub(crate) replaced: u64,
}

/// The plan of a load into `table` as it is now.
pub(crate) async fn plan(
    session: &Session,
    contract: &Contract,
    table: Option<&Snapshot>,
    incoming: DataFrame,
) -> Result<Upsert, SqlError> {
    let Some(table) = table.filter(|table| table.rows() > 0) else {
        return Ok(Upsert { rows: incoming.logical_plan().clone(), mode: CommitMode::Append, replaced: 0 });
    };
    let stored = session.read(table).await?;
    if contract.event_time().is_some() {
        return events(session, contract, stored, incoming).await;
    }
    let replaced = count_rows(session, join(&stored, &incoming, contract, JoinType::LeftSemi)?).await?;
    let kept = join(&stored, &incoming, contract, JoinType::LeftAnti)?;
    Ok(Upsert { rows: union(kept, incoming)?, mode: CommitMode::Overwrite, replaced })
}

/// Events: days that hold a replaced row are rewritten; a load that replaces nothing is appended.
async fn events(
    session: &Session,
    contract: &Contract,
    stored: DataFrame,
    incoming: DataFrame,
) -> Result<Upsert, SqlError> {
    let replaced = join(&stored, &incoming, contract, JoinType::LeftSemi)?;
    let replaced = replaced
        .aggregate(vec![ident(platform::EVENT_DAY)], vec![count(lit(1)).alias("replaced")])
        .map_err(SqlError::engine)?;
    let found = session.collect_frame(replaced).await?;
    let counts = tranche_sql::column_i64(&found.batches, 1)?;
    let replaced: i64 = counts.into_iter().flatten().sum();
    if replaced == 0 {
        return Ok(Upsert { rows: incoming.logical_plan().clone(), mode: CommitMode::Append, replaced: 0 });
    }
    let mut days = days_of(&found.batches)?;
    let own = incoming
        .clone()
        .select(vec![ident(platform::EVENT_DAY)])
        .and_then(DataFrame::distinct)
        .map_err(SqlError::engine)?;
    days.extend(days_of(&session.collect_frame(own).await?.batches)?);
    let literals = days.iter().map(|&day| lit(ScalarValue::Date32(Some(day)))).collect();
    let affected = ident(platform::EVENT_DAY).in_list(literals, false);
    let stored = stored.filter(affected.clone()).map_err(SqlError::engine)?;
    let kept = join(&stored, &incoming, contract, JoinType::LeftAnti)?;
    Ok(Upsert {
        rows: union(kept, incoming)?,
        mode: CommitMode::OverwriteWhere(affected),
        replaced: u64::try_from(replaced).unwrap_or(0),
    })
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

/// The stored rows that have, or do not have, the key of an incoming one.
fn join(
    stored: &DataFrame,
    incoming: &DataFrame,
    contract: &Contract,
    kind: JoinType,
) -> Result<DataFrame, SqlError> {
    let renamed = contract.key.iter().map(|name| ident(name).alias(theirs(name)));
    let incoming = incoming.clone().select(renamed.collect::<Vec<_>>()).map_err(SqlError::engine)?;
    let same_key = contract.key.iter().map(|name| ident(name).eq(ident(theirs(name))));
    stored.clone().join_on(incoming, kind, same_key).map_err(SqlError::engine)
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
