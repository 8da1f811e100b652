//! What an evaluation found.

use std::sync::Arc;

use arrow::array::RecordBatch;
use indexmap::IndexMap;
use roaring::RoaringBitmap;
use tranche_sql::keys::KeyIndex;
use tranche_sql::{Session, Tables};

use crate::definition::definitions::Definitions;
use crate::definition::scope::Scope;
use crate::error::SegmentError;
use crate::plan::Program;

/// What failed on the data: segments, sets and traits by name, with why.
pub type Failed = IndexMap<String, SegmentError>;

/// The members of every evaluated segment of one entity.
#[derive(Debug)]
pub struct Evaluation {
    /// The entity.
    pub entity: String,
    /// Its key column.
    pub key: String,
    /// The numbers of the entities; those below [`Evaluation::universe`] are in the universe.
    pub index: Arc<KeyIndex>,
    /// How many entities there are.
    pub universe: u32,
    /// The members by segment, `set/label` for those of a set.
    pub segments: IndexMap<String, Members>,
    /// The wide table: one row per entity. Traits that failed are null.
    pub traits: RecordBatch,
    /// What failed, and what needs it; it has no members.
    pub failed: Failed,
    /// Rows that were read from tables.
    pub rows_read: u64,
    /// Bytes of the files that were read by shared scans.
    pub bytes_read: u64,
}

impl Evaluation {
    /// The evaluation, if nothing of it failed.
    ///
    /// # Errors
    /// [`SegmentError`] with each definition that failed.
    pub(crate) fn complete(mut self) -> Result<Self, SegmentError> {
        match SegmentError::of_all(std::mem::take(&mut self.failed).into_values().collect()) {
            Some(failed) => Err(failed),
            None => Ok(self),
        }
    }
}

/// The members of a segment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Members {
    /// Their numbers in the index.
    pub entities: RoaringBitmap,
    /// Distinct ids that the definition returned and the universe lacks.
    pub unmatched: u64,
    /// 1 when the definition returned rows without a key, which mean no entity; else 0.
    pub null_keys: u64,
    /// Entities of which the definition's condition is unknown, so that they are not members; where that is known.
    pub null_predicates: Option<u64>,
}

impl Members {
    /// Members as a share of the universe, in [0, 1].
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn share(&self, universe: u32) -> f64 {
        if universe == 0 { 0.0 } else { self.entities.len() as f64 / f64::from(universe) }
    }
}

/// How much was read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) rows_read: u64,
    pub(crate) bytes_read: u64,
}

impl Cost {
    pub(super) fn add(&mut self, other: Self) {
        self.rows_read += other.rows_read;
        self.bytes_read += other.bytes_read;
    }
}

/// What an evaluation works with.
#[derive(Clone, Copy)]
pub(crate) struct EvaluationContext<'a> {
    pub(crate) definitions: &'a Definitions,
    pub(crate) scope: &'a Scope,
    /// The compiled definitions of the scope.
    pub(crate) program: &'a Program,
    pub(crate) tables: &'a Tables,
    /// A session in which the contracts are registered over the same tables.
    pub(crate) session: &'a Session,
}
