//! What was read for a report, and what was not let in.

use datafusion::common::JoinType;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::{DataFrame, ident};
use indexmap::IndexMap;
use tranche_schema::layout;
use tranche_schema::platform::{self, loads, quarantine};
use tranche_sql::{Session, SqlError, column_i64, column_text, instant_literal};
use tranche_store::{Lake, Snapshot};

use crate::context::BuildContext;
use crate::document::{DataQuality, RejectReason, SourceQuality, UnmatchedIds};
use crate::error::ReportError;

/// At most this many reasons are named per source.
const REASONS: usize = 8;

/// The reason of rows of which only a text with their values is known.
const REJECTED: &str = "is not what its contract asks for";

/// The data of a report, if anything is known of it.
pub(crate) fn data_quality(sources: Vec<SourceQuality>, unmatched: Vec<UnmatchedIds>) -> Option<DataQuality> {
    let is_known = !sources.is_empty() || !unmatched.is_empty();
    is_known.then_some(DataQuality { sources, unmatched })
}

/// What each source gave up to the session's `as_of`, and why rows of it were rejected.
pub(crate) async fn sources(context: &BuildContext<'_>) -> Result<Vec<SourceQuality>, ReportError> {
    let (lake, session) = (context.lake, context.session);
    let own = context.sources.iter().map(|source| lit(source.as_str())).collect();
    let Some(snapshot) = lake.snapshot(layout::LOADS.folder).await? else { return Ok(Vec::new()) };
    let frame = session
        .read(&snapshot)
        .await?
        .filter(before(session).and(ident(loads::SOURCE).in_list(own, false)))
        .and_then(|f| {
            let totals =
                vec![count(lit(1)).alias("files"), sum(ident(loads::ROWS)), sum(ident(loads::REJECTED))];
            f.aggregate(vec![ident(loads::SOURCE)], totals)
        })
        .and_then(|f| f.sort(vec![ident(loads::SOURCE).sort(true, false)]))
        .map_err(SqlError::engine)?;
    let batches = session.collect_frame(frame).await?.batches;
    let numbers = (1..4).map(|column| column_i64(&batches, column)).collect::<Result<Vec<_>, _>>()?;
    let number = |column: usize, row: usize| {
        numbers[column][row].and_then(|n| u64::try_from(n).ok()).unwrap_or_default()
    };
    let mut sources = Vec::new();
    for (row, source) in column_text(&batches, 0)?.into_iter().enumerate() {
        let Some(source) = source else { continue };
        let rejected = number(2, row);
        let reasons =
            if rejected > 0 { reasons(&source, &snapshot, lake, session).await? } else { Vec::new() };
        sources.push(SourceQuality {
            source,
            files: number(0, row),
            rows: number(1, row),
            rejected,
            reasons,
        });
    }
    Ok(sources)
}

/// Why rows were rejected of what a source's loads took in: rows of files that were never loaded count nowhere.
async fn reasons(
    source: &str,
    loads: &Snapshot,
    lake: &Lake,
    session: &Session,
) -> Result<Vec<RejectReason>, ReportError> {
    const LOADED: [&str; 2] = ["loaded file", "loaded reading"];
    let Some(snapshot) = lake.snapshot(&layout::QUARANTINE.of(source)).await? else { return Ok(Vec::new()) };
    let loads = session.read(loads).await?;
    let rejects = session.read(&snapshot).await?;
    let loaded = vec![ident(loads::FILE).alias(LOADED[0]), reading(&loads, loads::READING).alias(LOADED[1])];
    let own = ident(loads::SOURCE).eq(lit(source));
    let loaded = loads.filter(before(session).and(own)).and_then(|f| f.select(loaded));
    let loaded = loaded.map_err(SqlError::engine)?;
    let is_loaded = [
        ident(quarantine::FILE).eq(ident(LOADED[0])),
        reading(&rejects, quarantine::READING).eq(ident(LOADED[1])),
    ];
    // Rows from before there were kinds.
    let kind = match rejects.schema().has_column_with_unqualified_name(quarantine::KIND) {
        true => coalesce(vec![ident(quarantine::KIND), lit(REJECTED)]),
        false => lit(REJECTED),
    };
    let frame = loaded
        .join_on(rejects, JoinType::Inner, is_loaded)
        .and_then(|f| {
            let by = vec![ident(quarantine::COLUMN), kind.alias(quarantine::KIND)];
            f.aggregate(by, vec![count(lit(1)).alias("count")])
        })
        .map_err(SqlError::engine)?;
    let batches = session.collect_frame(frame).await?.batches;
    let counts = column_i64(&batches, 2)?;
    let mut grouped: IndexMap<String, u64> = IndexMap::new();
    for ((column, reason), rows) in
        column_text(&batches, 0)?.into_iter().zip(column_text(&batches, 1)?).zip(counts)
    {
        let reason = reason.unwrap_or_default();
        let shown = column.map_or_else(|| reason.clone(), |column| format!("{column}: {reason}"));
        *grouped.entry(shown).or_default() += rows.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    }
    grouped.sort_by(|a, x, b, y| y.cmp(x).then(a.cmp(b)));
    let mut reasons: Vec<RejectReason> =
        grouped.into_iter().map(|(reason, count)| RejectReason { reason, count }).collect();
    // All of them add up to the rows that were rejected.
    let others: u64 = reasons.iter().skip(REASONS).map(|reason| reason.count).sum();
    reasons.truncate(REASONS);
    if others > 0 {
        reasons.push(RejectReason { reason: "other reasons".to_owned(), count: others });
    }
    Ok(reasons)
}

/// Loads up to the session's instant.
fn before(session: &Session) -> Expr {
    ident(platform::AS_OF).lt_eq(instant_literal(session.as_of()))
}

/// The reading that a row is of; rows from before readings were told apart have none.
fn reading(rows: &DataFrame, name: &str) -> Expr {
    match rows.schema().has_column_with_unqualified_name(name) {
        true => coalesce(vec![ident(name), lit("")]),
        false => lit(""),
    }
}
