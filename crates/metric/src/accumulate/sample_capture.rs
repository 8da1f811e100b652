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

/// The copied facts of a share of the units, file by file in the order of their paths; `None` when they are too
/// many, or none were to be copied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CapturedFacts(pub(crate) Option<Vec<(String, RecordBatch)>>);

impl CapturedFacts {
    /// No facts are copied.
    pub(crate) const NONE: Self = Self(None);

    /// Adds those of other files; there are none where there are too many of both.
    pub(crate) fn merge(&mut self, other: Self) {
        let rows =
            |files: &[(String, RecordBatch)]| files.iter().map(|(_, rows)| rows.num_rows()).sum::<usize>();
        self.0 = self.0.take().zip(other.0).and_then(|(mut files, others)| {
            files.extend(others);
            files.sort_by(|(a, _), (b, _)| a.cmp(b));
            (rows(&files) <= MOST_ROWS).then_some(files)
        });
    }
}

/// The facts to copy, and those copied so far.
pub(crate) struct SampleCapture {
    share: KeyShare,
    /// By source, the file whose rows are copied.
    files: Vec<Option<String>>,
    schema: SchemaRef,
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
    pub(crate) fn new(share: KeyShare, files: Vec<Option<String>>, schema: SchemaRef) -> Self {
        Self { share, files, schema, copied: Mutex::default() }
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

    /// The facts of each file.
    ///
    /// # Errors
    /// [`SqlError::Data`] when they cannot be copied.
    pub(crate) fn into_facts(self) -> Result<CapturedFacts, SqlError> {
        let copied = self.copied.into_inner().unwrap_or_else(PoisonError::into_inner);
        if copied.rows > MOST_ROWS {
            return Ok(CapturedFacts::NONE);
        }
        let mut batches: Vec<Vec<RecordBatch>> = self.files.iter().map(|_| Vec::new()).collect();
        copied.batches.into_iter().for_each(|(source, batch)| batches[source].push(batch));
        let files = self.files.into_iter().zip(batches);
        let files = files.filter_map(|(file, batches)| Some((file?, batches)));
        let rows = |(file, batches)| Ok((file, concat_batches(&self.schema, &batches)?));
        let mut files = files.map(rows).collect::<Result<Vec<_>, SqlError>>()?;
        files.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(CapturedFacts(Some(files)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::RecordBatchOptions;
    use arrow::datatypes::Schema;

    use super::*;

    #[test]
    fn copied_facts_merge_until_they_are_too_many() {
        let of = |path: &str, rows: usize| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let schema = Arc::new(Schema::empty());
            let rows = RecordBatch::try_new_with_options(schema, Vec::new(), &options).unwrap();
            CapturedFacts(Some(vec![(path.to_owned(), rows)]))
        };
        let merged = |mut own: CapturedFacts, other: CapturedFacts| {
            own.merge(other);
            own.0.map(|files| files.into_iter().map(|(path, _)| path).collect::<Vec<_>>())
        };
        assert_eq!(merged(of("b", MOST_ROWS - 1), of("a", 1)), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(merged(of("b", MOST_ROWS), of("a", 1)), None);
        assert_eq!(merged(of("b", 1), CapturedFacts::NONE), None);
        assert_eq!(merged(CapturedFacts::NONE, of("a", 1)), None);
    }
}
