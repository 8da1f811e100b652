//! Reading text: a stream of bytes, parsed on a thread of its own, within limits of what one row may take.

use std::io::{BufReader, Read};

use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStoreExt;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::input::{Input, Object};
use super::reader::{InputProblem, RawRows, RawStream, Sender, produced};

/// The longest row that is read, in bytes.
pub(super) const ROW_LIMIT_BYTES: usize = 16 << 20;

/// The bytes of an object from its first character on.
pub type TextInput = BufReader<SyncIoBridge<StreamReader<BoxStream<'static, std::io::Result<Bytes>>, Bytes>>>;

/// The rows that `parse` finds in the text of an input. It gets the text and takes rows to a sink, which says whether more are wanted.
/// Text is parsed as it arrives: an input need not fit into memory.
pub fn text<P>(input: &Input, parse: P) -> RawStream
where
    P: FnOnce(TextInput, &mut dyn FnMut(RawRows) -> bool) -> Result<(), InputProblem> + Send + 'static,
{
    let object = input.object.clone();
    produced(|sender| async move {
        let object = object.ok_or_else(|| "it is no object whose text could be read".to_owned())?;
        parse_object(object, parse, sender).await
    })
}

async fn parse_object<P>(object: Object, parse: P, sender: Sender) -> Result<(), InputProblem>
where
    P: FnOnce(TextInput, &mut dyn FnMut(RawRows) -> bool) -> Result<(), InputProblem> + Send + 'static,
{
    let Object { store, meta } = object;
    let found = store.get(&meta.location).await.map_err(|e| e.to_string())?;
    let stream: BoxStream<'static, std::io::Result<Bytes>> =
        Box::pin(found.into_stream().map_err(std::io::Error::other));
    let bridge = SyncIoBridge::new(StreamReader::new(stream));
    let parsing = move || {
        let mut text = BufReader::with_capacity(1 << 20, bridge);
        skip_byte_order_mark(&mut text)?;
        parse(text, &mut |rows| sender.blocking_send(Ok(rows)).is_ok())
    };
    tokio::task::spawn_blocking(parsing).await.map_err(|e| format!("the reader stopped: {e}"))?
}

fn skip_byte_order_mark(reader: &mut impl std::io::BufRead) -> Result<(), InputProblem> {
    let head = reader.fill_buf().map_err(|e| e.to_string())?;
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Err("the file is UTF-16; convert it to UTF-8".to_owned());
    }
    let skip = if head.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 };
    reader.consume(skip);
    Ok(())
}

/// A reader that fails when one row takes more than [`ROW_LIMIT_BYTES`].
pub(super) struct RowLimited<R> {
    inner: R,
    left: usize,
    quote: u8,
    quotes: u64,
}

impl<R> RowLimited<R> {
    pub(super) fn new(inner: R, quote: u8) -> Self {
        Self { inner, left: ROW_LIMIT_BYTES, quote, quotes: 0 }
    }

    /// Whether one quote has no counterpart: those within fields are doubled.
    pub(super) fn has_open_quote(&self) -> bool {
        self.quotes % 2 == 1
    }

    /// A row ended: the next may take as much again.
    pub(super) fn next_row(&mut self) {
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

/// The problem of a row that takes more than the limit.
pub(super) fn too_long(row: u64) -> String {
    format!("row {row} is longer than {} MiB; is a quote or a line end missing?", ROW_LIMIT_BYTES >> 20)
}
