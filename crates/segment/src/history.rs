//! The history of segments: a row for each refresh and segment.
//!
//! Rows are written first, under the number of a publication that is yet to come; the commit of memberships then carries that number,
//! and makes both visible at once. Each row says which publication its own was made upon: those that count are the one that the
//! memberships carry, the one before it, and so on. So of two refreshes at once the rows of one are not taken for the other's, and
//! what a refresh leaves that is cut short is not seen; a later one removes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use datafusion::scalar::ScalarValue;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tranche_schema::layout;
use tranche_schema::platform::{self, segment_history as columns};
use tranche_sql::{Session, SqlError, column_i64, column_text};
use tranche_store::commit::Transaction;
use tranche_store::{Commit, CommitMode, Lake, Snapshot, StoreError};
use uuid::Uuid;

use crate::definition::names::SegmentName;
use crate::error::SegmentError;

/// What one refresh found of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// Rows whose key was null, which meant no entity.
    pub null_keys: u64,
    /// Rows for which the definition's predicate was null, where it is known.
    pub null_predicates: Option<u64>,
    /// The instant of the refresh.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
}

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pipeline: String,
    /// The publication that it belongs to, 0 for one from before there were numbers.
    pub(crate) publication: i64,
    /// The publication that this one was made upon; none where all before it count.
    pub(crate) follows: Option<i64>,
    /// Whether refreshes of later instants stay as they are; else it stands for all from its instant on.
    pub(crate) keeps_later: bool,
    pub(crate) row: HistoryRow,
}

/// The number of the latest publication, by pipeline and entity.
pub(crate) type Published = HashMap<(String, String), i64>;

/// What one pipeline's refreshes found of the segments of one entity.
pub(crate) struct OwnHistory {
    pipeline: String,
    entity: String,
    /// The latest publication.
    publication: i64,
    /// The rows that count.
    pub(crate) rows: Vec<HistoryRow>,
    /// The table, the greatest number of a publication in it, and whether it has rows that do not count.
    base: Option<Snapshot>,
    greatest: i64,
    outdated: bool,
}

/// Every row in the table for which `filter` holds, whether it counts or not.
pub(crate) async fn entries(
    history: &Snapshot,
    session: &Session,
    filter: Option<Expr>,
) -> Result<Vec<Entry>, SegmentError> {
    let stored = history.schema()?;
    let schema = columns::schema();
    // A column that the table gained later is null in what is stored.
    let selected = schema.fields().iter().map(|field| match stored.field_with_name(field.name()) {
        Ok(_) => Ok(ident(field.name())),
        Err(_) => ScalarValue::try_from(field.data_type()).map(|null| lit(null).alias(field.name())),
    });
    let selected = selected.collect::<Result<Vec<_>, _>>().map_err(SqlError::engine)?;
    let frame = session.read(history).await?;
    let frame = match filter {
        Some(filter) => frame.filter(filter).map_err(SqlError::engine)?,
        None => frame,
    };
    let frame = frame.select(selected).map_err(SqlError::engine)?;
    let batches = session.collect_frame(frame).await?.batches;
    let at = |name: &str| schema.index_of(name).map_err(SqlError::from);
    let text = |name: &str| column_text(&batches, at(name)?);
    let number = |name: &str| column_i64(&batches, at(name)?);
    let count = |value: Option<i64>| value.and_then(|n| u64::try_from(n).ok());
    let (as_of, publication) = (number(platform::AS_OF)?, number(columns::PUBLICATION)?);
    let (follows, keeps_later) = (number(columns::FOLLOWS)?, number(columns::KEEPS_LATER)?);
    let (pipeline, entity, segment) =
        (text(columns::PIPELINE)?, text(columns::ENTITY)?, text(platform::SEGMENT)?);
    let (size, entered, exited) =
        (number(columns::SIZE)?, number(columns::ENTERED)?, number(columns::EXITED)?);
    let (unmatched, null_keys) = (number(columns::UNMATCHED)?, number(columns::NULL_KEYS)?);
    let null_predicates = number(columns::NULL_PREDICATES)?;
    let rows = (0..as_of.len()).filter_map(|at| {
        Some(Entry {
            pipeline: pipeline[at].clone()?,
            publication: publication[at].unwrap_or_default(),
            follows: follows[at],
            keeps_later: keeps_later[at] == Some(1),
            row: HistoryRow {
                segment: segment[at].clone()?,
                entity: entity[at].clone()?,
                size: count(size[at]).unwrap_or_default(),
                entered: count(entered[at]).unwrap_or_default(),
                exited: count(exited[at]).unwrap_or_default(),
                unmatched: count(unmatched[at]).unwrap_or_default(),
                null_keys: count(null_keys[at]).unwrap_or_default(),
                null_predicates: count(null_predicates[at]),
                as_of: Timestamp::from_microsecond(as_of[at]?).ok()?,
            },
        })
    });
    Ok(rows.collect())
}

