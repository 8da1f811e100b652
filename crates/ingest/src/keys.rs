//! The keys of rows, short enough to be held for millions of them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Schema};
use arrow::row::{RowConverter, SortField};
use tranche_sql::SqlError;

/// A key in 128 bits. One that is longer is a hash: two different ones share it with a chance of 10^-24 among forty million.
pub(crate) type Key = [u64; 2];

/// Reads the keys of rows.
pub(crate) struct KeyReader {
    columns: Vec<(usize, DataType)>,
    converter: RowConverter,
}

impl KeyReader {
    /// Reads the `key` columns of rows of a schema.
    pub(crate) fn new(schema: &Schema, key: &[String]) -> Result<Self, SqlError> {
        let column = |name: &String| {
            let index = schema.index_of(name)?;
            Ok((index, schema.field(index).data_type().clone()))
        };
        let columns = key.iter().map(column).collect::<Result<Vec<_>, SqlError>>()?;
        let fields = columns.iter().map(|(_, data_type)| SortField::new(data_type.clone())).collect();
        Ok(Self { columns, converter: RowConverter::new(fields)? })
    }

    /// The keys of some rows of that schema, in their order.
    pub(crate) fn read(&self, rows: &RecordBatch) -> Result<Vec<Key>, SqlError> {
        let arrays: Vec<ArrayRef> =
            self.columns.iter().map(|(index, _)| Arc::clone(rows.column(*index))).collect();
        self.encoded(&arrays)
    }

    /// The keys that these columns hold, in the order of the key's, whatever else represents the same values.
    fn of_columns(&self, columns: &[ArrayRef]) -> Result<Vec<Key>, SqlError> {
        let typed = columns.iter().zip(&self.columns).map(|(column, (_, data_type))| cast(column, data_type));
        self.encoded(&typed.collect::<Result<Vec<_>, _>>()?)
    }

    fn encoded(&self, arrays: &[ArrayRef]) -> Result<Vec<Key>, SqlError> {
        let encoded = self.converter.convert_columns(arrays)?;
        Ok(encoded.iter().map(|row| short(row.as_ref())).collect())
    }
}

/// Some keys, of which rows may have one.
pub(crate) struct KeySet {
    reader: KeyReader,
    keys: HashSet<Key>,
}

impl KeySet {
    /// The keys that batches of nothing but `key` columns hold, to be looked for in rows of a schema.
    pub(crate) fn new(schema: &Schema, key: &[String], batches: &[RecordBatch]) -> Result<Self, SqlError> {
        let (reader, mut keys) = (KeyReader::new(schema, key)?, HashSet::new());
        for batch in batches {
            keys.extend(reader.of_columns(batch.columns())?);
        }
        Ok(Self { reader, keys })
    }

    /// The rows that have one of the keys.
    pub(crate) fn of(&self, rows: &RecordBatch) -> Result<RecordBatch, SqlError> {
        let keys = self.reader.read(rows)?;
        let has_one: BooleanArray = keys.iter().map(|key| Some(self.keys.contains(key))).collect();
        Ok(filter_record_batch(rows, &has_one)?)
    }
}

/// An encoded key in 128 bits: itself where it is that short, since no encoded key begins another.
pub(crate) fn short(encoded: &[u8]) -> Key {
    let mut bytes = [0; 16];
    match bytes.get_mut(..encoded.len()) {
        Some(own) => own.copy_from_slice(encoded),
        None => bytes.copy_from_slice(&blake3::hash(encoded).as_bytes()[..16]),
    }
    let [high, low] = [0, 8]
        .map(|from| bytes[from..from + 8].iter().fold(0, |number, &byte| (number << 8) | u64::from(byte)));
    [high, low]
}
