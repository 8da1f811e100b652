//! The rows of a sample of the keys, by the file that they are in, so that values can be recomputed without
//! files.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tranche_sql::keys::KeyShare;
use tranche_sql::scan::Extract;
use tranche_sql::{Source, SqlError};

/// The most rows that are saved of a sample; of more, verification reads the files.
pub const MOST_ROWS: usize = 4_000_000;

/// All rows of a share of the keys, by the file that they are in.
#[derive(Debug)]
pub struct SampleRows {
    share: KeyShare,
    schema: SchemaRef,
    by_file: HashMap<String, RecordBatch>,
    is_too_large: bool,
}

impl SampleRows {
    /// Begins with saved rows, where they are of as many keys and have the columns that are read now.
    #[must_use]
    pub fn new(share: KeyShare, schema: SchemaRef, saved: Option<&Extract>) -> Self {
        let is_usable =
            |saved: &&Extract| saved.rows.schema() == schema && share.greatest() <= saved.share.greatest();
        let saved = saved.filter(is_usable);
        let by_file = saved
            .into_iter()
            .flat_map(Extract::by_file)
            .map(|(path, rows)| (path.to_owned(), rows))
            .collect();
        Self { share, schema, by_file, is_too_large: false }
    }

    /// The keys.
    #[must_use]
    pub fn share(&self) -> KeyShare {
        self.share
    }

    /// The keys whose rows are to be captured while files are read; `None` when they are too many.
    #[must_use]
    pub fn capture(&self) -> Option<KeyShare> {
        (!self.is_too_large).then_some(self.share)
    }

    /// Adds the rows captured from files, in place of saved ones; `None` when they were too many.
    pub fn add(&mut self, captured: Option<Vec<(String, RecordBatch)>>) {
        match captured {
            Some(files) => self.by_file.extend(files),
            None => self.is_too_large = true,
        }
    }

    /// The rows of a source, or the source itself where they are not known.
    #[must_use]
    pub fn instead_of(&self, source: &Source) -> Source {
        let Source::File(file) = source else { return source.clone() };
        match self.by_file.get(&file.path) {
            Some(rows) => Source::Rows { rows: rows.clone(), range: source.times() },
            None => source.clone(),
        }
    }

    /// The rows of a table's files, to be saved; `None` when they are too many.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when their columns differ.
    pub fn into_extract<'a>(
        mut self,
        files: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Extract>, SqlError> {
        if self.is_too_large {
            return Ok(None);
        }
        let files = files.into_iter().filter_map(|path| self.by_file.remove_entry(path)).collect();
        Extract::of(self.share, &self.schema, files).map(Some)
    }
}
