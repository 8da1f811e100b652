//! CSV: a header line, then one row a record. Empty fields are null.

use std::io::BufRead;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use csv::{ByteRecord, ReaderBuilder};

use super::problem::InputProblem;
use super::reader::{BATCH_ROWS, Format, RawColumns, RawRows, UnreadableRow, one_byte};
use super::signature;
use super::text::{Parser, RowLimited, Sink, TextInput, TextReader, row_bytes, too_long};
use crate::reason::Reason;
use crate::shown::shorten;

/// Text with a header line.
pub(super) const CSV: Format = Format {
    name: "csv",
    description: "Text with a header line and a delimiter.",
    reader: |options, problems| {
        Arc::new(TextReader::new(Csv {
            delimiter: one_byte(options.delimiter.as_ref(), b',', problems),
            quote: one_byte(options.quote.as_ref(), b'"', problems),
            nulls: options.nulls.clone(),
        }))
    },
};

/// How a file says where fields and texts end, and what is null.
#[derive(Debug)]
struct Csv {
    delimiter: u8,
    quote: u8,
    /// Texts that mean null, besides the empty one.
    nulls: Vec<String>,
}

impl Parser for Csv {
    const IS_SPARSE: bool = false;

    fn parse(&self, text: TextInput, wanted: &RawColumns, sink: Sink<'_>) -> Result<(), InputProblem> {
        read(text, self, wanted, sink)
    }
}

fn read(
    mut text: impl BufRead,
    format: &Csv,
    wanted: &RawColumns,
    sink: Sink<'_>,
) -> Result<(), InputProblem> {
    let Csv { delimiter, quote, ref nulls } = *format;
    let head = signature::head(&mut text)?;
    if let Some(mistaken) = signature::markup(head).or_else(|| signature::json(head)) {
        return Err(mistaken.into());
    }
    let hint = delimiter_hint(head, delimiter)?.len();
    text.consume(hint);
    let mut builder = ReaderBuilder::new();
    let limited = RowLimited::new(text, quote, row_bytes(wanted));
    let mut csv = builder.delimiter(delimiter).quote(quote).flexible(true).from_reader(limited);
    let header = csv.byte_headers().map_err(|e| describe(&e, 0, wanted))?.clone();
    wanted.check_columns(header.len())?;
    let names = header_names(&header, wanted)?;
    let mut pending = Pending::new(&names, nulls);
    let (mut record, mut row) = (ByteRecord::new(), 0u64);
    let (mut spans_lines, mut holds_quotes) = (false, false);
    loop {
        csv.get_mut().next_row();
        row += 1;
        match csv.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {
                spans_lines = record.as_slice().contains(&b'\n');
                holds_quotes |= record.as_slice().contains(&quote);
                pending.push(row, &record);
            }
            Err(error) => return Err(describe(&error, row, wanted)),
        }
        if pending.is_full() && !sink(pending.take()?) {
            return Ok(());
        }
    }
    // A quote that is never closed takes the rest of the file into its row. An odd one may also stand within
    // a field without quotes.
    if csv.get_ref().has_open_quote() && (spans_lines || !holds_quotes) {
        return Err(format!("a quote that is opened in row {} is never closed", row - 1).into());
    }
    sink(pending.take()?);
    Ok(())
}

/// The first line `sep=;`, if there is one: Excel writes and reads it. It must name the delimiter of the
/// source, or all names would be one.
fn delimiter_hint(head: &[u8], delimiter: u8) -> Result<&[u8], String> {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let text = line.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(line);
    match text.split_at_checked(4) {
        Some((word, [named])) if word.eq_ignore_ascii_case(b"sep=") => {
            if *named != delimiter {
                let named = named.escape_ascii();
                return Err(format!(
                    "the first line says that the delimiter is `{named}`; \
                     set `options: {{delimiter: '{named}'}}`"
                ));
            }
            Ok(line)
        }
        _ => Ok(b""),
    }
}

