//! Results on stdout: as a table for people, JSON for programs, CSV for spreadsheets.

use std::io::Write;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value};

use crate::args::Format;
use crate::failure::Failure;

/// How wide a table is where there is no terminal to tell.
const WIDTH: u16 = 160;

/// Rows of named values.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Rows {
    /// No rows yet, with these columns.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|&c| c.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row: a value for each column.
    pub(crate) fn push(&mut self, row: Vec<Value>) {
        self.rows.push(row);
    }

    /// The rows of a query's result.
    pub(crate) fn from_batches(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Self, Failure> {
        let mut rows =
            Self { columns: schema.fields().iter().map(|f| f.name().clone()).collect(), rows: Vec::new() };
        let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
        for batch in batches {
            let internal = |e: arrow::error::ArrowError| Failure::internal(e.to_string());
            let formatters = batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options));
            let formatters = formatters.collect::<Result<Vec<_>, _>>().map_err(internal)?;
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter().zip(&formatters);
                rows.push(values.map(|(column, text)| value(column.as_ref(), row, text)).collect());
            }
        }
        Ok(rows)
    }

    /// An object for each row.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.rows.iter().map(|row| self.object(row)).collect()
    }

    /// Only the columns that `wanted` names.
    pub(crate) fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let kept: Vec<usize> =
            (0..self.columns.len()).filter(|&column| wanted(&self.columns[column])).collect();
        let rows =
            self.rows.iter().map(|row| kept.iter().filter_map(|&column| row.get(column).cloned()).collect());
        Self {
            columns: kept.iter().map(|&column| self.columns[column].clone()).collect(),
            rows: rows.collect(),
        }
    }

    /// With another column before the others.
    pub(crate) fn with_first(mut self, name: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.columns.insert(0, name.to_owned());
        for (row, value) in self.rows.iter_mut().zip(values) {
            row.insert(0, value);
        }
        self
    }

    /// Prints them.
    pub(crate) fn print(&self, format: Format) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let written = match format {
            Format::Json => writeln!(out, "{}", Value::Array(self.objects())),
            Format::Csv => return self.print_csv(out),
            Format::Table => writeln!(out, "{}", self.table()),
        };
        done(written)
    }

    fn object(&self, row: &[Value]) -> Value {
        Value::Object(self.columns.iter().cloned().zip(row.iter().cloned()).collect::<Map<_, _>>())
    }

    fn print_csv(&self, out: impl Write) -> Result<(), Failure> {
        let mut csv = csv::Writer::from_writer(out);
        let mut written = csv.write_record(&self.columns);
        for row in &self.rows {
            written = written.and_then(|()| csv.write_record(row.iter().map(text)));
        }
        match written.map_err(std::io::Error::from) {
            Ok(()) => done(csv.flush()),
            Err(error) => done(Err(error)),
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        if !table.is_tty() {
            table.set_width(WIDTH);
        }
        table.set_header(&self.columns);
        for row in &self.rows {
            table.add_row(row.iter().map(text));
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            let numeric = self.rows.iter().any(|row| row.get(index).is_some_and(Value::is_number));
            if numeric {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

/// Prints one JSON document, indented for people.
pub(crate) fn print_json(document: &impl serde::Serialize, format: Format) -> Result<(), Failure> {
    let text = if format == Format::Json {
        serde_json::to_string(document)
    } else {
        serde_json::to_string_pretty(document)
    };
    print_text(&text.map_err(|e| Failure::internal(e.to_string()))?)
}

/// Prints a text as it is.
pub(crate) fn print_text(text: &str) -> Result<(), Failure> {
    done(writeln!(std::io::stdout().lock(), "{text}"))
}

/// Standard error as the console of a process that stays up. A terminal that went away is no reason to stop.
pub(crate) struct StandardError;

impl tranche_daemon::Console for StandardError {
    fn line(&self, text: &str) {
        let _ = note(text);
    }
}

/// Tells something beside the result, on stderr.
pub(crate) fn note(text: &str) -> Result<(), Failure> {
    done(writeln!(std::io::stderr().lock(), "{text}"))
}

/// Whoever reads our output may have seen enough: that is no failure.
fn done(written: std::io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::internal(error.to_string()))
        }
        _ => Ok(()),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A cell: numbers and truth values as such, everything else as text.
fn value(column: &dyn Array, row: usize, formatter: &ArrayFormatter<'_>) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    let shown = formatter.value(row).to_string();
    match column.data_type() {
        DataType::Boolean => Value::Bool(shown == "true"),
        t if t.is_integer() => shown.parse::<i64>().map_or_else(|_| Value::String(shown), Value::from),
        // A double holds fifteen digits for certain; a longer number keeps them as text.
        DataType::Decimal128(..) if shown.chars().filter(char::is_ascii_digit).count() > 15 => {
            Value::String(shown)
        }
        t if t.is_numeric() => shown.parse::<f64>().map_or_else(|_| Value::String(shown), Value::from),
        _ => Value::String(shown),
    }
}
