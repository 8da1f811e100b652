//! Which rows of a load carry the same key: the last one counts.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

/// The keys of the rows that were staged so far, as 128-bit hashes: two different keys share one with a chance of 10^-24 among
/// forty million.
pub(crate) struct SeenKeys {
    columns: Vec<usize>,
    converter: RowConverter,
    last: HashMap<u128, u64>,
    rows: u64,
    /// Rows, counted over the whole load, that a later row with the same key replaces.
    superseded: Vec<u64>,
}

impl SeenKeys {
    pub(crate) fn new(batch_schema: &arrow::datatypes::Schema, key: &[String]) -> Result<Self, ArrowError> {
        let columns = key.iter().map(|name| batch_schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let fields = columns.iter().map(|&i| SortField::new(batch_schema.field(i).data_type().clone())).collect();
        Ok(Self { columns, converter: RowConverter::new(fields)?, last: HashMap::new(), rows: 0, superseded: Vec::new() })
    }

    /// Notes the rows of the next batch; returns how many earlier rows they replace.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<u64, ArrowError> {
        let arrays: Vec<ArrayRef> = self.columns.iter().map(|&i| Arc::clone(batch.column(i))).collect();
        let encoded = self.converter.convert_columns(&arrays)?;
        let before = self.superseded.len();
        self.last.reserve(batch.num_rows());
        for row in encoded.iter() {
            let digest = blake3::hash(row.as_ref());
            let (half, _) = digest.as_bytes().split_at(16);
            let hash = half.iter().fold(0u128, |hash, byte| (hash << 8) | u128::from(*byte));
            if let Some(earlier) = self.last.insert(hash, self.rows) {
                self.superseded.push(earlier);
            }
            self.rows += 1;
        }
        Ok((self.superseded.len() - before) as u64)
    }

    /// The rows that were replaced, ascending.
    pub(crate) fn into_superseded(mut self) -> Vec<u64> {
        self.superseded.sort_unstable();
        self.superseded
    }
}