/// The names in the header, empty ones too: of a trailing delimiter, or of the row numbers that pandas and R
/// write.
fn header_names(header: &ByteRecord, wanted: &RawColumns) -> Result<Vec<String>, String> {
    if header.is_empty() || header.iter().all(<[u8]>::is_empty) {
        return Err("the file is empty: not even a header line".to_owned());
    }
    let mut names = Vec::<String>::new();
    for field in header {
        let name = std::str::from_utf8(field)
            .map_err(|_| "the header line is not valid UTF-8; convert the file to UTF-8".to_owned())?
            .trim();
        if !name.is_empty() && names.iter().any(|known| known == name) {
            let name = wanted.shown(name).map_or("a column".to_owned(), |name| format!("column `{name}`"));
            return Err(if header.iter().any(is_number) {
                format!(
                    "the file seems to have no header line: the first line has {name} twice, and numbers; \
                     add a header line"
                )
            } else {
                format!("the header names {name} twice; if the first line is a row, add a header line")
            });
        }
        names.push(name.to_owned());
    }
    if names.iter().all(String::is_empty) {
        return Err("the header line names no column".to_owned());
    }
    Ok(names)
}

fn is_number(field: &[u8]) -> bool {
    let text = field.trim_ascii();
    text.iter().any(u8::is_ascii_digit)
        && std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok())
}

fn describe(error: &csv::Error, row: u64, wanted: &RawColumns) -> InputProblem {
    match error.kind() {
        csv::ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::FileTooLarge => too_long(row, wanted),
        csv::ErrorKind::Io(io) => InputProblem::of_io(io, Some(row)),
        _ => format!("row {row} cannot be read: {error}").into(),
    }
}

/// Rows that wait to become a batch.
struct Pending<'a> {
    names: &'a [String],
    nulls: &'a [String],
    columns: Vec<StringBuilder>,
    rows: Vec<u64>,
    unreadable: Vec<UnreadableRow>,
}

impl<'a> Pending<'a> {
    fn new(names: &'a [String], nulls: &'a [String]) -> Self {
        let columns = names.iter().map(|_| StringBuilder::new()).collect();
        Self { names, nulls, columns, rows: Vec::new(), unreadable: Vec::new() }
    }

    fn is_full(&self) -> bool {
        self.rows.len() + self.unreadable.len() >= BATCH_ROWS
    }

    fn push(&mut self, row: u64, record: &ByteRecord) {
        if record.len() != self.names.len() {
            let reason = format!("the row has {} fields, the header {}", record.len(), self.names.len());
            return self.reject(row, None, &reason, record);
        }
        let mut fields = Vec::with_capacity(self.names.len());
        for (field, name) in record.iter().zip(self.names) {
            match std::str::from_utf8(field) {
                Ok(text) => fields.push(text),
                Err(_) => {
                    let named = (!name.is_empty()).then_some(name);
                    return self.reject(row, named, "the field is not valid UTF-8", record);
                }
            }
        }
        for (column, text) in self.columns.iter_mut().zip(fields) {
            let is_null = text.is_empty() || self.nulls.iter().any(|null| null == text);
            column.append_option((!is_null).then_some(text));
        }
        self.rows.push(row);
    }

    fn reject(&mut self, row: u64, column: Option<&String>, reason: &str, record: &ByteRecord) {
        let fields: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
        let raw = Some(shorten(&serde_json::json!(fields).to_string()));
        let reason = Reason::plain(reason);
        self.unreadable.push(UnreadableRow { row, column: column.cloned(), reason, raw });
    }

