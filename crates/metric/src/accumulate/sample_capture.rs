//! Copies the facts of a share of the units while files are read, so that their values can be recomputed
//! without the files.

use std::sync::{Mutex, PoisonError};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{concat_batches, filter};
use arrow::datatypes::SchemaRef;
use tranche_incremental::MOST_ROWS;
use tranche_sql::SqlError;
use tranche_sql::keys::{KeyIndex, KeyShare};
use tranche_sql::scan::Rows;

use super::key_index::EntityKeys;

/// The facts to copy, and those copied so far.
pub(crate) struct SampleCapture {
    share: KeyShare,
    /// By source, the file whose rows are copied.
    files: Vec<Option<String>>,
    copied: Mutex<Copied>,
}

#[derive(Default)]
struct Copied {
    /// The source of each batch.
    batches: Vec<(usize, RecordBatch)>,
    rows: usize,
}

impl SampleCapture {
    /// Copies the facts of units in a share of the keys.
    pub(crate) fn new(share: KeyShare, files: Vec<Option<String>>) -> Self {
        Self { share, files, copied: Mutex::default() }
    }

    /// Copies the facts of the share. `keys` are the columns that name units, with the keys of the units.
    pub(crate) fn take<'a>(
        &self,
        rows: &Rows<'_>,
        keys: impl Iterator<Item = (&'a str, &'a EntityKeys)>,
    ) -> Result<(), SqlError> {
        if self.files[rows.source].is_none() {
            return Ok(());
        }
        let mut held = vec![false; rows.len()];
        for (column, known_keys) in keys {
            let keys = rows.column(column)?;
            let of_share = self.share.holds(keys, known_keys.index().data_type())?;
            let numbers = known_keys.numbers(&filter(keys, &BooleanArray::new(of_share.clone(), None))?)?;
            let is_unit =
                numbers.into_iter().map(|number| number != KeyIndex::UNKNOWN && number != KeyIndex::NULL);
            of_share.set_indices().zip(is_unit).for_each(|(row, is_unit)| held[row] |= is_unit);
        }
        let picked = rows.picked(&BooleanBuffer::from(held))?;
        let mut copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        copied.rows += picked.num_rows();
        if copied.rows > MOST_ROWS {
            copied.batches.clear();
        } else if picked.num_rows() > 0 {
            copied.batches.push((rows.source, picked));
        }
        Ok(())
    }

    /// The facts of each file; `None` when they are too many.
    ///
    /// # Errors
    /// [`SqlError::Data`] when they cannot be copied.
    pub(crate) fn into_files(
        self,
        schema: &SchemaRef,
    ) -> Result<Option<Vec<(String, RecordBatch)>>, SqlError> {
        let copied = self.copied.into_inner().unwrap_or_else(PoisonError::into_inner);
        if copied.rows > MOST_ROWS {
            return Ok(None);
        }
        let mut batches: Vec<Vec<RecordBatch>> = self.files.iter().map(|_| Vec::new()).collect();
        copied.batches.into_iter().for_each(|(source, batch)| batches[source].push(batch));
        let files = self.files.into_iter().zip(batches);
        let files = files.filter_map(|(file, batches)| Some((file?, batches)));
        files
            .map(|(file, batches)| Ok((file, concat_batches(schema, &batches)?)))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}
