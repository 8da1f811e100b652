//! Publishing: what an evaluation changes in the memberships, checked, and committed.
//!
//! Traits are committed first, then history, memberships last: that commit makes what the refresh found visible, all of it at once.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use indexmap::IndexMap;
use roaring::RoaringBitmap;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_store::{Commit, CommitMode, Lake, StoreError, Transaction};

use crate::definitions::{Definitions, Expectation, SegmentKind};
use crate::error::SegmentError;
use crate::evaluate::{Evaluation, Members};
use crate::history::OwnHistory;
use crate::memberships::{Change, Key, Memberships, compact, stored_key};
use crate::refresh::{RefreshContext, SegmentReport};
use crate::store::{HistoryRow, memberships_table, traits_table};

/// What is to be published of an entity.
pub(crate) struct Publication {
    entity: String,
    key: Key,
    index: KeyIndex,
    universe: u32,
    segments: IndexMap<String, Members>,
    traits: Option<RecordBatch>,
}

impl Publication {
    /// All that was evaluated.
    pub(crate) fn of(evaluation: Evaluation) -> Result<Self, SegmentError> {
        let schema = evaluation.traits.schema();
        let data_type = schema.field_with_name(&evaluation.key).map_err(SqlError::from)?.data_type().clone();
        Ok(Self {
            key: Key { name: evaluation.key, data_type },
            entity: evaluation.entity,
            index: evaluation.index,
            universe: evaluation.universe,
            segments: evaluation.segments,
            traits: Some(evaluation.traits),
        })
    }

    /// That nobody is in any segment of an entity which nothing is defined for any more.
    pub(crate) async fn of_nobody(lake: &Lake, entity: &str) -> Result<Option<Self>, SegmentError> {
        let Some(stored) = lake.snapshot(&memberships_table(entity)).await? else { return Ok(None) };
        let Some(key) = stored_key(&stored)? else { return Ok(None) };
        let index = KeyIndex::new(&key.data_type);
        Ok(Some(Self { entity: entity.to_owned(), key, index, universe: 0, segments: IndexMap::new(), traits: None }))
    }
}

/// Publishes as of the session's instant; all of it becomes visible at once, or nothing.
pub(crate) async fn publish(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    publication: &mut Publication,
    context: &RefreshContext<'_>,
) -> Result<Vec<SegmentReport>, SegmentError> {
    let mut attempts = 1;
    let reports = loop {
        match attempt(definitions, wanted, publication, context).await {
            // Other pipelines have segments of the same entity.
            Err(SegmentError::Store(StoreError::Conflict { .. })) if attempts < ATTEMPTS => attempts += 1,
            outcome => break outcome?,
        }
    };
    // What is published is published; files that could not be merged today are merged another day.
    let _ = compact::compact(context.lake, &publication.entity).await;
    Ok(reports)
}

/// How often memberships are read and changed anew when another commit was in the way.
const ATTEMPTS: usize = 5;

async fn attempt(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    publication: &mut Publication,
    context: &RefreshContext<'_>,
) -> Result<Vec<SegmentReport>, SegmentError> {
    let RefreshContext { lake, session, pipeline, transaction, .. } = *context;
    let as_of = session.as_of();
    let entity = publication.entity.clone();
    let table = memberships_table(&entity);
    let base = lake.snapshot(&table).await?;
    let mut history = OwnHistory::read(lake, session, pipeline, &entity, base.as_ref()).await?;
    // Membership is a history: it grows at its end, unless its author asks to rebuild it.
    if let Some(last) = history.last().filter(|last| *last > as_of && !context.full) {
        return Err(SegmentError::Earlier { last, as_of });
    }
    let names = names(definitions, wanted, publication, &history, context);
    let wanted_names: BTreeSet<String> = names.iter().cloned().collect();
    let key = publication.key.clone();
    let mut memberships = Memberships::read(table, base, key, &mut publication.index, &wanted_names, as_of).await?;
    let found: Vec<Members> = names.iter().map(|name| publication.segments.get(name).cloned().unwrap_or_default()).collect();
    let members: Vec<(String, RoaringBitmap)> =
        names.iter().cloned().zip(found.iter().map(|members| members.entities.clone())).collect();
    let changes = memberships.apply(members, as_of).await?;
    let mut reports = Vec::new();
    let mut violations = Vec::new();
    for ((name, members), change) in names.into_iter().zip(&found).zip(changes) {
        if let Some(definition) = definitions.definition_of(&name) {
            let share = members.share(publication.universe);
            violations.extend(definition.expect.violations(&name, definition.kind, change, share));
        }
        reports.push(SegmentReport {
            segment: name,
            entity: entity.clone(),
            size: change.size,
            entered: change.entered,
            exited: change.exited,
            unmatched: members.unmatched,
            null_keys: members.null_keys,
            null_predicates: members.null_predicates,
        });
    }
    if !violations.is_empty() {
        return Err(SegmentError::Expectation(violations));
    }
    // A refresh of some segments computes some traits; the table holds all of them.
    if let Some(traits) = publication.traits.as_ref().filter(|_| wanted.is_none()) {
        commit_traits(&entity, traits, context).await?;
    }
    let rows: Vec<HistoryRow> = reports.iter().map(|report| history_row(report, as_of)).collect();
    let is_published = match memberships.base() {
        Some(base) => base.has_transaction(transaction).await?,
        None => rows.is_empty(),
    };
    if !is_published && (memberships.is_changed() || !history.says(&rows)) {
        let mut transactions = vec![Transaction::new(transaction, 1)];
        transactions.extend(history.write(lake, session, transaction, &rows).await?);
        memberships.commit(lake, &publication.index, transactions).await?;
    }
    // Rows that no longer count are not seen by us whether they are there or not.
    let _ = history.tidy(lake, session, transaction).await;
    Ok(reports)
}