/// The rows that count, in the order of their instants and segments.
pub(crate) fn published(mut entries: Vec<Entry>, published: &Published) -> Vec<Entry> {
    let chains = Chains::of(&entries, published);
    entries.retain(|entry| chains.has(entry));
    entries.sort_by_key(|entry| entry.publication);
    let mut counting: BTreeMap<(String, String, String), Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        let key = (entry.pipeline.clone(), entry.row.entity.clone(), entry.row.segment.clone());
        let rows = counting.entry(key).or_default();
        rows.retain(|before| {
            before.publication == entry.publication || !replaces(&entry.row, entry.keeps_later, &before.row)
        });
        rows.push(entry);
    }
    let mut rows: Vec<Entry> = counting.into_values().flatten().collect();
    rows.sort_by(|a, b| (a.row.as_of, &a.row.segment).cmp(&(b.row.as_of, &b.row.segment)));
    rows
}

/// Whether the rows of all latest publications are among these. Who reads the history before another refresh writes to it, and
/// what is published after that, lacks some.
pub(crate) fn are_complete(entries: &[Entry], published: &Published) -> bool {
    published.iter().all(|((pipeline, entity), &latest)| {
        let is_latest = |entry: &Entry| {
            entry.publication == latest && entry.pipeline == *pipeline && entry.row.entity == *entity
        };
        latest == 0 || entries.iter().any(is_latest)
    })
}

/// The publications of each pipeline and entity whose rows count.
struct Chains<'a>(HashMap<(&'a str, &'a str), Chain>);

/// Publications from the latest to the first that says what it follows, and all up to the one that this one follows.
struct Chain {
    numbers: BTreeSet<i64>,
    all_until: i64,
}

impl<'a> Chains<'a> {
    fn of(entries: &[Entry], published: &'a Published) -> Self {
        let chains = published.iter().map(|((pipeline, entity), &latest)| {
            let own = entries.iter().filter(|e| e.pipeline == *pipeline && e.row.entity == *entity);
            let follows: HashMap<i64, i64> =
                own.filter_map(|entry| Some((entry.publication, entry.follows?))).collect();
            let mut chain = Chain { numbers: BTreeSet::new(), all_until: latest };
            while let Some(&before) = follows.get(&chain.all_until).filter(|&&it| it < chain.all_until) {
                chain.numbers.insert(chain.all_until);
                chain.all_until = before;
            }
            ((pipeline.as_str(), entity.as_str()), chain)
        });
        Self(chains.collect())
    }

    fn has(&self, entry: &Entry) -> bool {
        match self.0.get(&(entry.pipeline.as_str(), entry.row.entity.as_str())) {
            Some(chain) => entry.publication <= chain.all_until || chain.numbers.contains(&entry.publication),
            None => entry.publication == 0,
        }
    }
}

/// Whether a new row takes the place of one of an earlier publication.
fn replaces(new: &HistoryRow, keeps_later: bool, old: &HistoryRow) -> bool {
    let is_replaced = if keeps_later { old.as_of == new.as_of } else { old.as_of >= new.as_of };
    is_replaced && old.segment == new.segment
}

