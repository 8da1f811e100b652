//! Deduplication: of the rows of a load with the same key the last one counts.
//!
//! All keys of a load may not fit into memory, so they are looked at in parts: keys that are alike fall into
//! the same part, which is in memory while rows are few and in a temporary file beyond that. What rows
//! replace which is known when all have been seen.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use tranche_sql::SqlError;

use crate::IngestError;
use crate::keys::{Key, KeyReader};
use crate::stage::{ACCEPTED_IN_MEMORY, Stage, Staged};

/// Rows whose keys are held in memory before they go to a file: 24 bytes each.
const MEMORY_ROWS: usize = 1 << 22;

/// So many parts are there; one of them has to fit into memory.
const PARTS: usize = 64;

/// Stages the accepted rows of a load, of each key the last one.
pub(crate) struct Dedup {
    seen: SeenKeys,
    stage: Stage,
}

impl Dedup {
    /// Takes rows of a schema, which are alike by their `key` columns.
    pub(crate) fn new(schema: &SchemaRef, key: &[String]) -> Result<Self, SqlError> {
        Ok(Self {
            seen: SeenKeys::new(schema, key)?,
            stage: Stage::new(Arc::clone(schema), ACCEPTED_IN_MEMORY),
        })
    }

    /// How many rows were taken.
    pub(crate) fn rows(&self) -> u64 {
        self.seen.rows
    }

    /// Takes the next rows.
    pub(crate) fn take(&mut self, batch: RecordBatch) -> Result<(), IngestError> {
        self.seen.add(&batch)?;
        self.stage.add(batch)
    }

    /// The rows that stay, and which of all rows replaced an earlier one.
    pub(crate) fn finish(self) -> Result<(Staged, Vec<u64>), IngestError> {
        let replaced = self.seen.finish()?;
        Ok((self.stage.finish(replaced.earlier)?, replaced.later))
    }
}

/// The keys of the rows that were staged so far.
struct SeenKeys {
    keys: KeyReader,
    rows: u64,
    parts: Vec<Part>,
    in_memory: usize,
    memory_rows: usize,
    file: Option<File>,
}

/// Rows whose keys fall into a part.
#[derive(Default)]
struct Part {
    rows: Vec<KeyedRow>,
    /// Where earlier ones stand in the file: from which byte on, and how many rows.
    written: Vec<(u64, usize)>,
}

/// A key, and which row of the load has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct KeyedRow {
    key: Key,
    row: u64,
}

/// Rows of a load that are replaced, counted over the whole load, and those by which they are; both
/// ascending.
#[derive(Debug, Default, PartialEq, Eq)]
struct Replaced {
    earlier: Vec<u64>,
    later: Vec<u64>,
}

impl SeenKeys {
    /// No keys yet, of rows of a schema.
    fn new(schema: &Schema, key: &[String]) -> Result<Self, SqlError> {
        Ok(Self {
            keys: KeyReader::new(schema, key)?,
            rows: 0,
            parts: (0..PARTS).map(|_| Part::default()).collect(),
            in_memory: 0,
            memory_rows: MEMORY_ROWS,
            file: None,
        })
    }

    /// Notes the rows of the next batch.
    fn add(&mut self, batch: &RecordBatch) -> Result<(), IngestError> {
        for key in self.keys.read(batch)? {
            self.parts[part_of(key)].rows.push(KeyedRow { key, row: self.rows });
            self.rows += 1;
        }
        self.in_memory += batch.num_rows();
        if self.in_memory > self.memory_rows {
            self.spill().map_err(IngestError::Staging)?;
        }
        Ok(())
    }

    fn spill(&mut self) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        let mut start = file.stream_position()?;
        let mut bytes = Vec::new();
        for part in self.parts.iter_mut().filter(|part| !part.rows.is_empty()) {
            bytes.clear();
            bytes.extend(part.rows.iter().flat_map(|row| row.to_bytes()));
            file.write_all(&bytes)?;
            part.written.push((start, part.rows.len()));
            start += bytes.len() as u64;
            part.rows.clear();
        }
        self.in_memory = 0;
        Ok(())
    }

    /// The rows that were replaced, once all have been noted.
    fn finish(mut self) -> Result<Replaced, IngestError> {
        let mut replaced = Replaced::default();
        for part in std::mem::take(&mut self.parts) {
            let mut rows = part.rows;
            for (start, count) in part.written {
                self.read(start, count, &mut rows).map_err(IngestError::Staging)?;
            }
            rows.sort_unstable();
            for pair in rows.windows(2).filter(|pair| pair[0].key == pair[1].key) {
                replaced.earlier.push(pair[0].row);
                replaced.later.push(pair[1].row);
            }
        }
        replaced.earlier.sort_unstable();
        replaced.later.sort_unstable();
        Ok(replaced)
    }

    fn read(&mut self, start: u64, count: usize, rows: &mut Vec<KeyedRow>) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = vec![0; count * KeyedRow::BYTES];
        file.read_exact(&mut bytes)?;
        rows.extend(bytes.chunks_exact(KeyedRow::BYTES).map(KeyedRow::from_bytes));
        Ok(())
    }
}

