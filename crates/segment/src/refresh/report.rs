//! What a refresh did.

use schemars::JsonSchema;
use serde::Serialize;

use crate::history::HistoryRow;

/// What a refresh did to one segment; of a backfill, all of its instants together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SegmentReport {
    /// The segment.
    pub segment: String,
    /// The segmented entity.
    pub entity: String,
    /// Its members, at the last instant.
    pub size: u64,
    /// Members that the refresh before did not have, summed over the instants.
    pub entered: u64,
    /// Members of the refresh before that are no longer, summed over the instants.
    pub exited: u64,
    /// Ids that the definition returned and the universe lacks.
    pub unmatched: u64,
    /// Rows whose key was null, which mean no entity.
    pub null_keys: u64,
    /// Rows for which the definition's predicate was null, where it is known.
    pub null_predicates: Option<u64>,
}

/// What a refresh did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RefreshReport {
    /// Each segment, in the order of the definitions.
    pub segments: Vec<SegmentReport>,
    /// Each definition that failed, and why: it and what needs it stay as they were.
    pub failed: Vec<String>,
    /// Rows that were read from tables.
    pub rows_read: u64,
    /// Memberships that began or ended.
    pub rows_written: u64,
}

impl RefreshReport {
    pub(super) fn add(&mut self, published: Vec<SegmentReport>) {
        self.rows_written += published.iter().map(|segment| segment.entered + segment.exited).sum::<u64>();
        self.segments.extend(published);
    }
}

impl SegmentReport {
    pub(super) fn of(row: &HistoryRow) -> Self {
        Self {
            segment: row.segment.clone(),
            entity: row.entity.clone(),
            size: row.size,
            entered: row.entered,
            exited: row.exited,
            unmatched: row.unmatched,
            null_keys: row.null_keys,
            null_predicates: row.null_predicates,
        }
    }

    /// What is reported after a further instant: what is true then, and all who entered or exited until then.
    pub(super) fn advance(&mut self, row: &HistoryRow) {
        let next = Self::of(row);
        *self = Self { entered: self.entered + next.entered, exited: self.exited + next.exited, ..next };
    }
}
