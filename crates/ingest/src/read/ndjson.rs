//! NDJSON: one JSON object a line. The columns are those of the keys that are wanted: lines may have any number of others. Nested values
//! stay JSON text, and numbers the digits that are written.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{BufRead, Read};
use std::sync::Arc;

use arrow::array::{ArrayBuilder, ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use indexmap::IndexMap;

use super::problem::InputProblem;
use super::reader::{BATCH_ROWS, Format, RawColumns, RawRows, UnreadableRow};
use super::signature;
use super::text::{Parser, Sink, TextInput, TextReader, row_bytes, too_long};
use crate::json::{Fields, Text, text_of};
use crate::reason::Reason;
use crate::shown::{legible, shorten};

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

    fn parse(&self, text: TextInput, wanted: &RawColumns, sink: Sink<'_>) -> Result<(), InputProblem> {
        read(text, wanted, sink)
    }
}

fn read(mut text: impl BufRead, wanted: &RawColumns, sink: Sink<'_>) -> Result<(), InputProblem> {
    let head = signature::head(&mut text)?;
    let mistaken = signature::markup(head)
        .or_else(|| signature::json_over_lines(head))
        .or_else(|| signature::delimited(head));
    if let Some(mistaken) = mistaken {
        return Err(mistaken.into());
    }
    let mut pending = Pending::new(wanted);
    let most = row_bytes(wanted);
    let (mut line, mut row) = (Vec::new(), 0u64);
    loop {
        line.clear();
        let limit = (most as u64).saturating_add(1);
        let read = (&mut text).take(limit).read_until(b'\n', &mut line);
        let read = read.map_err(|error| InputProblem::of_io(&error, Some(row + 1)))?;
        if read == 0 {
            break;
        }
        row += 1;
        if line.len() > most {
            return Err(too_long(row, wanted));
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

/// Rows that wait to become a batch.
struct Pending<'a> {
    wanted: &'a RawColumns,
    columns: IndexMap<String, Column>,
    rows: Vec<u64>,
    texts: StringBuilder,
    unreadable: Vec<UnreadableRow>,
}

/// The values of a key; it is as long as the last row that has the key, the rest is null.
#[derive(Default)]
struct Column {
    texts: StringBuilder,
    /// The last row that names the key, be it good or not.
    named_in: u64,
}

impl Column {
    fn append_nulls_up_to(&mut self, length: usize) {
        self.texts.append_nulls(length - self.texts.len());
    }
}

impl<'w> Pending<'w> {
    fn new(wanted: &'w RawColumns) -> Self {
        let (columns, texts) = (IndexMap::new(), StringBuilder::new());
        Self { wanted, columns, rows: Vec::new(), texts, unreadable: Vec::new() }
    }

    fn push(&mut self, row: u64, line: &[u8]) {
        match self.values(row, line) {
            Ok(values) => {
                for (index, value) in values {
                    let column = &mut self.columns[index];
                    column.append_nulls_up_to(self.rows.len());
                    column.texts.append_option(value);
                }
                self.rows.push(row);
                self.texts.append_value(String::from_utf8_lossy(line).trim_end());
            }
            Err((column, reason)) => {
                let raw = Some(shorten(String::from_utf8_lossy(line).trim_end()));
                self.unreadable.push(UnreadableRow { row, column, reason, raw });
            }
        }
    }

    /// The values of a line, each with the place of its column; or the key at fault, if one is, and the
    /// reason.
    fn values<'a>(&mut self, row: u64, line: &'a [u8]) -> Result<Vec<Value<'a>>, (Option<String>, Reason)> {
        let Fields(fields) =
            serde_json::from_slice(line).map_err(|error| (None, Reason::plain(describe(&error))))?;
        let mut values = Vec::with_capacity(fields.len());
        let mut others = HashSet::new();
        for (Text(key), json) in fields {
            let value = text_of(json).map_err(|error| {
                let text = format!("the line is not valid JSON: the value of `{}`: {error}", legible(&key));
                (None, Reason::new(text, "the line is not valid JSON"))
            })?;
            if !self.wanted.has(&key) {
                if others.contains(&key) {
                    return Err((None, twice(&key)));
                }
                others.insert(key);
                continue;
            }
            let index = match self.columns.get_index_of(key.as_ref()) {
                Some(index) => index,
                None => self.columns.insert_full(key.to_string(), Column::default()).0,
            };
            if std::mem::replace(&mut self.columns[index].named_in, row) == row {
                return Err((Some(key.to_string()), twice(&key)));
            }
            values.push((index, value));
        }
        Ok(values)
    }

    fn take(&mut self) -> Result<RawRows, InputProblem> {
        let length = self.rows.len();
        let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
        for (name, column) in &mut self.columns {
            column.append_nulls_up_to(length);
            fields.push(Field::new(name, DataType::Utf8, true));
            arrays.push(Arc::new(column.texts.finish()));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(length));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options).map_err(|e| e.to_string())?;
        Ok(RawRows {
            batch,
            rows: std::mem::take(&mut self.rows),
            unreadable: std::mem::take(&mut self.unreadable),
            texts: Some(self.texts.finish()),
        })
    }
}

