//! The rows of some keys, copied from files that never change.

use arrow::array::{RecordBatch, new_empty_array};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use std::sync::Arc;

use crate::SqlError;
use crate::keys::KeyShare;

/// All rows of a share of the keys, of some files, with the columns that a scan looks at.
#[derive(Debug, Clone)]
pub struct Extract {
    /// The keys.
    pub share: KeyShare,
    /// The files, in the order of their rows, and how many rows there are of each.
    pub files: Vec<(String, usize)>,
    /// The rows.
    pub rows: RecordBatch,
}

impl Extract {
    /// An extract of files, each with its rows, which all have the same columns.
    ///
    /// # Errors
    /// [`SqlError::Engine`] when their columns differ.
    pub fn of(
        share: KeyShare,
        schema: &SchemaRef,
        files: Vec<(String, RecordBatch)>,
    ) -> Result<Self, SqlError> {
        let rows = concat_batches(schema, files.iter().map(|(_, rows)| rows))?;
        Ok(Self {
            share,
            files: files.into_iter().map(|(path, rows)| (path, rows.num_rows())).collect(),
            rows,
        })
    }

    /// The rows of each file.
    pub fn by_file(&self) -> impl Iterator<Item = (&str, RecordBatch)> {
        let mut start = 0;
        self.files.iter().map(move |(path, rows)| {
            start += rows;
            (path.as_str(), self.rows.slice(start - rows, *rows))
        })
    }
}

/// The columns of a scan as an extract has them: texts as such, and the key.
pub(crate) fn schema_of(scan: &SchemaRef, key: &str, key_type: &DataType) -> SchemaRef {
    let plain = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    };
    let mut fields: Vec<Field> =
        scan.fields().iter().map(|field| Field::new(field.name(), plain(field.data_type()), true)).collect();
    if scan.field_with_name(key).is_err() {
        fields.push(Field::new(key, key_type.clone(), true));
    }
    Arc::new(Schema::new(fields))
}

/// Rows with the columns of an extract; a column that they lack is null.
pub(crate) fn conform(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, SqlError> {
    let columns = schema.fields().iter().map(|field| match rows.column_by_name(field.name()) {
        Some(column) => Ok(cast(column, field.data_type())?),
        None if rows.num_rows() == 0 => Ok(new_empty_array(field.data_type())),
        None => Ok(arrow::array::new_null_array(field.data_type(), rows.num_rows())),
    });
    Ok(RecordBatch::try_new(SchemaRef::clone(schema), columns.collect::<Result<Vec<_>, SqlError>>()?)?)
}