/// The segments that are published: those that were found, labels of sets that nobody has any more, and those that are no longer
/// defined.
fn names(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    publication: &Publication,
    history: &OwnHistory,
    context: &RefreshContext<'_>,
) -> Vec<String> {
    let is_wanted = |segment: &str| {
        wanted.is_none_or(|names| names.iter().any(|name| name == segment || segment.split('/').next() == Some(name.as_str())))
    };
    let mut names: Vec<String> = publication.segments.keys().filter(|name| is_wanted(name)).cloned().collect();
    for (segment, last) in history.latest() {
        let is_gone = !publication.segments.contains_key(segment) && is_wanted(segment);
        let is_label = is_defined(definitions, &publication.entity, segment);
        // The memberships of a segment that is no longer defined are ended once.
        let is_open = last.size > 0 || last.as_of >= context.session.as_of();
        if is_gone && (is_label || (wanted.is_none() && is_open)) {
            names.push(segment.to_owned());
        }
    }
    names
}

/// Whether a segment that was published before is still defined as what it was.
fn is_defined(definitions: &Definitions, entity: &str, segment: &str) -> bool {
    let kind = if segment.contains('/') { SegmentKind::Set } else { SegmentKind::Single };
    definitions.definition_of(segment).is_some_and(|definition| definition.kind == kind && definition.entity == entity)
}

fn history_row(report: &SegmentReport, as_of: jiff::Timestamp) -> HistoryRow {
    HistoryRow {
        segment: report.segment.clone(),
        entity: report.entity.clone(),
        size: report.size,
        entered: report.entered,
        exited: report.exited,
        unmatched: report.unmatched,
        null_keys: report.null_keys,
        null_predicates: report.null_predicates,
        as_of,
    }
}

impl Expectation {
    #[expect(clippy::cast_precision_loss, reason = "shares of members")]
    fn violations(&self, segment: &str, kind: SegmentKind, change: Change, share: f64) -> Vec<String> {
        let mut found = Vec::new();
        let Change { size, entered, exited } = change;
        let before = size + exited - entered;
        if let Some(min) = self.min_size.filter(|min| size < *min) {
            found.push(format!("segment `{segment}` has {size} members, expected at least {min}"));
        } else if size == 0 && before > 0 && kind == SegmentKind::Single && !self.may_become_empty {
            // A label comes and goes with the data; a segment of its own that nobody is in any more is rather a mistake.
            found.push(format!(
                "segment `{segment}` has no members and had {before}; if that may be, say `expect: {{not_empty: false}}`"
            ));
        }
        if let Some(max) = self.max_size.filter(|max| size > *max) {
            found.push(format!("segment `{segment}` has {size} members, expected at most {max}"));
        }
        if let Some([low, high]) = self.share.filter(|[low, high]| share < *low || share > *high) {
            found.push(format!("segment `{segment}` is {share:.4} of everyone, expected {low} to {high}"));
        }
        let turnover = if before == 0 { 0.0 } else { entered.max(exited) as f64 / before as f64 };
        if let Some(max) = self.max_turnover.filter(|max| turnover > *max) {
            found.push(format!("segment `{segment}` changed by {turnover:.4} of its members, expected at most {max}"));
        }
        found
    }
}

async fn commit_traits(entity: &str, traits: &RecordBatch, context: &RefreshContext<'_>) -> Result<(), SegmentError> {
    let rows = context.session.frame(traits.schema(), vec![traits.clone()])?.logical_plan().clone();
    let commit = Commit::new(&traits_table(entity), context.transaction, CommitMode::Overwrite, rows);
    context.lake.commit(context.session.shared_state(), commit).await?;
    Ok(())
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
