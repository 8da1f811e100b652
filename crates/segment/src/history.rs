//! The history of segments: a row for each refresh and segment.
//!
//! A row counts once the memberships that it describes are published, and until a later publication has a row of the same or an
//! earlier instant. Rows are written first, under the number of a publication that is yet to come; the commit of memberships then carries
//! that number, and makes both visible at once. So what a refresh leaves that is cut short is not seen, and the next one removes it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
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
    /// The table, and whether it has rows of a publication that never was, or rows that no longer count.
    base: Option<Snapshot>,
    leftovers: bool,
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
        Ok(_) => ident(field.name()),
        Err(_) => lit(ScalarValue::Int64(None)).alias(field.name()),
    });
    let frame = session.read(history).await?;
    let frame = match filter {
        Some(filter) => frame.filter(filter).map_err(SqlError::engine)?,
        None => frame,
    };
    let frame = frame.select(selected.collect::<Vec<_>>()).map_err(SqlError::engine)?;
    let batches = session.collect_frame(frame).await?.batches;
    let at = |name: &str| schema.index_of(name).map_err(SqlError::from);
    let text = |name: &str| column_text(&batches, at(name)?);
    let number = |name: &str| column_i64(&batches, at(name)?);
    let count = |value: Option<i64>| value.and_then(|n| u64::try_from(n).ok());
    let (as_of, publication) = (number(platform::AS_OF)?, number(columns::PUBLICATION)?);
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
    entries.sort_by_key(|entry| entry.publication);
    let mut counting: BTreeMap<(String, String, String), Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        let owner = (entry.pipeline.clone(), entry.row.entity.clone());
        if entry.publication > published.get(&owner).copied().unwrap_or_default() {
            continue;
        }
        let rows = counting.entry((owner.0, owner.1, entry.row.segment.clone())).or_default();
        rows.retain(|before| before.publication == entry.publication || before.row.as_of < entry.row.as_of);
        rows.push(entry);
    }
    let mut rows: Vec<Entry> = counting.into_values().flatten().collect();
    rows.sort_by(|a, b| (a.row.as_of, &a.row.segment).cmp(&(b.row.as_of, &b.row.segment)));
    rows
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
            leftovers: false,
            outdated: false,
        };
        let all = own.entries(session).await?;
        let stored = all.iter().filter(|entry| entry.publication <= publication).count();
        own.leftovers = stored < all.len();
        own.rows = published(all, &own.published()).into_iter().map(|entry| entry.row).collect();
        own.outdated = own.rows.len() < stored;
        Ok(own)
    }

    /// The instant of the last refresh.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.rows.last().map(|row| row.as_of)
    }

    /// The latest row of each segment.
    pub(crate) fn latest(&self) -> BTreeMap<&str, &HistoryRow> {
        self.rows.iter().map(|row| (row.segment.as_str(), row)).collect()
    }

    /// Whether history already is as `rows` have it, from their first instant on.
    pub(crate) fn says(&self, rows: &[HistoryRow]) -> bool {
        let Some(from) = rows.iter().map(|row| row.as_of).min() else { return true };
        let mut recorded: Vec<&HistoryRow> = self
            .rows
            .iter()
            .filter(|row| row.as_of >= from && rows.iter().any(|new| new.segment == row.segment))
            .collect();
        let mut new: Vec<&HistoryRow> = rows.iter().collect();
        let order = |row: &&HistoryRow| (row.as_of, row.segment.clone());
        recorded.sort_by_key(order);
        new.sort_by_key(order);
        recorded == new
    }

    /// Writes rows that count from the publication on which the result's transactions make; they replace those of the same
    /// segments from their instants on, and rows of a publication that never was.
    pub(crate) async fn write(
        &mut self,
        lake: &Lake,
        session: &Session,
        transaction: &str,
        rows: &[HistoryRow],
    ) -> Result<Vec<Transaction>, SegmentError> {
        let publication = self.publication + 1;
        let entries: Vec<Entry> = rows.iter().map(|row| self.entry(publication, row.clone())).collect();
        let unpublished = self.own().and(ident(columns::PUBLICATION).gt(lit(self.publication)));
        for attempt in 1.. {
            let mode = if self.leftovers {
                CommitMode::OverwriteWhere(unpublished.clone())
            } else {
                CommitMode::Append
            };
            match self.commit(lake, session, transaction, mode, &entries).await {
                // Other pipelines and entities have their rows in the same table.
                Err(SegmentError::Store(StoreError::Conflict { .. })) if attempt < ATTEMPTS => {
                    self.base = lake.snapshot(layout::SEGMENT_HISTORY.folder).await?;
                    let all = self.entries(session).await?;
                    self.leftovers = all.iter().any(|entry| entry.publication > self.publication);
                }
                outcome => {
                    self.base = Some(outcome?);
                    self.leftovers = false;
                    break;
                }
            }
        }
        let replaces =
            |old: &HistoryRow| rows.iter().any(|new| new.segment == old.segment && new.as_of <= old.as_of);
        self.outdated |= self.rows.iter().any(replaces);
        self.publication = publication;
        // A row of an earlier instant leaves later refreshes of other segments as they are.
        let staying = self.rows.iter().filter(|old| !replaces(old));
        let last = rows.iter().chain(staying).map(|row| row.as_of.as_microsecond()).max().unwrap_or_default();
        Ok(vec![
            Transaction::new(format!("refresh/{}", self.pipeline), last),
            Transaction::new(publication_mark(&self.pipeline), publication),
        ])
    }

    /// Removes rows that no longer count, for readers of the table itself; after what was written is published. Without it they are
    /// merely not seen by us.
    pub(crate) async fn tidy(
        &mut self,
        lake: &Lake,
        session: &Session,
        transaction: &str,
    ) -> Result<(), SegmentError> {
        if self.outdated {
            let counting = published(self.entries(session).await?, &self.published());
            let mode = CommitMode::OverwriteWhere(self.own());
            self.base = Some(self.commit(lake, session, transaction, mode, &counting).await?);
        }
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
        // A second attempt of the same refresh may have other rows, on another version.
        let version = self.base.as_ref().map_or(0, |base| base.version() + 1);
        let identity = format!("{transaction}/{}/{version}", self.entity);
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

    fn entry(&self, publication: i64, row: HistoryRow) -> Entry {
        Entry { pipeline: self.pipeline.clone(), publication, row }
    }

    fn published(&self) -> Published {
        Published::from([((self.pipeline.clone(), self.entity.clone()), self.publication)])
    }

    fn own(&self) -> Expr {
        ident(columns::PIPELINE).eq(lit(&self.pipeline)).and(ident(columns::ENTITY).eq(lit(&self.entity)))
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
    ];
    Ok(RecordBatch::try_new(columns::schema(), arrays)?)
}
