//! Typed answers as rows of a table and as JSON documents.

use serde::Serialize;
use serde_json::Value;
use tranche_workspace::queries::rows::ResultRows;

use crate::args::Format;
use crate::failure::Failure;
use crate::output::{Column, Rows, print_json};

/// A row for each record, with these of its fields.
pub(crate) fn rows_of<T: Serialize>(columns: &[&str], records: &[T]) -> Result<Rows, Failure> {
    let mut rows = Rows::new(columns);
    for record in records {
        let record = document(record)?;
        rows.push(columns.iter().map(|column| record.get(column).cloned().unwrap_or_default()).collect());
    }
    Ok(rows)
}

/// Prints records: as an array of objects, or as rows with these of their fields.
pub(crate) fn print_records<T: Serialize>(
    columns: &[&str],
    records: &[T],
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Json => print_document(records),
        format => rows_of(columns, records)?.print(format),
    }
}

/// The rows of a query.
pub(crate) fn rows_of_result(found: ResultRows) -> Rows {
    let columns: Vec<Column> = found.columns.iter().map(|name| Column::any(name)).collect();
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
