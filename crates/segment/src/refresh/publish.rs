//! Publishing: what evaluations at one instant, or at several in a row, change in the memberships, checked, and committed.
//!
//! Traits are committed first, then history, memberships last: that commit makes what was found visible, all of it at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::future::try_join;
use indexmap::IndexMap;
use jiff::Timestamp;
use tranche_sql::SqlError;
use tranche_sql::keys::KeyIndex;
use tranche_store::commit::Transaction;
use tranche_store::{Lake, StoreError};

use super::destination::Destination;
use super::history_policy::HistoryPolicy;
use super::report::SegmentReport;
use super::wide_table::WideTable;
use crate::definition::definitions::Definitions;
use crate::definition::names::{SegmentName, is_wanted};
use crate::definition::validated::{Expectation, SegmentKind};
use crate::error::SegmentError;
use crate::evaluate::{Evaluation, Members};
use crate::history::{HistoryRow, NewRows, OwnHistory};
use crate::memberships::{
    Change, Changes, Key, MembershipTable, Memberships, NewMembers, compact, stored_key,
};
use crate::recomputed::{UNKNOWN_INPUTS, inputs_mark};
use crate::store::memberships_table;

/// New results of an entity, to be published.
pub(crate) struct Publication {
    pub(crate) entity: String,
    pub(crate) key: Key,
    pub(crate) index: Arc<KeyIndex>,
    /// The results at each instant, in rising order; at least one.
    pub(crate) findings: Vec<Findings>,
    /// The wide table at the last instant.
    pub(crate) traits: Option<RecordBatch>,
    /// The version of the entity's own table, where the wide table has nothing but that.
    pub(crate) copy_of: Option<u64>,
    /// Definitions that failed: what was published of them stays.
    pub(crate) failed: BTreeSet<String>,
    /// What it was made from, where all that there is was evaluated.
    pub(crate) inputs: i64,
}

/// The members of each segment at an instant.
pub(crate) struct Findings {
    pub(crate) as_of: Timestamp,
    pub(crate) universe: u32,
    /// The members, numbered by the publication's index.
    pub(crate) segments: IndexMap<String, Members>,
}

impl Findings {
    /// No members in any segment.
    fn none(as_of: Timestamp) -> Self {
        Self { as_of, universe: 0, segments: IndexMap::new() }
    }
}

impl Publication {
    /// All that was evaluated at an instant.
    pub(crate) fn of(evaluation: Evaluation, as_of: Timestamp) -> Result<Self, SegmentError> {
        Ok(Self {
            key: key_of(&evaluation)?,
            entity: evaluation.entity,
            index: evaluation.index,
            findings: vec![Findings { as_of, universe: evaluation.universe, segments: evaluation.segments }],
            traits: Some(evaluation.traits),
            copy_of: None,
            failed: BTreeSet::new(),
            inputs: UNKNOWN_INPUTS,
        })
    }

    /// No members in any segment of an entity that has no definitions any more.
    pub(crate) async fn without_members(
        lake: &Lake,
        entity: &str,
        instants: &[Timestamp],
    ) -> Result<Option<Self>, SegmentError> {
        let Some(stored) = lake.snapshot(&memberships_table(entity)).await? else { return Ok(None) };
        let Some(key) = stored_key(&stored)? else { return Ok(None) };
        let index = Arc::new(KeyIndex::new(&key.data_type));
        let findings = instants.iter().copied().map(Findings::none).collect();
        Ok(Some(Self {
            entity: entity.to_owned(),
            key,
            index,
            findings,
            traits: None,
            copy_of: None,
            failed: BTreeSet::new(),
            inputs: UNKNOWN_INPUTS,
        }))
    }
}

/// The key of an evaluated entity.
pub(crate) fn key_of(evaluation: &Evaluation) -> Result<Key, SegmentError> {
    let schema = evaluation.traits.schema();
    let data_type = schema.field_with_name(&evaluation.key).map_err(SqlError::from)?.data_type().clone();
    Ok(Key { name: evaluation.key.clone(), data_type })
}

/// Publishes the results of each instant; all of it becomes visible at once, or nothing.
pub(crate) async fn publish(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    publication: &mut Publication,
    to: &Destination<'_>,
) -> Result<Vec<SegmentReport>, SegmentError> {
    let mut attempts = 1;
    let reports = loop {
        match attempt(definitions, wanted, publication, to).await {
            // Others publish segments of the same entity: other pipelines, and other runs of this one.
            Err(SegmentError::Store(StoreError::Conflict { .. })) if attempts < ATTEMPTS => attempts += 1,
            outcome => break outcome?,
        }
    };
    tidy(to.lake, &publication.entity).await;
    Ok(reports)
}

/// Merges files of an entity's memberships when there are many. The publication stands; merging that fails is
/// tried again by the next one.
async fn tidy(lake: &Lake, entity: &str) {
    if let Err(error) = compact::compact(lake, entity).await {
        tracing::warn!(entity, %error, "files of memberships could not be merged");
    }
}

