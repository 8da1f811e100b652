//! Copying the facts of a share of the units while files are read, so that they can be computed again without the files.

use std::sync::{Mutex, PoisonError};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter;
use tranche_sql::SqlError;
use tranche_sql::keys::{KeyIndex, KeyShare};
use tranche_sql::pass::Rows;

use crate::numbered::Numbered;

/// So many facts are copied. Of more, whoever needs them looks for them in the files.
const FACTS: usize = 4_000_000;

/// What is copied, and what was so far.
pub(crate) struct Extracting {
    share: KeyShare,
    /// By source, the file whose rows are copied.
    files: Vec<Option<String>>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// The source of each batch.
    batches: Vec<(usize, RecordBatch)>,
    rows: usize,
}

impl Extracting {
    /// Copies the facts of units in a share of the keys.
    pub(crate) fn new(share: KeyShare, files: Vec<Option<String>>) -> Self {
        Self { share, files, found: Mutex::default() }
    }

    /// Copies what is of the share. `keys` are the columns that name units, with the units that there are.
    pub(crate) fn take<'a>(
        &self,
        rows: &Rows<'_>,
        keys: impl Iterator<Item = (&'a str, &'a Numbered)>,
    ) -> Result<(), SqlError> {
        if self.files[rows.source].is_none() {
            return Ok(());
        }
        let mut held = vec![false; rows.len()];
        for (column, numbered) in keys {
            let keys = rows.column(column)?;
            let of_share = self.share.holds(keys, numbered.index().data_type())?;
            let numbers = numbered.numbers(&filter(keys, &BooleanArray::new(of_share.clone(), None))?)?;
            let is_unit =
                numbers.into_iter().map(|number| number != KeyIndex::UNKNOWN && number != KeyIndex::NULL);
            of_share.set_indices().zip(is_unit).for_each(|(row, is_unit)| held[row] |= is_unit);
        }
        let picked = rows.picked(&BooleanBuffer::from(held))?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.rows += picked.num_rows();
        if found.rows > FACTS {
            found.batches.clear();
        } else if picked.num_rows() > 0 {
            found.batches.push((rows.source, picked));
        }
        Ok(())
    }

    /// The facts of each file; nothing when they are too many.
    pub(crate) fn into_files(self) -> Option<Vec<(String, Vec<RecordBatch>)>> {
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        if found.rows > FACTS {
            return None;
        }
        let mut batches: Vec<Vec<RecordBatch>> = self.files.iter().map(|_| Vec::new()).collect();
        found.batches.into_iter().for_each(|(source, batch)| batches[source].push(batch));
        Some(
            self.files
                .into_iter()
                .zip(batches)
                .filter_map(|(file, batches)| Some((file?, batches)))
                .collect(),
        )
    }
}
