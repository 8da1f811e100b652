//! How old tables and segments are, and which are older than they may be.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tranche_observe::Message;

use crate::definitions::ProjectDefinitions;
use crate::failure::Failure;
use crate::tranche::Tranche;

/// Tables and segments that are older than their `freshness`.
pub async fn stale(tranche: &Tranche, now: Timestamp) -> Result<Vec<Message>, Failure> {
    let newest = newest(tranche).await?;
    let limits = limits(&tranche.definitions);
    let is_old = |newest: Option<Timestamp>, limit: std::time::Duration| {
        newest.is_none_or(|newest| {
            std::time::Duration::try_from(now.duration_since(newest)).is_ok_and(|age| age > limit)
        })
    };
    let stale = limits.into_iter().filter_map(|(key, limit)| {
        let newest = newest.get(&key).copied();
        is_old(newest, limit).then(|| Message::not_fresh(key.0, &key.1, newest, limit, now))
    });
    Ok(stale.collect())
}

/// A kind, `table` or `segment`, and a name.
pub type Named = (&'static str, String);

fn limits(definitions: &ProjectDefinitions) -> BTreeMap<Named, std::time::Duration> {
    let tables = definitions.freshness.iter().map(|(table, limit)| (("table", table.clone()), *limit));
    let segments = definitions.pipelines.values().flat_map(|pipeline| pipeline.definitions.segments.values());
    let segments =
        segments.filter_map(|segment| Some((("segment", segment.name.clone()), segment.freshness?)));
    tables.chain(segments).collect()
}

/// The instant that the newest data is of: for a table that of its last load, for a segment or set that of its last refresh.
pub async fn newest(tranche: &Tranche) -> Result<BTreeMap<Named, Timestamp>, Failure> {
    let lake = tranche.lake()?;
    let session = tranche.engine.session(tranche.instant_or_latest(None)?);
    let mut newest: BTreeMap<Named, Timestamp> = BTreeMap::new();
    for (table, as_of) in tranche_ingest::last_loads(&lake, &session).await? {
        newest.insert(("table", table), as_of);
    }
    for row in tranche_segment::store::history(&lake, &session).await? {
        let known =
            tranche.definitions.segment(&row.segment).map(|(_, _, definition)| definition.name.clone());
        let at = newest.entry(("segment", known.unwrap_or(row.segment))).or_insert(row.as_of);
        *at = (*at).max(row.as_of);
    }
    Ok(newest)
}