/// The latest publication of each pipeline and entity that the rows name.
pub(crate) async fn latest_publications(lake: &Lake, entries: &[Entry]) -> Result<Published, SegmentError> {
    let mut tables: BTreeMap<&str, Option<Snapshot>> = BTreeMap::new();
    let mut found = Published::new();
    for entry in entries.iter().filter(|entry| entry.publication > 0) {
        let entity = entry.row.entity.as_str();
        let owner = (entry.pipeline.clone(), entity.to_owned());
        if found.contains_key(&owner) {
            continue;
        }
        if !tables.contains_key(entity) {
            tables.insert(entity, lake.snapshot(&layout::MEMBERSHIPS.of(entity)).await?);
        }
        let publication =
            publication_of(tables.get(entity).and_then(Option::as_ref), &entry.pipeline).await?;
        found.insert(owner, publication);
    }
    Ok(found)
}

/// The number of a pipeline's latest publication of an entity's memberships.
async fn publication_of(memberships: Option<&Snapshot>, pipeline: &str) -> Result<i64, StoreError> {
    match memberships {
        Some(table) => Ok(table.transaction_version(&publication_mark(pipeline)).await?.unwrap_or_default()),
        None => Ok(0),
    }
}

/// The mark that says as of which instant a pipeline's last refresh of an entity was.
pub(crate) fn refresh_mark(pipeline: &str) -> String {
    format!("refresh/{pipeline}")
}

fn publication_mark(pipeline: &str) -> String {
    format!("publication/{pipeline}")
}

impl OwnHistory {
    /// What counts as of this version of the entity's memberships.
    pub(crate) async fn read(
        lake: &Lake,
        session: &Session,
        pipeline: &str,
        entity: &str,
        memberships: Option<&Snapshot>,
    ) -> Result<Self, SegmentError> {
        let publication = publication_of(memberships, pipeline).await?;
        let mut own = Self {
            pipeline: pipeline.to_owned(),
            entity: entity.to_owned(),
            publication,
            rows: Vec::new(),
            base: lake.snapshot(layout::SEGMENT_HISTORY.folder).await?,
            greatest: publication,
            outdated: false,
        };
        let all = own.entries(session).await?;
        let published_until = own.published();
        if !are_complete(&all, &published_until) {
            // Another publication came between the two tables.
            return Err(StoreError::Conflict { table: layout::SEGMENT_HISTORY.folder.to_owned() }.into());
        }
        own.see(&all);
        let stored = all.len();
        own.rows = published(all, &published_until).into_iter().map(|entry| entry.row).collect();
        own.outdated = own.rows.len() < stored;
        Ok(own)
    }

