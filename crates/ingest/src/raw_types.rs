//! The types that a source declares for raw columns: text is read as them, and files that bring types must have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use tranche_schema::raw_type_name;

use crate::Source;
use crate::convert::{ValueOrigin, convert, reads_as};
use crate::read::RawColumns;
use crate::reason::Reason;
use crate::shown::legible;

/// The first failure of each row: its column and reason.
pub(crate) type Failures = BTreeMap<usize, (String, Reason)>;

/// How raw rows of one shape get their declared types.
pub(crate) struct RawTypes {
    schema: SchemaRef,
    /// The places of columns that are read as another type.
    converted: Vec<usize>,
}

impl RawTypes {
    /// The types of raw rows with this schema, which may lack columns or not.
    ///
    /// # Errors
    /// Why the input is not what the source declares.
    pub(crate) fn new(
        source: &Source,
        raw: &Schema,
        wanted: &RawColumns,
        may_lack: bool,
    ) -> Result<Self, String> {
        for name in source.types.keys() {
            if raw.field_with_name(name).is_err() && !may_lack {
                let has = wanted.list(raw.fields().iter().map(|field| field.name()));
                return Err(format!(
                    "no column `{name}`, whose type the source declares (the file has {has})"
                ));
            }
        }
        let (mut fields, mut converted) = (Vec::new(), Vec::new());
        for (at, field) in raw.fields().iter().enumerate() {
            let (name, own) = (field.name(), field.data_type());
            let declared = source.types.get(name).map_or(own, |declared| &declared.data_type);
            if source.reader.is_typed() && !reads_as(own, declared) {
                return Err(format!(
                    "column `{}` is of type {}, and `types` of the source says {}",
                    legible(name),
                    raw_type_name(own),
                    raw_type_name(declared)
                ));
            }
            if own != declared {
                converted.push(at);
            }
            fields.push(Field::new(name, declared.clone(), true));
        }
        Ok(Self { schema: Arc::new(Schema::new(fields)), converted })
    }

    /// The raw columns with their types.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Raw rows in their types, and those that have values which are none of these.
    pub(crate) fn typed(&self, rows: &RecordBatch) -> Result<(RecordBatch, Failures), ArrowError> {
        let (mut columns, mut failures) = (rows.columns().to_vec(), Failures::new());
        for &at in &self.converted {
            let field = self.schema.field(at);
            let (own, declared) = (columns[at].data_type(), field.data_type());
            if own.is_floating() && declared.is_floating() {
                columns[at] = cast(&columns[at], declared)?;
                continue;
            }
            let values = convert(&columns[at], declared, ValueOrigin::Raw)?;
            for (row, reason) in values.failures {
                failures.entry(row).or_insert_with(|| (field.name().clone(), reason));
            }
            columns[at] = values.array;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok((RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?, failures))
    }
}

/// What is known of a raw column before any file is read: what is declared, or that it is text; none where only a file tells.
pub(crate) fn known_type(source: &Source, name: &str) -> Option<DataType> {
    match source.types.get(name) {
        Some(declared) => Some(declared.data_type.clone()),
        None => (!source.reader.is_typed()).then_some(DataType::Utf8),
    }
}
