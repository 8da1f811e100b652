//! What refreshes published, read back.

use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::lit;
use datafusion::prelude::ident;
use jiff::Timestamp;
use serde::Serialize;
use tranche_schema::platform::{self, memberships, segment_history as columns};
use tranche_sql::{Collected, Session, column_i64, column_text, instant_literal};
use tranche_store::Lake;

use crate::error::SegmentError;
use crate::refresh::instants;

/// The folder of the table with one row for each refresh and segment.
pub const HISTORY_TABLE: &str = "segment_history";

/// The folder of an entity's memberships.
#[must_use]
pub fn memberships_table(entity: &str) -> String {
    format!("memberships/{entity}")
}

/// The folder of an entity's wide table.
#[must_use]
pub fn traits_table(entity: &str) -> String {
    format!("traits/{entity}")
}

/// What one refresh found of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryRow {
    /// The segment.
    pub segment: String,
    /// The segmented entity.
    pub entity: String,
    /// Its members.
    pub size: u64,
    /// Members that the refresh before did not have.
    pub entered: u64,
    /// Members of the refresh before that were no longer.
    pub exited: u64,
    /// Ids that the definition returned and the universe lacked.
    pub unmatched: u64,
    /// The instant of the refresh.
    pub as_of: Timestamp,
}

/// Every refresh of every segment up to the session's `as_of`, oldest first.
///
/// # Errors
/// [`SegmentError`] when the history cannot be read.
pub async fn history(lake: &Lake, session: &Session) -> Result<Vec<HistoryRow>, SegmentError> {
    let Some(snapshot) = lake.snapshot(HISTORY_TABLE).await? else { return Ok(Vec::new()) };
    let names = [
        platform::SEGMENT,
        columns::ENTITY,
        columns::SIZE,
        columns::ENTERED,
        columns::EXITED,
        columns::UNMATCHED,
        platform::AS_OF,
    ];
    let frame = session
        .read(&snapshot)
        .await?
        .filter(ident(platform::AS_OF).lt_eq(instant_literal(session.as_of())))
        .and_then(|f| f.select(names.iter().map(|name| ident(*name)).collect::<Vec<_>>()))
        .and_then(|f| f.sort(vec![ident(platform::AS_OF).sort(true, false), ident(platform::SEGMENT).sort(true, false)]))
        .map_err(tranche_sql::SqlError::engine)?;
    let batches = session.collect_frame(frame).await?.batches;
    let (segments, entities) = (column_text(&batches, 0)?, column_text(&batches, 1)?);
    let counts = (2..6).map(|column| column_i64(&batches, column)).collect::<Result<Vec<_>, _>>()?;
    let as_ofs = instants(&batches, 6)?;
    let count = |column: usize, row: usize| counts[column][row].and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
    let rows = segments.into_iter().zip(entities).zip(as_ofs).enumerate();
    Ok(rows
        .filter_map(|(row, ((segment, entity), as_of))| {
            Some(HistoryRow {
                segment: segment?,
                entity: entity?,
                size: count(0, row),
                entered: count(1, row),
                exited: count(2, row),
                unmatched: count(3, row),
                as_of: as_of?,
            })
        })
        .collect())
}

/// The latest row of each segment in a history that is oldest first.
#[must_use]
pub fn latest(history: &[HistoryRow]) -> Vec<HistoryRow> {
    let mut latest: indexmap::IndexMap<&str, &HistoryRow> = indexmap::IndexMap::new();
    for row in history {
        latest.insert(&row.segment, row);
    }
    latest.sort_unstable_keys();
    latest.into_values().cloned().collect()
}

/// The keys of a segment's members at the session's `as_of`, in order: one column under the key's own name.
///
/// # Errors
/// [`SegmentError`] when memberships cannot be read.
pub async fn members(
    lake: &Lake,
    session: &Session,
    entity: &str,
    key: &str,
    segment: &str,
) -> Result<Option<Collected>, SegmentError> {
    let Some(snapshot) = lake.snapshot(&memberships_table(entity)).await? else { return Ok(None) };
    let now = || instant_literal(session.as_of());
    let exited = || ident(memberships::EXITED_AT);
    let current = ident(platform::SEGMENT)
        .eq(lit(segment))
        .and(ident(memberships::ENTERED_AT).lt_eq(now()))
        .and(exited().is_null().or(exited().gt(now())));
    let frame = session
        .read(&snapshot)
        .await?
        .filter(current)
        .and_then(|f| f.select(vec![ident(key)]))
        .and_then(|f| f.sort(vec![ident(key).sort(true, false)]))
        .map_err(tranche_sql::SqlError::engine)?;
    Ok(Some(session.collect_frame(frame).await?))
}

/// The instant of the last refresh of a pipeline's segments of an entity.
///
/// # Errors
/// [`SegmentError`] when the history cannot be read.
pub async fn last_refresh(
    lake: &Lake,
    session: &Session,
    pipeline: &str,
    entity: &str,
) -> Result<Option<Timestamp>, SegmentError> {
    let Some(snapshot) = lake.snapshot(HISTORY_TABLE).await? else { return Ok(None) };
    let own = ident(columns::PIPELINE).eq(lit(pipeline)).and(ident(columns::ENTITY).eq(lit(entity)));
    let frame = session
        .read(&snapshot)
        .await?
        .filter(own)
        .and_then(|f| f.aggregate(vec![], vec![max(ident(platform::AS_OF))]))
        .map_err(tranche_sql::SqlError::engine)?;
    Ok(instants(&session.collect_frame(frame).await?.batches, 0)?.into_iter().flatten().next())
}