    /// The instant of the last refresh.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.rows.last().map(|row| row.as_of)
    }

    /// The latest row of each segment, up to an instant where there is one.
    pub(crate) fn latest(&self, until: Option<Timestamp>) -> BTreeMap<&str, &HistoryRow> {
        let known = self.rows.iter().filter(|row| until.is_none_or(|until| row.as_of <= until));
        known.map(|row| (row.segment.as_str(), row)).collect()
    }

    /// The instants after another at which a segment was refreshed; a label, with its set.
    pub(crate) fn later(&self, segment: &str, after: Timestamp) -> Vec<Timestamp> {
        let own = SegmentName::parse(segment);
        let is_own = |name: &str| {
            let other = SegmentName::parse(name);
            other.definition == own.definition && other.label.is_some() == own.label.is_some()
        };
        let rows = self.rows.iter().filter(|row| row.as_of > after && is_own(&row.segment));
        let mut instants: Vec<Timestamp> = rows.map(|row| row.as_of).collect();
        instants.dedup();
        instants
    }

    /// The row of a segment at an instant.
    pub(crate) fn row(&self, segment: &str, at: Timestamp) -> Option<&HistoryRow> {
        self.rows.iter().find(|row| row.as_of == at && row.segment == segment)
    }

    /// Whether history already is as a publication has it.
    pub(crate) fn says(&self, new: &NewRows) -> bool {
        let mut recorded: Vec<&HistoryRow> = self.rows.iter().filter(|row| new.replaces(row)).collect();
        let mut rows: Vec<&HistoryRow> = new.rows.iter().collect();
        let order = |row: &&HistoryRow| (row.as_of, row.segment.clone());
        recorded.sort_by_key(order);
        rows.sort_by_key(order);
        recorded == rows
    }

    /// Writes rows that count from the publication on which the result's transactions make.
    pub(crate) async fn write(
        &mut self,
        lake: &Lake,
        session: &Session,
        transaction: &str,
        new: &NewRows,
    ) -> Result<Vec<Transaction>, SegmentError> {
        let mut attempts = 1;
        let publication = loop {
            let publication = self.greatest + 1;
            let entry = |row: &HistoryRow| Entry {
                pipeline: self.pipeline.clone(),
                publication,
                follows: Some(self.publication),
                keeps_later: new.keeps_later,
                row: row.clone(),
            };
            let entries: Vec<Entry> = new.rows.iter().map(entry).collect();
            match self.commit(lake, session, transaction, CommitMode::Append, &entries).await {
                // Others have their rows in the same table, and may have taken the number.
                Err(SegmentError::Store(StoreError::Conflict { .. })) if attempts < ATTEMPTS => {
                    attempts += 1;
                    self.refresh(lake).await?;
                    let all = self.entries(session).await?;
                    self.see(&all);
                }
                outcome => {
                    self.base = Some(outcome?);
                    break publication;
                }
            }
        };
        self.outdated |= self.rows.iter().any(|old| new.replaces(old));
        self.publication = publication;
        let staying = self.rows.iter().filter(|old| !new.replaces(old));
        let last =
            new.rows.iter().chain(staying).map(|row| row.as_of.as_microsecond()).max().unwrap_or_default();
        Ok(vec![
            Transaction::new(refresh_mark(&self.pipeline), last),
            Transaction::new(publication_mark(&self.pipeline), publication),
        ])
    }

    /// Whether the memberships carry the publication that was written; else a run that took this one for dead has published in its
    /// place, which is a conflict: what counts is to be read again.
    pub(crate) async fn verify(&self, memberships: Option<&Snapshot>) -> Result<(), SegmentError> {
        if publication_of(memberships, &self.pipeline).await? == self.publication {
            return Ok(());
        }
        Err(StoreError::Conflict { table: layout::MEMBERSHIPS.of(&self.entity) }.into())
    }

    /// Removes rows that do not count, for readers of the table itself; after what was written is published. Without it they are
    /// merely not seen by us.
    pub(crate) async fn tidy(
        &mut self,
        lake: &Lake,
        session: &Session,
        transaction: &str,
    ) -> Result<(), SegmentError> {
        let mut attempts = 1;
        while self.outdated {
            let all = self.entries(session).await?;
            let stored = all.len();
            let kept = self.kept(all);
            if kept.len() == stored {
                break;
            }
            let mode = CommitMode::OverwriteWhere(self.own());
            match self.commit(lake, session, transaction, mode, &kept).await {
                Err(SegmentError::Store(StoreError::Conflict { .. })) if attempts < ATTEMPTS => {
                    attempts += 1;
                    self.refresh(lake).await?;
                }
                outcome => {
                    self.base = Some(outcome?);
                    break;
                }
            }
        }
        Ok(())
    }

    /// The rows that count, as of one publication, and those of later ones: they may be on their way, or published since.
    fn kept(&self, all: Vec<Entry>) -> Vec<Entry> {
        let is_later = |entry: &&Entry| {
            entry.publication > self.publication && entry.follows.is_none_or(|it| it >= self.publication)
        };
        let later: Vec<Entry> = all.iter().filter(is_later).cloned().collect();
        let counting = published(all, &self.published()).into_iter();
        let counting = counting.map(|entry| Entry { publication: self.publication, follows: None, ..entry });
        counting.chain(later).collect()
    }

    /// Takes note of the numbers that are taken.
    fn see(&mut self, all: &[Entry]) {
        self.greatest = all.iter().map(|entry| entry.publication).fold(self.publication, i64::max);
    }

    async fn refresh(&mut self, lake: &Lake) -> Result<(), StoreError> {
        self.base = lake.snapshot(layout::SEGMENT_HISTORY.folder).await?;
        Ok(())
    }

    async fn commit(
        &self,
        lake: &Lake,
        session: &Session,
        transaction: &str,
        mode: CommitMode,
        entries: &[Entry],
    ) -> Result<Snapshot, SegmentError> {
        // Of a run that was taken for dead and its successor, either may have other rows, or tidy where the other writes: what one
        // has done is not done for the other.
        let identity = format!("{transaction}/{}/{}", self.entity, Uuid::now_v7());
        let batch = batch(entries)?;
        let rows = session.frame(batch.schema(), vec![batch])?.logical_plan().clone();
        let commit = Commit::new(layout::SEGMENT_HISTORY.folder, &identity, mode, rows).on(self.base.clone());
        Ok(lake.commit(session.shared_state(), commit).await?)
    }

    async fn entries(&self, session: &Session) -> Result<Vec<Entry>, SegmentError> {
        match &self.base {
            Some(base) => entries(base, session, Some(self.own())).await,
            None => Ok(Vec::new()),
        }
    }

    fn published(&self) -> Published {
        Published::from([((self.pipeline.clone(), self.entity.clone()), self.publication)])
    }

    fn own(&self) -> Expr {
        ident(columns::PIPELINE).eq(lit(&self.pipeline)).and(ident(columns::ENTITY).eq(lit(&self.entity)))
    }
}

