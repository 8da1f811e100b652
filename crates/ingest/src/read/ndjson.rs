//! NDJSON: one JSON object a line. The columns are the keys that appear; nested values stay JSON text.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use indexmap::IndexMap;
use serde_json::Value;

use super::reader::{BATCH_ROWS, Format, InputProblem, RawRows, UnreadableRow};
use super::text::{Parser, ROW_LIMIT_BYTES, Sink, TextInput, TextReader, too_long};
use crate::shown::shorten;

/// One JSON object a line.
pub(super) const NDJSON: Format = Format {
    name: "ndjson",
    description: "One JSON object a line.",
    reader: |_, _| Arc::new(TextReader::new(Ndjson)),
};

#[derive(Debug)]
struct Ndjson;

impl Parser for Ndjson {
    const IS_SPARSE: bool = true;

    fn parse(&self, text: TextInput, sink: Sink<'_>) -> Result<(), InputProblem> {
        read(text, sink)
    }
}

fn read(reader: impl Read, sink: Sink<'_>) -> Result<(), InputProblem> {
    let mut reader = BufReader::new(reader);
    let mut pending = Pending { columns: IndexMap::new(), rows: Vec::new(), unreadable: Vec::new() };
    let (mut line, mut row) = (Vec::new(), 0u64);
    loop {
        line.clear();
        let limit = ROW_LIMIT_BYTES as u64 + 1;
        let read = (&mut reader).take(limit).read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
        if read == 0 {
            break;
        }
        row += 1;
        if line.len() > ROW_LIMIT_BYTES {
            return Err(too_long(row));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        pending.push(row, &line);
        if pending.rows.len() + pending.unreadable.len() >= BATCH_ROWS && !sink(pending.take()?) {
            return Ok(());
        }
    }
    sink(pending.take()?);
    Ok(())
}

/// Rows that wait to become a batch; a column is as long as its last value, the rest is null.
struct Pending {
    columns: IndexMap<String, Vec<Option<String>>>,
    rows: Vec<u64>,
    unreadable: Vec<UnreadableRow>,
}

impl Pending {
    fn push(&mut self, row: u64, line: &[u8]) {
        let object = match serde_json::from_slice::<Value>(line) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return self.reject(row, line, "the line is not a JSON object".to_owned()),
            Err(error) => return self.reject(row, line, format!("the line is not valid JSON: {error}")),
        };
        let at = self.rows.len();
        for (key, value) in object {
            let column = self.columns.entry(key).or_default();
            column.resize(at, None);
            column.push(text_of(value));
        }
        self.rows.push(row);
    }

    fn reject(&mut self, row: u64, line: &[u8], reason: String) {
        let raw = Some(shorten(String::from_utf8_lossy(line).trim_end()));
        self.unreadable.push(UnreadableRow { row, column: None, reason, raw });
    }

    fn take(&mut self) -> Result<RawRows, InputProblem> {
        let length = self.rows.len();
        let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
        for (name, values) in &mut self.columns {
            values.resize(length, None);
            fields.push(Field::new(name, DataType::Utf8, true));
            arrays.push(Arc::new(values.drain(..).collect::<StringArray>()));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(length));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options).map_err(|e| e.to_string())?;
        Ok(RawRows {
            batch,
            rows: std::mem::take(&mut self.rows),
            unreadable: std::mem::take(&mut self.unreadable),
        })
    }
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    #[test]
    fn keys_become_columns_and_broken_lines_are_rejected_alone() {
        let text =
            b"{\"a\": 1, \"b\": \"x\"}\n\n{\"a\": 2.50, \"c\": [\"y\"]}\n{\"a\": \n[1]\n{\"b\": null}\n";
        let mut batches = Vec::new();
        read(&text[..], &mut |rows| {
            batches.push(rows);
            true
        })
        .unwrap();
        let rows = &batches[0];
        assert_eq!(rows.rows, [1, 3, 6]);
        assert_eq!(rows.unreadable.iter().map(|r| r.row).collect::<Vec<_>>(), [4, 5]);
        let column = |name: &str| rows.batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        assert_eq!(column("a"), StringArray::from(vec![Some("1"), Some("2.5"), None]));
        assert_eq!(column("c"), StringArray::from(vec![None, Some("[\"y\"]"), None]));
        assert_eq!(column("b").null_count(), 2);
    }
}