    /// Columns without a name, which nothing can refer to, are left out.
    fn take(&mut self) -> Result<RawRows, InputProblem> {
        let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
        for (name, column) in self.names.iter().zip(&mut self.columns) {
            let array = column.finish();
            if !name.is_empty() {
                fields.push(Field::new(name, DataType::Utf8, true));
                arrays.push(Arc::new(array));
            }
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|e| e.to_string())?;
        Ok(RawRows {
            batch,
            rows: std::mem::take(&mut self.rows),
            unreadable: std::mem::take(&mut self.unreadable),
            texts: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    /// Rows that are read, and the rows that are rejected with a part of the reason.
    type Expected<'a> = (usize, &'a [(u64, &'a str)]);

    fn format() -> Csv {
        Csv { delimiter: b',', quote: b'"', nulls: vec!["NA".to_owned()] }
    }

    fn check(text: &[u8], expected: Result<Expected<'_>, &str>) {
        let mut batches = Vec::new();
        let outcome = read(text, &format(), &RawColumns::default(), &mut |rows| {
            batches.push(rows);
            true
        });
        match (outcome, expected) {
            (Ok(()), Ok((rows, rejects))) => {
                assert_eq!(batches.iter().map(|b| b.rows.len()).sum::<usize>(), rows);
                let found: Vec<&UnreadableRow> = batches.iter().flat_map(|b| &b.unreadable).collect();
                assert_eq!(found.len(), rejects.len(), "{found:?}");
                for (unreadable, (row, part)) in found.iter().zip(rejects) {
                    assert_eq!(unreadable.row, *row);
                    assert!(unreadable.reason.to_string().contains(part), "{unreadable:?}");
                }
            }
            (Err(problem), Err(part)) => assert!(problem.to_string().contains(part), "{problem}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn rows_are_read_whatever_their_line_ends_and_quotes() {
        check(b"a,b\r\n1,2\r\n\"x, y\",\"say \"\"hi\"\"\"\r\n", Ok((2, &[])));
        check(b"a,b\n1,2", Ok((1, &[])));
        check(b"a,b\n", Ok((0, &[])));
    }

    #[test]
    fn rows_that_cannot_be_read_are_rejected_alone() {
        check(
            b"a,b\n1,2\n1\n1,2,3\n\xff,2\n3,4\n",
            Ok((2, &[(2, "1 fields"), (3, "3 fields"), (4, "UTF-8")])),
        );
    }

    #[test]
    fn a_file_that_is_no_csv_is_refused() {
        check(b"", Err("empty"));
        check(b" , \n1,2\n", Err("names no column"));
        check(b"a\xff,b\n1,2\n", Err("convert the file to UTF-8"));
        check(b"{\"a\": 1, \"b\": 2}\n", Err("the file is JSON; set `format: ndjson`"));
        check(b"[\n{\"a\": 1}]", Err("the file is one JSON array; write one object a line"));
        check(b"<html><body>", Err("the file is an HTML page, perhaps a login page; "));
        let mut endless = b"a,b\n1,\"".to_vec();
        endless.resize(40 << 20, b'x');
        check(&endless, Err("row 1 is longer than 16 MiB"));
    }

    #[test]
    fn a_header_that_names_a_column_twice_may_be_none() {
        check(b"a,b,a\n1,2,3\n", Err("the header names column `a` twice; if the first line is a row, add a"));
        check(b"x1,paid,7.50,paid\n", Err("the file seems to have no header line"));
        check(b"1,1\n", Err("the file seems to have no header line"));
        check(b"1,2\n3,4\n", Ok((1, &[])));
    }

    #[test]
    fn a_hint_at_the_delimiter_is_skipped_where_it_agrees() {
        for text in ["sep=,\na,b\n1,2\n", "SEP=,\r\na,b\r\n1,2\r\n", "\"sep=,\"\na,b\n1,2\n"] {
            assert_eq!(columns(text.as_bytes()), ["a: 1", "b: 2"], "{text}");
        }
        check(b"sep=;\na;b\n1;2\n", Err("set `options: {delimiter: ';'}`"));
        check(b"sep=\t\na\tb\n", Err("set `options: {delimiter: '\\t'}`"));
        assert_eq!(columns(b"sep=,b\n1,2\n"), ["sep=: 1", "b: 2"]);
    }

    #[test]
    fn columns_without_a_name_are_left_out() {
        assert_eq!(columns(b",a,b\n0,1,2\n"), ["a: 1", "b: 2"]);
        assert_eq!(columns(b"a,,b, \n1,x,2,y\n"), ["a: 1", "b: 2"]);
        check(b"a,\n1,\xff\n1,2\n1\n", Ok((1, &[(1, "UTF-8"), (3, "1 fields")])));
    }

    /// The columns of a text with one row, as `name: value`.
    fn columns(text: &[u8]) -> Vec<String> {
        let mut columns = Vec::new();
        read(text, &format(), &RawColumns::default(), &mut |rows| {
            let schema = rows.batch.schema();
            columns.extend(
                schema.fields().iter().zip(rows.batch.columns()).map(|(field, column)| {
                    format!("{}: {}", field.name(), column.as_string::<i32>().value(0))
                }),
            );
            true
        })
        .unwrap();
        columns
    }

    #[test]
    fn empty_and_declared_texts_are_null() {
        let mut nulls = 0;
        read(&b"a,b\n,NA\nx,y\n"[..], &format(), &RawColumns::default(), &mut |rows| {
            nulls += rows.batch.columns().iter().map(|c| c.as_string::<i32>().null_count()).sum::<usize>();
            true
        })
        .unwrap();
        assert_eq!(nulls, 2);
    }
}
