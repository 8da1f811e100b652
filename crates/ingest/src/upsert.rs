//! What a load does to the rows that are there: a row with the same key replaces the earlier one, whichever
//! day that was on.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::JoinType;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, lit, when};
use datafusion::prelude::{DataFrame, ident};
use datafusion::scalar::ScalarValue;
use jiff::Timestamp;
use tranche_schema::{Contract, History, platform};
use tranche_sql::{Session, SqlError, instant_literal};
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
    if contract.history() == History::Full {
        return full_history(session, contract, table, incoming).await;
    }
    let Some(table) = table.filter(|table| table.rows() > 0) else {
        return Ok(Upsert { rows: incoming.logical_plan().clone(), mode: CommitMode::Append, replaced: 0 });
    };
    let stored = session.read(table).await?;
    if contract.event_time().is_some() {
        return events(session, contract, stored, incoming).await;
    }
    let replaced = count_rows(session, join(&stored, &incoming, contract, JoinType::LeftSemi)?).await?;
    let kept = align(join(&stored, &incoming, contract, JoinType::LeftAnti)?, &incoming)?;
    let rows = kept.union(incoming).map_err(SqlError::engine)?.logical_plan().clone();
    Ok(Upsert { rows, mode: CommitMode::Overwrite, replaced })
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
    let kept = align(join(&stored, &incoming, contract, JoinType::LeftAnti)?, &incoming)?;
    let rows = kept.union(incoming).map_err(SqlError::engine)?.logical_plan().clone();
    Ok(Upsert {
        rows,
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

/// Entity rows with full history: a row that changed ends the version before it at the session's `as_of` and
/// begins a new one.
async fn full_history(
    session: &Session,
    contract: &Contract,
    table: Option<&Snapshot>,
    incoming: DataFrame,
) -> Result<Upsert, SqlError> {
    let as_of = session.as_of();
    let Some(table) = table.filter(|table| table.rows() > 0) else {
        let rows = version(incoming, contract, as_of)?.logical_plan().clone();
        return Ok(Upsert { rows, mode: CommitMode::Append, replaced: 0 });
    };
    let stored = align(session.read(table).await?, &version(incoming.clone(), contract, as_of)?)?;
    let open = || ident(platform::VALID_TO).is_null();
    let current = stored.clone().filter(open()).map_err(SqlError::engine)?;
    let columns: Vec<&str> = contract.columns.iter().map(|c| c.name.as_str()).collect();
    let same: Vec<Expr> = columns
        .iter()
        .map(|name| {
            datafusion::logical_expr::Expr::BinaryExpr(datafusion::logical_expr::BinaryExpr::new(
                Box::new(ident(format!("new_{name}"))),
                datafusion::logical_expr::Operator::IsNotDistinctFrom,
                Box::new(ident(*name)),
            ))
        })
        .collect();
    let renamed = incoming
        .clone()
        .select(columns.iter().map(|name| ident(*name).alias(format!("new_{name}"))).collect::<Vec<_>>())
        .map_err(SqlError::engine)?;
    // Unchanged rows are no news.
    let unchanged = renamed.clone().join_on(current, JoinType::LeftSemi, same).map_err(SqlError::engine)?;
    let key = &contract.key[0];
    let unchanged_keys =
        unchanged.select(vec![ident(format!("new_{key}")).alias("same_key")]).map_err(SqlError::engine)?;
    let changed = incoming
        .join(unchanged_keys, JoinType::LeftAnti, &[key], &["same_key"], None)
        .map_err(SqlError::engine)?;
    let changed_keys =
        changed.clone().select(vec![ident(key).alias("changed_key")]).map_err(SqlError::engine)?;
    let closed = stored
        .join(changed_keys, JoinType::Left, &[key], &["changed_key"], None)
        .map_err(SqlError::engine)?;
    let ends = ident("changed_key").is_not_null().and(open());
    let valid_to = when(ends.clone(), instant_literal(as_of))
        .otherwise(ident(platform::VALID_TO))
        .map_err(SqlError::engine)?;
    let mut kept: Vec<Expr> = columns.iter().map(|name| ident(*name)).collect();
    kept.push(ident(platform::VALID_FROM));
    kept.push(valid_to.alias(platform::VALID_TO));
    let replaced =
        count_rows(session, closed.clone().filter(ends.clone()).map_err(SqlError::engine)?).await?;
    // A version that would end before it begins never was valid.
    let never = ends.and(ident(platform::VALID_FROM).gt_eq(instant_literal(as_of)));
    let closed = closed.filter(never.is_not_true()).and_then(|f| f.select(kept)).map_err(SqlError::engine)?;
    let rows =
        closed.union(version(changed, contract, as_of)?).map_err(SqlError::engine)?.logical_plan().clone();
    Ok(Upsert { rows, mode: CommitMode::Overwrite, replaced })
}

fn version(rows: DataFrame, contract: &Contract, from: Timestamp) -> Result<DataFrame, SqlError> {
    let mut columns: Vec<Expr> = contract.columns.iter().map(|c| ident(&c.name)).collect();
    columns.push(instant_literal(from).alias(platform::VALID_FROM));
    let open = ScalarValue::TimestampMicrosecond(None, Some("UTC".into()));
    columns.push(lit(open).alias(platform::VALID_TO));
    rows.select(columns).map_err(SqlError::engine)
}

fn join(
    stored: &DataFrame,
    incoming: &DataFrame,
    contract: &Contract,
    kind: JoinType,
) -> Result<DataFrame, SqlError> {
    let theirs: Vec<String> = contract.key.iter().map(|name| format!("incoming_{name}")).collect();
    let renamed: Vec<Expr> =
        contract.key.iter().zip(&theirs).map(|(name, alias)| ident(name).alias(alias)).collect();
    let incoming = incoming.clone().select(renamed).map_err(SqlError::engine)?;
    let left: Vec<&str> = contract.key.iter().map(String::as_str).collect();
    let right: Vec<&str> = theirs.iter().map(String::as_str).collect();
    stored.clone().join(incoming, kind, &left, &right, None).map_err(SqlError::engine)
}

/// The stored rows with the columns of the incoming ones: a column that is new is null in what was there.
fn align(stored: DataFrame, incoming: &DataFrame) -> Result<DataFrame, SqlError> {
    let columns: Vec<Expr> = incoming
        .schema()
        .fields()
        .iter()
        .map(|field| match stored.schema().has_column_with_unqualified_name(field.name()) {
            true => ident(field.name()),
            false => {
                lit(ScalarValue::try_from(field.data_type()).unwrap_or(ScalarValue::Null)).alias(field.name())
            }
        })
        .collect();
    stored.select(columns).map_err(SqlError::engine)
}

async fn count_rows(session: &Session, frame: DataFrame) -> Result<u64, SqlError> {
    let counted = frame.aggregate(vec![], vec![count(lit(1))]).map_err(SqlError::engine)?;
    let batches = session.collect_frame(counted).await?.batches;
    Ok(tranche_sql::column_i64(&batches, 0)?
        .into_iter()
        .flatten()
        .next()
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or(0))
}
