//! A format of files: pairs `name=value` with blanks between them, a row a line.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use tranche_ingest::Reason;
use tranche_ingest::read::{
    BATCH_ROWS, Format, InputProblem, Parser, RawColumns, RawRows, Sink, TextInput, TextReader, UnreadableRow,
};

/// The format under the name that sources give.
pub(crate) const LOGFMT: Format = Format {
    name: "logfmt",
    description: "Pairs of name and value, a row a line.",
    reader: |_, _| Arc::new(TextReader::new(Logfmt)),
};

#[derive(Debug)]
struct Logfmt;

impl Parser for Logfmt {
    const IS_SPARSE: bool = true;

    fn parse(&self, text: TextInput, _wanted: &RawColumns, sink: Sink<'_>) -> Result<(), InputProblem> {
        let mut lines = (1..).zip(text.lines());
        loop {
            let (mut pending, mut unreadable) = (Vec::new(), Vec::new());
            for (row, line) in lines.by_ref().take(BATCH_ROWS) {
                let line = line.map_err(|error| error.to_string())?;
                match pairs(&line) {
                    Ok(pairs) => pending.push((row, pairs)),
                    Err(reason) => {
                        let reason = Reason::plain(reason);
                        unreadable.push(UnreadableRow { row, column: None, reason, raw: Some(line) });
                    }
                }
            }
            let is_last = pending.len() + unreadable.len() < BATCH_ROWS;
            let batch = batch(&pending).map_err(|error| error.to_string())?;
            let rows = pending.iter().map(|(row, _)| *row).collect();
            if !sink(RawRows { batch, rows, unreadable, texts: None }) || is_last {
                return Ok(());
            }
        }
    }
}

fn pairs(line: &str) -> Result<BTreeMap<String, String>, String> {
    line.split_whitespace()
        .map(|pair| pair.split_once('=').ok_or_else(|| format!("`{pair}` is no pair of name and value")))
        .map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect()
}

fn batch(rows: &[(u64, BTreeMap<String, String>)]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut names: Vec<&String> = rows.iter().flat_map(|(_, pairs)| pairs.keys()).collect();
    names.sort();
    names.dedup();
    let columns = names.into_iter().map(|name| {
        let values = rows.iter().map(|(_, pairs)| pairs.get(name)).collect::<StringArray>();
        (name, Arc::new(values) as ArrayRef, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns)
}