/// How often memberships are read and changed again when another commit was in the way. Each time another publication came through.
const ATTEMPTS: usize = 50;

async fn attempt(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    publication: &mut Publication,
    to: &Destination<'_>,
) -> Result<Vec<SegmentReport>, SegmentError> {
    let Destination { lake, session, pipeline, transaction, policy, .. } = *to;
    let instants: Vec<Timestamp> = publication.findings.iter().map(|findings| findings.as_of).collect();
    let [first, ..] = instants[..] else { return Ok(Vec::new()) };
    let entity = publication.entity.clone();
    let folder = memberships_table(&entity);
    let base = lake.snapshot(&folder).await?;
    let mut history = OwnHistory::read(lake, session, pipeline, &entity, base.as_ref()).await?;
    policy.allow(&history.rows, wanted, &instants)?;
    let names = names(definitions, wanted, publication, &history, to);
    let all_names: BTreeSet<String> = names.iter().flatten().cloned().collect();
    let table = MembershipTable { folder, base, key: publication.key.clone(), threads: session.threads() };
    // A refresh of some segments computes some traits; the table holds all of them.
    let traits = publication.traits.as_ref().filter(|_| wanted.is_none());
    let wide = WideTable { entity: &entity, key: &publication.key.name, copy_of: publication.copy_of };
    let (mut memberships, traits) = try_join(
        Memberships::read(table, &mut publication.index, &all_names, first),
        wide.planned(traits, definitions, to),
    )
    .await?;
    tracing::debug!(entity, "memberships are read");
    let found = apply(definitions, publication, names, (&mut memberships, &history), policy).await?;
    if let Some(traits) = traits {
        traits.commit(to).await?;
        tracing::debug!(entity, "traits are written");
    }
    if !is_published(&memberships, transaction, &found.rows.rows).await?
        && (memberships.is_changed() || !history.says(&found.rows))
    {
        let mut transactions = vec![Transaction::new(transaction, 1)];
        if history.last() <= instants.last().copied() {
            transactions.push(Transaction::new(inputs_mark(pipeline), publication.inputs));
        }
        transactions.extend(history.write(lake, session, transaction, &found.rows).await?);
        let made = memberships.commit(lake, &publication.index, transactions).await?;
        history.verify(made.as_ref()).await?;
    }
    // Rows that no longer count are not seen by us whether they are there or not.
    let _ = history.tidy(lake, session, transaction).await;
    Ok(found.reports)
}

/// What a publication changes.
struct Applied {
    reports: Vec<SegmentReport>,
    rows: NewRows,
}

/// Makes what was found the members of each segment at each instant, and checks the last.
async fn apply(
    definitions: &Definitions,
    publication: &Publication,
    names: Vec<Vec<String>>,
    (memberships, history): (&mut Memberships, &OwnHistory),
    policy: HistoryPolicy,
) -> Result<Applied, SegmentError> {
    let mut reports: IndexMap<String, SegmentReport> = IndexMap::new();
    let mut rows: Vec<HistoryRow> = Vec::new();
    let mut violations = Vec::new();
    for (findings, names) in publication.findings.iter().zip(names) {
        let as_of = findings.as_of;
        let found: Vec<Members> =
            names.iter().map(|name| findings.segments.get(name).cloned().unwrap_or_default()).collect();
        let later: Vec<Vec<Timestamp>> = names
            .iter()
            .map(|name| if policy.keeps_later() { history.later(name, as_of) } else { Vec::new() })
            .collect();
        let new = names.iter().zip(&found).zip(&later);
        let members = new.map(|((name, found), later)| NewMembers {
            segment: name.clone(),
            entities: found.entities.clone(),
            until: later.first().copied(),
        });
        let changes = memberships.set(members.collect(), as_of).await?;
        // Only what is true now can be acted upon: of several instants, the last has to hold.
        violations.clear();
        for (((name, members), change), later) in names.into_iter().zip(&found).zip(changes).zip(&later) {
            if let Some(definition) = definitions.definition_of(&name) {
                let share = members.share(findings.universe);
                violations.extend(definition.expect.violations(&name, definition.kind, change.now, share));
            }
            rows.extend(rows_after(&name, &publication.entity, change, later, history));
            let row = history_row(name, &publication.entity, members, change.now, as_of);
            match reports.get_mut(&row.segment) {
                Some(report) => report.advance(&row),
                None => {
                    reports.insert(row.segment.clone(), SegmentReport::of(&row));
                }
            }
            rows.push(row);
        }
    }
    if !violations.is_empty() {
        return Err(SegmentError::Expectation(violations));
    }
    let rows = NewRows { rows, keeps_later: policy.keeps_later() };
    Ok(Applied { reports: reports.into_values().collect(), rows })
}

