//! Typed answers as rows of a table and as JSON documents.

use serde::Serialize;
use serde_json::Value;
use tranche_workspace::queries::rows::{ResultColumn, ResultRows};

use super::column::Column;
use super::rows::Rows;
use super::write::print_json;
use crate::args::Format;
use crate::failure::Failure;

/// A row for each record, with the fields that these columns name.
pub(crate) fn rows_of<C, T>(columns: &[C], records: &[T]) -> Result<Rows, Failure>
where
    C: Clone + Into<Column>,
    T: Serialize,
{
    let columns: Vec<Column> = columns.iter().cloned().map(Into::into).collect();
    let mut rows = Rows::new(&columns);
    for record in records {
        let record = document(record)?;
        let value = |column: &Column| record.get(&column.name).cloned().unwrap_or_default();
        rows.push(columns.iter().map(value).collect());
    }
    Ok(rows)
}

/// Prints records: as an array of objects, or as rows with the fields that these columns name.
pub(crate) fn print_records<C, T>(columns: &[C], records: &[T], format: Format) -> Result<(), Failure>
where
    C: Clone + Into<Column>,
    T: Serialize,
{
    match format {
        Format::Json => print_document(records),
        format => rows_of(columns, records)?.print(format),
    }
}

/// The rows of a query.
pub(crate) fn rows_of_result(found: ResultRows) -> Rows {
    let column = |found: &ResultColumn| {
        if found.is_instant { Column::instant(&found.name) } else { Column::any(&found.name) }
    };
    let columns: Vec<Column> = found.columns.iter().map(column).collect();
    let mut rows = Rows::new(&columns);
    found.rows.into_iter().for_each(|row| rows.push(row));
    rows
}

/// Prints a JSON document with the keys of its objects in alphabetical order.
pub(crate) fn print_document(value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
    print_json(&document(value)?, Format::Json)
}

fn document(value: &(impl Serialize + ?Sized)) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::internal(error.to_string()))
}
