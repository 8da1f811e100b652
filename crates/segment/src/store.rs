//! What refreshes published, read back.

use datafusion::logical_expr::lit;
use datafusion::prelude::ident;
use jiff::Timestamp;
use tranche_schema::layout;
use tranche_schema::platform::{self, memberships};
use tranche_sql::{Collected, Session, instant_literal};
use tranche_store::Lake;

use crate::error::SegmentError;
pub use crate::history::HistoryRow;
use crate::history::{OwnHistory, are_complete, entries, latest_publications, published};

/// The folder of the table with one row for each refresh and segment.
pub const HISTORY_TABLE: &str = layout::SEGMENT_HISTORY.folder;

/// The folder of an entity's memberships.
#[must_use]
pub fn memberships_table(entity: &str) -> String {
    layout::MEMBERSHIPS.of(entity)
}

/// The folder of an entity's wide table.
#[must_use]
pub fn traits_table(entity: &str) -> String {
    layout::TRAITS.of(entity)
}

/// The mark on an entity's wide table that says as of which instant a pipeline's traits in it are.
pub(crate) fn traits_mark(pipeline: &str) -> String {
    format!("as_of/{pipeline}")
}

/// Every published refresh of every segment up to the session's `as_of`, oldest first.
///
/// # Errors
/// [`SegmentError`] when the history cannot be read.
pub async fn history(lake: &Lake, session: &Session) -> Result<Vec<HistoryRow>, SegmentError> {
    let mut attempts = 1;
    loop {
        let Some(snapshot) = lake.snapshot(HISTORY_TABLE).await? else { return Ok(Vec::new()) };
        let all = entries(&snapshot, session, None).await?;
        // The history is read first: rows that are replaced are removed only after those that replace them are published.
        let publications = latest_publications(lake, &all).await?;
        if are_complete(&all, &publications) || attempts == ATTEMPTS {
            let rows = published(all, &publications).into_iter().map(|entry| entry.row);
            return Ok(rows.filter(|row| row.as_of <= session.as_of()).collect());
        }
        attempts += 1;
    }
}

/// How often history is read again when there is a publication by then that it lacks.
const ATTEMPTS: usize = 20;

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
    let base = lake.snapshot(&memberships_table(entity)).await?;
    Ok(OwnHistory::read(lake, session, pipeline, entity, base.as_ref()).await?.last())
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