/// What a change of a segment is at later instants that are published: who entered and exited at the next; and none of a label
/// that its set did not give then, because nobody knew it.
fn rows_after(
    name: &str,
    entity: &str,
    change: Changes,
    later: &[Timestamp],
    history: &OwnHistory,
) -> Vec<HistoryRow> {
    let nobody = |change, at| history_row(name.to_owned(), entity, &Members::default(), change, at);
    let mut rows = Vec::new();
    for (&at, change) in later.iter().zip(change.next.into_iter().chain(std::iter::repeat(Change::default())))
    {
        match history.row(name, at) {
            Some(row) => {
                if rows.is_empty() {
                    let Change { entered, exited, .. } = change;
                    rows.push(HistoryRow { entered, exited, ..row.clone() });
                }
                break;
            }
            None => rows.push(nobody(change, at)),
        }
    }
    rows
}

/// Whether the transaction is in the table; without a table, whether there is nothing to write.
async fn is_published(
    memberships: &Memberships,
    transaction: &str,
    rows: &[HistoryRow],
) -> Result<bool, SegmentError> {
    match memberships.base() {
        Some(base) => Ok(base.has_transaction(transaction).await?),
        None => Ok(rows.is_empty()),
    }
}

/// The segments that are published at each instant: those that were found, labels of sets that no entity has any more, and those
/// that are no longer defined; none of a definition that failed.
fn names(
    definitions: &Definitions,
    wanted: Option<&[String]>,
    publication: &Publication,
    history: &OwnHistory,
    to: &Destination<'_>,
) -> Vec<Vec<String>> {
    let entity = publication.entity.as_str();
    let is_failed = |segment: &str| publication.failed.contains(SegmentName::parse(segment).definition);
    // The size and the instant of each segment's last refresh, as this publication has it.
    let mut published: BTreeMap<String, (u64, Timestamp)> = BTreeMap::new();
    let mut all = Vec::new();
    for Findings { as_of, segments, .. } in &publication.findings {
        let until = to.policy.keeps_later().then_some(*as_of);
        let mut latest: BTreeMap<String, (u64, Timestamp)> = history
            .latest(until)
            .into_iter()
            .filter(|(segment, _)| !is_failed(segment))
            .map(|(segment, row)| (segment.to_owned(), (row.size, row.as_of)))
            .collect();
        latest.extend(published.clone());
        let mut names: Vec<String> =
            segments.keys().filter(|name| is_wanted(wanted, name)).cloned().collect();
        for (segment, (size, last)) in &latest {
            let is_gone = !segments.contains_key(segment) && is_wanted(wanted, segment);
            let is_label = is_defined(definitions, entity, segment);
            // The memberships of a segment that is no longer defined, by any pipeline, are ended once.
            let is_open = *size > 0 || last >= as_of;
            let is_over = wanted.is_none() && is_open && !to.elsewhere.defines(entity, segment);
            if is_gone && (is_label || is_over) {
                names.push(segment.clone());
            }
        }
        for name in &names {
            let size = segments.get(name).map_or(0, |members| members.entities.len());
            published.insert(name.clone(), (size, *as_of));
        }
        all.push(names);
    }
    all
}

/// Whether a segment that was published before is still defined as what it was.
fn is_defined(definitions: &Definitions, entity: &str, segment: &str) -> bool {
    let is_label = SegmentName::parse(segment).label.is_some();
    let kind = if is_label { SegmentKind::Set } else { SegmentKind::Single };
    definitions
        .definition_of(segment)
        .is_some_and(|definition| definition.kind == kind && definition.entity == entity)
}

fn history_row(
    segment: String,
    entity: &str,
    members: &Members,
    change: Change,
    as_of: Timestamp,
) -> HistoryRow {
    HistoryRow {
        segment,
        entity: entity.to_owned(),
        size: change.size,
        entered: change.entered,
        exited: change.exited,
        unmatched: members.unmatched,
        null_keys: members.null_keys,
        null_predicates: members.null_predicates,
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
            // A label comes and goes with the data; a single segment that lost all members is more likely a mistake.
            found.push(format!(
                "segment `{segment}` has no members and had {before}; to allow an empty segment, set `expect: {{not_empty: false}}`"
            ));
        }
        if let Some(max) = self.max_size.filter(|max| size > *max) {
            found.push(format!("segment `{segment}` has {size} members, expected at most {max}"));
        }
        if let Some([low, high]) = self.share.filter(|[low, high]| share < *low || share > *high) {
            found
                .push(format!("segment `{segment}` is {share:.4} of the universe, expected {low} to {high}"));
        }
        let turnover = if before == 0 { 0.0 } else { entered.max(exited) as f64 / before as f64 };
        if let Some(max) = self.max_turnover.filter(|max| turnover > *max) {
            found.push(format!(
                "segment `{segment}` changed by {turnover:.4} of its members, expected at most {max}"
            ));
        }
        found
    }
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
