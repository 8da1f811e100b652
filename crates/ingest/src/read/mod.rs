//! Reading raw files: each format yields batches of raw rows with their numbers, and the rows that cannot even be read.
//!
//! Text formats give every column as text; what a value means is decided against the contract, not guessed by a reader.

mod csv;
mod ndjson;
mod parquet;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::io::Read;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::quarantine::Reject;
use crate::source::Format;

/// Rows as they stand in a file.
#[derive(Debug)]
pub struct RawRows {
    /// The raw columns.
    pub batch: RecordBatch,
    /// The 1-based number of each row within its file, headers not counted.
    pub rows: Vec<u64>,
    /// Rows between these that could not be read.
    pub rejects: Vec<Reject>,
}

/// Why a file as a whole cannot be read.
pub type FileProblem = String;

/// The longest row that is read, in bytes.
pub(crate) const ROW_LIMIT_BYTES: usize = 16 << 20;

/// Rows of a batch: enough to amortise the work on a batch, few enough to keep batches small.
pub(crate) const BATCH_ROWS: usize = 16_384;

/// Reads one object. Batches arrive in order; an error ends them.
pub fn open(
    store: Arc<dyn ObjectStore>,
    object: &ObjectMeta,
    format: &Format,
) -> mpsc::Receiver<Result<RawRows, FileProblem>> {
    let (sender, receiver) = mpsc::channel(2);
    let (object, format) = (object.clone(), format.clone());
    tokio::spawn(async move {
        let outcome = match format {
            Format::Parquet => parquet::read(store, &object, &sender).await,
            text => read_text(store, object, text, sender.clone()).await,
        };
        if let Err(problem) = outcome {
            // The receiver may have given up; then nobody is left to tell.
            let _ = sender.send(Err(problem)).await;
        }
    });
    receiver
}

/// Text is parsed on a thread of its own, from a stream: a file need not fit into memory.
async fn read_text(
    store: Arc<dyn ObjectStore>,
    object: ObjectMeta,
    format: Format,
    sender: mpsc::Sender<Result<RawRows, FileProblem>>,
) -> Result<(), FileProblem> {
    let found = store.get(&object.location).await.map_err(|e| e.to_string())?;
    let stream = found.into_stream().map_err(std::io::Error::other);
    let bridge = SyncIoBridge::new(StreamReader::new(stream));
    let file = object.location.to_string();
    let parse = move || -> Result<(), FileProblem> {
        let mut reader = std::io::BufReader::with_capacity(1 << 20, bridge);
        skip_byte_order_mark(&mut reader)?;
        let mut sink = |rows: RawRows| sender.blocking_send(Ok(rows)).is_ok();
        match &format {
            Format::Csv { delimiter, quote, nulls } => {
                csv::read(reader, &file, *delimiter, *quote, nulls, &mut sink)
            }
            Format::Ndjson => ndjson::read(reader, &file, &mut sink),
            Format::Parquet => Err("Parquet is not text".to_owned()),
        }
    };
    tokio::task::spawn_blocking(parse).await.map_err(|e| format!("the reader stopped: {e}"))?
}

fn skip_byte_order_mark(reader: &mut impl std::io::BufRead) -> Result<(), FileProblem> {
    let head = reader.fill_buf().map_err(|e| e.to_string())?;
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Err("the file is UTF-16; convert it to UTF-8".to_owned());
    }
    let skip = if head.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 };
    reader.consume(skip);
    Ok(())
}

/// A reader that refuses to go on when one row takes more than [`ROW_LIMIT_BYTES`].
pub(crate) struct RowLimited<R> {
    inner: R,
    left: usize,
    quote: u8,
    quotes: u64,
}

impl<R> RowLimited<R> {
    pub(crate) fn new(inner: R, quote: u8) -> Self {
        Self { inner, left: ROW_LIMIT_BYTES, quote, quotes: 0 }
    }

    /// Whether one quote has no other: those within fields are doubled.
    pub(crate) fn has_open_quote(&self) -> bool {
        self.quotes % 2 == 1
    }

    /// A row ended: the next may take as much again.
    pub(crate) fn next_row(&mut self) {
        self.left = ROW_LIMIT_BYTES;
    }
}

impl<R: Read> Read for RowLimited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read > self.left {
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "row too long"));
        }
        self.left -= read;
        self.quotes += buffer[..read].iter().filter(|byte| **byte == self.quote).count() as u64;
        Ok(read)
    }
}

/// What is said about a row that takes more than the limit.
pub(crate) fn too_long(row: u64) -> String {
    format!("row {row} is longer than {} MiB; is a quote or a line end missing?", ROW_LIMIT_BYTES >> 20)
}