impl KeyedRow {
    const BYTES: usize = 24;

    fn to_bytes(self) -> impl Iterator<Item = u8> {
        [self.key[0], self.key[1], self.row].into_iter().flat_map(u64::to_le_bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut numbers = bytes
            .chunks_exact(8)
            .map(|number| number.iter().rev().fold(0, |n, &byte| (n << 8) | u64::from(byte)));
        let mut next = || numbers.next().unwrap_or_default();
        Self { key: [next(), next()], row: next() }
    }
}

/// The part that a key falls into: keys that are numbers in a row are spread over all of them.
fn part_of([high, low]: Key) -> usize {
    let mixed = (high ^ low.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // The highest bits depend on all of the key's.
    (mixed >> (u64::BITS - PARTS.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::keys::short;

    fn batch(rows: &[(i64, String)]) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(rows.iter().map(|(number, _)| *number).collect::<Int64Array>());
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, text)| text)));
        let fields =
            vec![Field::new("number", DataType::Int64, false), Field::new("text", DataType::Utf8, false)];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![numbers, texts]).unwrap()
    }

    /// Some thousand rows of which every third has the key of an earlier one, held against a map of all keys.
    #[test]
    fn rows_are_replaced_by_the_next_with_their_key_wherever_keys_are_stored() {
        let all: Vec<(i64, String)> = (0..5_000_i64)
            .map(|row| if row % 3 == 0 { (row * row) % 700 } else { row })
            .map(|key| (key, "long enough to be hashed ".repeat(usize::try_from(key % 3).unwrap())))
            .collect();
        for (key, memory_rows) in
            [(vec!["number"], MEMORY_ROWS), (vec!["number"], 100), (vec!["text", "number"], 100)]
        {
            let key: Vec<String> = key.into_iter().map(str::to_owned).collect();
            let mut seen = SeenKeys { memory_rows, ..SeenKeys::new(&batch(&[]).schema(), &key).unwrap() };
            let mut last: HashMap<i64, u64> = HashMap::new();
            let mut expected = Replaced::default();
            for rows in all.chunks(333) {
                seen.add(&batch(rows)).unwrap();
            }
            for (row, (key, _)) in (0..).zip(&all) {
                if let Some(earlier) = last.insert(*key, row) {
                    expected.earlier.push(earlier);
                    expected.later.push(row);
                }
            }
            expected.earlier.sort_unstable();
            assert!(expected.later.len() > 1_000);
            assert_eq!((seen.rows, seen.file.is_some()), (5_000, memory_rows == 100));
            assert_eq!(seen.finish().unwrap(), expected, "{key:?} {memory_rows}");
        }
    }

    #[test]
    fn numbers_in_a_row_are_spread_over_all_parts() {
        let wide = |number: u64| (number | 1 << 63).to_be_bytes().to_vec();
        let narrow = |number: u64| u16::try_from(number).unwrap().to_be_bytes().to_vec();
        for encoded in [&wide as &dyn Fn(u64) -> Vec<u8>, &narrow] {
            let mut counts = [0; PARTS];
            for number in 0..64_000 {
                let encoded: Vec<u8> = std::iter::once(1).chain(encoded(number)).collect();
                counts[part_of(short(&encoded))] += 1;
            }
            assert!(counts.iter().all(|count| (500..2_000).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn texts_that_go_on_with_zeros_are_other_keys() {
        let texts = ["", "\0", "a", "a\0", "a\0\0", "ab"].map(|text| (0, text.to_owned()));
        let mut seen = SeenKeys::new(&batch(&[]).schema(), &["text".to_owned()]).unwrap();
        seen.add(&batch(&texts)).unwrap();
        assert_eq!(seen.finish().unwrap(), Replaced::default());
    }
}