/// The rows of a publication.
pub(crate) struct NewRows {
    pub(crate) rows: Vec<HistoryRow>,
    /// Whether refreshes of later instants stay as they are.
    pub(crate) keeps_later: bool,
}

impl NewRows {
    /// Whether a row of before counts no longer.
    fn replaces(&self, old: &HistoryRow) -> bool {
        self.rows.iter().any(|new| replaces(new, self.keeps_later, old))
    }
}

/// How often rows are written again when others were written in the meantime.
const ATTEMPTS: usize = 20;

fn batch(entries: &[Entry]) -> Result<RecordBatch, SqlError> {
    let text = |value: fn(&Entry) -> &str| -> ArrayRef {
        Arc::new(entries.iter().map(|entry| Some(value(entry))).collect::<StringArray>())
    };
    let number = |value: &dyn Fn(&Entry) -> Option<i64>| -> ArrayRef {
        Arc::new(entries.iter().map(value).collect::<Int64Array>())
    };
    let count = |value: fn(&HistoryRow) -> u64| number(&|entry| i64::try_from(value(&entry.row)).ok());
    let as_of = TimestampMicrosecondArray::from_iter_values(
        entries.iter().map(|entry| entry.row.as_of.as_microsecond()),
    );
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(as_of.with_timezone("UTC")),
        text(|entry| &entry.pipeline),
        text(|entry| &entry.row.entity),
        text(|entry| &entry.row.segment),
        count(|row| row.size),
        count(|row| row.entered),
        count(|row| row.exited),
        count(|row| row.unmatched),
        count(|row| row.null_keys),
        number(&|entry| entry.row.null_predicates.and_then(|n| i64::try_from(n).ok())),
        number(&|entry| (entry.publication > 0).then_some(entry.publication)),
        number(&|entry| entry.follows),
        Arc::new(entries.iter().map(|entry| Some(entry.keeps_later)).collect::<BooleanArray>()),
    ];
    Ok(RecordBatch::try_new(columns::schema(), arrays)?)
}