/// The place of a column, and its value.
type Value<'a> = (usize, Option<Cow<'a, str>>);

/// Why a line is no row: nobody can say which value is meant.
fn twice(key: &str) -> Reason {
    Reason::new(format!("the line has the key `{}` twice", legible(key)), "the line has a key twice")
}

fn describe(error: &serde_json::Error) -> String {
    if error.is_data() {
        "the line is not a JSON object".to_owned()
    } else {
        format!("the line is not valid JSON: {error}")
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, StringArray};

    use super::*;

    /// All rows of a text, which fit into one batch.
    fn rows(text: &str) -> RawRows {
        let mut batches = Vec::new();
        read(text.as_bytes(), &RawColumns::new(["a", "b", "c", "x"]), &mut |rows| {
            batches.push(rows);
            true
        })
        .unwrap();
        assert_eq!(batches.len(), 1);
        batches.remove(0)
    }

    fn column(rows: &RawRows, name: &str) -> StringArray {
        rows.batch.column_by_name(name).unwrap().as_string::<i32>().clone()
    }

    /// The text of a value that is written as `json`.
    fn check(json: &str, expected: Option<&str>) {
        let rows = rows(&format!("{{\"a\": {json} , \"b\": 1}}\n"));
        assert_eq!(column(&rows, "a"), StringArray::from(vec![expected]), "{json}");
        assert_eq!(column(&rows, "b"), StringArray::from(vec!["1"]), "{json}");
    }

    fn check_reject(line: &str, column: Option<&str>, reason: &str) {
        let found = rows(&format!("{{\"a\": 1}}\n{line}\n{{\"a\": 2}}\n"));
        assert_eq!(self::column(&found, "a"), StringArray::from(vec!["1", "2"]), "{line}");
        let [unreadable] = &found.unreadable[..] else { panic!("{line}: {:?}", found.unreadable) };
        assert_eq!((unreadable.row, unreadable.column.as_deref()), (2, column), "{line}");
        assert!(unreadable.reason.to_string().starts_with(reason), "{unreadable:?}");
    }

    #[test]
    fn keys_become_columns_and_broken_lines_are_rejected_alone() {
        let rows =
            rows("{\"a\": 1, \"b\": \"x\"}\n\n{\"a\": 2.50, \"c\": [\"y\"]}\n{\"a\": \n[1]\n{\"b\": null}\n");
        assert_eq!(rows.rows, [1, 3, 6]);
        assert_eq!(rows.unreadable.iter().map(|r| r.row).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(column(&rows, "a"), StringArray::from(vec![Some("1"), Some("2.50"), None]));
        assert_eq!(column(&rows, "b"), StringArray::from(vec![Some("x"), None, None]));
        assert_eq!(column(&rows, "c"), StringArray::from(vec![None, Some("[\"y\"]"), None]));
    }

    #[test]
    fn keys_that_nobody_wants_are_no_columns_and_stay_in_the_texts() {
        let lines: Vec<String> =
            (0..3_000).map(|row| format!("{{\"a\": {row}, \"item_{row}\": 1, \"A\": \"x\"}}")).collect();
        let found = rows(&(lines.join("\n") + "\n{\"a\": 1, \"y\": 2, \"y\": 3}\n"));
        let names: Vec<String> = found.batch.schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names, ["a", "A"]);
        assert_eq!(found.batch.num_rows(), 3_000);
        assert_eq!(found.texts.unwrap().value(2_999), lines[2_999]);
        assert_eq!(found.unreadable[0].reason.to_string(), "the line has the key `y` twice");
    }

    fn check_file(text: &str, refused: Option<&str>) {
        let outcome = read(text.as_bytes(), &RawColumns::default(), &mut |_| true);
        match refused {
            None => assert_eq!(outcome, Ok(()), "{text}"),
            Some(part) => {
                assert!(outcome.as_ref().is_err_and(|e| e.to_string().contains(part)), "{text}: {outcome:?}")
            }
        }
    }

    #[test]
    fn json_that_has_not_one_object_a_line_is_refused() {
        for text in ["[{\"a\": 1}, {\"a\": 2}]\n", "\n[\n  {\"a\": 1},\n", "[]", "[[1, 2], [3, 4]]"] {
            check_file(text, Some("the file is one JSON array; write one object a line"));
        }
        for text in ["{\n  \"a\": 1,\n  \"b\": 2\n}\n", "{\"a\": [\n1\n]}\n{\"a\": [\n2\n]}\n", "{\n\"a\":"] {
            check_file(text, Some("the file is JSON over many lines; write one object a line"));
        }
        let long = format!("{{\n\"a\": \"{}", "x".repeat(signature::HEAD_BYTES));
        check_file(&long, Some("JSON over many lines"));
        for text in [
            "",
            "\n",
            "{\"a\": 1}",
            "{\"a\":",
            "{\"a\": \n{\"a\": 1}\n",
            "[1]\n{\"a\": 1}\n",
            "{\"a\": {}}\n{",
        ] {
            check_file(text, None);
        }
    }

    #[test]
    fn text_with_a_delimiter_is_refused_and_broken_lines_are_not() {
        for text in ["a,b\n1,2\n", "\"a\";\"b\"\n1;2", "a\tb\r\n", "1,2\n3,4\n"] {
            check_file(text, Some("the file is text with a delimiter; set `format: csv`"));
        }
        check_file("<!DOCTYPE html>\n<html>", Some("the file is an HTML page, perhaps a login page; "));
        for text in ["a,b\n{\"a\": 1}\n", "\"a,b\"\n", "broken\n", "a\0,b\n"] {
            check_file(text, None);
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for number in ["12345678901234567890", "184467440737095516150", "1.10", "12E4", "-0", "1e400", "0.1"]
        {
            check(number, Some(number));
        }
        check("[1.10, {\"b\" : 12345678901234567890}]", Some("[1.10,{\"b\":12345678901234567890}]"));
    }

    #[test]
    fn a_string_is_what_it_means_and_any_other_value_what_is_written() {
        check("null", None);
        check("true", Some("true"));
        check("\"\"", Some(""));
        check("\"null\"", Some("null"));
        check(r#""a \"b\" \u00e9 \ud83d\ude00\n""#, Some("a \"b\" é 😀\n"));
        check("{ }", Some("{}"));
        check(r#"{"a b": [" \" ", "\\", { "c" : null }]}"#, Some(r#"{"a b":[" \" ","\\",{"c":null}]}"#));
    }

    #[test]
    fn an_object_that_has_a_key_twice_is_rejected() {
        check_reject(r#"{"a": 1, "b": 2, "a": 1}"#, Some("a"), "the line has the key `a` twice");
        check_reject(r#"{"x": 1, "\u0078": 2}"#, Some("x"), "the line has the key `x` twice");
    }

    #[test]
    fn a_line_that_is_no_object_says_so() {
        for line in ["[1]", "1", "\"text\"", "null"] {
            check_reject(line, None, "the line is not a JSON object");
        }
        for line in ["{\"a\": 01}", "{\"a\": 1} {\"a\": 2}", "{\"a\"", "{a: 1}", "{\"a\": [1,]}", "\0"] {
            check_reject(line, None, "the line is not valid JSON: ");
        }
        check_reject(r#"{"a": "\ud800"}"#, None, "the line is not valid JSON: the value of `a`: ");
    }
}
