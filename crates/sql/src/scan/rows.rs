//! The rows of a batch, as accumulators see them.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, TimestampMicrosecondType};
use tranche_schema::platform;

use super::evaluated::{Counted, Evaluated};
use super::files;
use super::queries::Expressions;
use crate::SqlError;

/// A batch of rows.
pub struct Rows<'a> {
    batch: &'a RecordBatch,
    expressions: &'a Expressions,
    pub(super) evaluated: Evaluated<'a>,
    /// The place of the batch's source among those of the scan.
    pub source: usize,
    /// The event times that it may hold, in microseconds.
    pub times: Range<i64>,
    /// The worker that has it, from 0.
    pub worker: usize,
    /// How many workers there are.
    pub workers: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        batch: &'a RecordBatch,
        expressions: &'a Expressions,
        (source, times): (usize, Range<i64>),
        (worker, workers): (usize, usize),
    ) -> Self {
        let evaluated = Evaluated::new(expressions, batch);
        Self { batch, expressions, evaluated, source, times, worker, workers }
    }

    /// Other rows of the same source in their place.
    pub(super) fn with_batch<'b>(&'b self, batch: &'b RecordBatch) -> Rows<'b> {
        Rows::new(batch, self.expressions, (self.source, self.times.clone()), (self.worker, self.workers))
    }

    pub(super) fn batch(&self) -> &'a RecordBatch {
        self.batch
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A column that was asked for.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when it was not.
    pub fn column(&self, name: &str) -> Result<&'a ArrayRef, SqlError> {
        self.batch.column_by_name(name).ok_or_else(|| SqlError::Engine(format!("the scan lacks `{name}`")))
    }

    /// Some of the rows, with the columns that are read; texts as such.
    ///
    /// # Errors
    /// [`SqlError::Data`] when they cannot be copied.
    pub fn picked(&self, rows: &BooleanBuffer) -> Result<RecordBatch, SqlError> {
        let picked = filter_record_batch(self.batch, &BooleanArray::new(rows.clone(), None))?;
        let plain = |field: &Arc<Field>| match field.data_type() {
            DataType::Dictionary(_, values) => {
                Arc::new(field.as_ref().clone().with_data_type(values.as_ref().clone()))
            }
            _ => Arc::clone(field),
        };
        let schema = Schema::new(picked.schema().fields().iter().map(plain).collect::<Vec<_>>());
        files::conform(&picked, &Arc::new(schema))
    }

    /// A column of instants, in microseconds; what stands where there is none is undefined.
    ///
    /// # Errors
    /// [`SqlError`] when the column is missing, or holds no instants.
    pub fn instants(&self, name: &str) -> Result<(ScalarBuffer<i64>, Option<NullBuffer>), SqlError> {
        let instants = cast(self.column(name)?, &platform::instant())?;
        let instants = instants.as_primitive::<TimestampMicrosecondType>();
        Ok((instants.values().clone(), instants.nulls().cloned()))
    }

    /// The rows that a query counts, of those within some; `None` for all of the batch.
    ///
    /// # Errors
    /// [`SqlError::Row`] when a condition fails for one of them.
    pub fn counted(
        &mut self,
        query: usize,
        within: Option<&BooleanBuffer>,
    ) -> Result<Option<BooleanBuffer>, SqlError> {
        let Counted { rows, failed } = self.evaluated.counted(query, within)?;
        self.refuse(query, failed.as_ref())?;
        Ok(rows)
    }

    /// The values of a query that has them, for rows that it counts; those of others are undefined.
    ///
    /// # Errors
    /// [`SqlError::Row`] when there is none for one of them.
    pub fn values(
        &mut self,
        query: usize,
        counted: Option<&BooleanBuffer>,
    ) -> Result<Option<ArrayRef>, SqlError> {
        let Some((values, failed)) = self.evaluated.values(query, counted)? else { return Ok(None) };
        self.refuse(query, failed.as_ref())?;
        Ok(Some(values))
    }

    fn refuse(&self, query: usize, failed: Option<&BooleanBuffer>) -> Result<(), SqlError> {
        match failed.and_then(|failed| failed.set_indices().next()) {
            Some(row) => Err(SqlError::Row(Box::new(self.evaluated.failure(query, row)))),
            None => Ok(()),
        }
    }
}
