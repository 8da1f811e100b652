//! What an input contains, as a digest of its raw rows: an input with other rows has another.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use tranche_sql::SqlError;

use crate::read::RawRows;

/// The digest of the rows of an input, which are taken in as they are read.
#[derive(Debug, Default)]
pub(crate) struct ContentDigest(blake3::Hasher);

impl ContentDigest {
    /// Takes in the next rows.
    pub(crate) fn add(&mut self, rows: &RawRows) -> Result<(), SqlError> {
        for row in &rows.unreadable {
            self.0.update(&row.row.to_le_bytes());
            self.add_text(row.raw.as_deref().unwrap_or_default());
        }
        match &rows.texts {
            Some(texts) => texts.iter().flatten().for_each(|text| self.add_text(text)),
            None => self.add_batch(&rows.batch)?,
        }
        Ok(())
    }

    /// The digest of all rows.
    pub(crate) fn finish(&self) -> blake3::Hash {
        self.0.finalize()
    }

    fn add_text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    /// Rows as they are written into a stream: names and types are part of them, and where an array begins in its memory is not.
    fn add_batch(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let mut stream = StreamWriter::try_new(Hashing(&mut self.0), &batch.schema())?;
        stream.write(batch)?;
        stream.finish()
    }
}

struct Hashing<'a>(&'a mut blake3::Hasher);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;
    use crate::Reason;
    use crate::read::UnreadableRow;

    fn rows(values: &[Option<&str>]) -> RawRows {
        let column: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        let batch = RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap();
        RawRows { batch, rows: (1..=values.len() as u64).collect(), unreadable: Vec::new(), texts: None }
    }

    fn digest(rows: &RawRows) -> blake3::Hash {
        let mut digest = ContentDigest::default();
        digest.add(rows).unwrap();
        digest.finish()
    }

    #[test]
    fn other_rows_have_another_digest_and_the_same_rows_the_same() {
        let first = rows(&[Some("x"), None, Some("y")]);
        assert_eq!(digest(&first), digest(&rows(&[Some("x"), None, Some("y")])));
        let all = rows(&[Some("z"), Some("x"), None, Some("y")]);
        let part = RawRows { batch: all.batch.slice(1, 3), ..rows(&[None; 3]) };
        assert_eq!(digest(&first), digest(&part), "a slice is its rows");
        for other in [&[Some("x"), Some(""), Some("y")][..], &[Some("xy"), None, None], &[Some("x"), None]] {
            assert_ne!(digest(&first), digest(&rows(other)), "{other:?}");
        }
        let broken =
            UnreadableRow { row: 4, column: None, reason: Reason::plain(""), raw: Some("{".to_owned()) };
        assert_ne!(
            digest(&first),
            digest(&RawRows { unreadable: vec![broken], ..rows(&[Some("x"), None, Some("y")]) })
        );
        let texts = |texts: &[&str]| RawRows { texts: Some(StringArray::from(texts.to_vec())), ..rows(&[]) };
        assert_ne!(digest(&texts(&["ab", "c"])), digest(&texts(&["a", "bc"])));
    }
}
