//! Reading text: a stream of bytes, parsed on a thread of its own, within limits of what one row may take.

use std::fmt;
use std::io::{BufReader, Chain, Cursor, Read};
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStoreExt;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::input::{Input, Object};
use super::problem::InputProblem;
use super::reader::{RawColumns, RawRows, RawStream, Reader, Sender, produced};
use super::signature::{self, HEAD_BYTES};

/// The bytes of an object from its first character on.
pub type TextInput = Buffered<ObjectBytes>;

/// The first bytes, which were looked at, and then the rest.
type Buffered<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

type ObjectBytes = SyncIoBridge<StreamReader<BoxStream<'static, std::io::Result<Bytes>>, Bytes>>;

/// Takes raw rows, and says whether more are wanted.
pub type Sink<'a> = &'a mut dyn FnMut(RawRows) -> bool;

/// How the rows of a text are found.
pub trait Parser: fmt::Debug + Send + Sync + 'static {
    /// Whether a row may lack columns that others have.
    const IS_SPARSE: bool;

    /// Parses a text as it arrives: it need not fit into memory. Columns that are not `wanted` may be left out.
    ///
    /// # Errors
    /// Why the text as a whole cannot be read.
    fn parse(&self, text: TextInput, wanted: &RawColumns, sink: Sink<'_>) -> Result<(), InputProblem>;
}

/// Reads objects that are text.
#[derive(Debug)]
pub struct TextReader<P>(Arc<P>);

impl<P: Parser> TextReader<P> {
    /// The reader of texts that `parser` understands.
    #[must_use]
    pub fn new(parser: P) -> Self {
        Self(Arc::new(parser))
    }
}

impl<P: Parser> Reader for TextReader<P> {
    fn is_sparse(&self) -> bool {
        P::IS_SPARSE
    }

    fn open(&self, input: &Input, wanted: &RawColumns) -> RawStream {
        let (object, parser, wanted) = (input.object.clone(), Arc::clone(&self.0), wanted.clone());
        produced(|sender| async move {
            let object = object.ok_or_else(|| "it is no object whose text could be read".to_owned())?;
            parse(object, parser, wanted, sender).await
        })
    }
}

async fn parse<P: Parser>(
    object: Object,
    parser: Arc<P>,
    wanted: RawColumns,
    sender: Sender,
) -> Result<(), InputProblem> {
    let Object { store, meta } = object;
    wanted.check_size(meta.size)?;
    let found = store.get(&meta.location).await.map_err(|error| InputProblem::of_object(&error))?;
    let stream: BoxStream<'static, std::io::Result<Bytes>> =
        Box::pin(found.into_stream().map_err(std::io::Error::other));
    let bridge = SyncIoBridge::new(StreamReader::new(stream));
    let parsing = move || {
        let text = text(bridge)?;
        parser.parse(text, &wanted, &mut |rows| sender.blocking_send(Ok(rows)).is_ok())
    };
    tokio::task::spawn_blocking(parsing).await.map_err(|e| format!("the reader stopped: {e}"))?
}

/// The text in these bytes, without its byte order mark, if they are text.
fn text<R: Read>(mut bytes: R) -> Result<Buffered<R>, InputProblem> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    (&mut bytes)
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(|error| InputProblem::of_io(&error, None))?;
    if let Some(mistaken) = signature::binary(&head) {
        return Err(mistaken.into());
    }
    let mark = if head.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 };
    let mut head = Cursor::new(head);
    head.set_position(mark);
    Ok(BufReader::with_capacity(1 << 20, head.chain(bytes)))
}

/// A reader that fails when one row takes more than it may.
pub(super) struct RowLimited<R> {
    inner: R,
    most: usize,
    left: usize,
    quote: u8,
    quotes: u64,
}

impl<R> RowLimited<R> {
    pub(super) fn new(inner: R, quote: u8, most: usize) -> Self {
        Self { inner, most, left: most, quote, quotes: 0 }
    }

    /// Whether one quote has no counterpart: those within fields are doubled.
    pub(super) fn has_open_quote(&self) -> bool {
        self.quotes % 2 == 1
    }

    /// A row ended: the next may take as much again.
    pub(super) fn next_row(&mut self) {
        self.left = self.most;
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

/// The most bytes that a row may take.
pub(super) fn row_bytes(wanted: &RawColumns) -> usize {
    usize::try_from(wanted.limits().row_bytes).unwrap_or(usize::MAX)
}

/// The problem of a row that takes more.
pub(super) fn too_long(row: u64, wanted: &RawColumns) -> InputProblem {
    let most = match wanted.limits().row_bytes {
        bytes if bytes.trailing_zeros() >= 20 => format!("{} MiB", bytes >> 20),
        bytes => format!("{bytes} bytes"),
    };
    format!(
        "row {row} is longer than {most} (`limits.row_bytes` in tranche.yaml); is a quote or a line end missing?"
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that yields one byte at a time, as a slow network may.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = buffer.len().min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn a_text_is_read_from_its_first_character_on() {
        let long = [b"\xEF\xBB\xBF".as_slice(), &vec![b'x'; 3 * HEAD_BYTES]].concat();
        for (bytes, expected) in
            [(&b""[..], 0), (b"abc", 3), (b"\xEF\xBB\xBFabc", 3), (&long, 3 * HEAD_BYTES)]
        {
            let mut found = String::new();
            text(Trickle(bytes)).unwrap().read_to_string(&mut found).unwrap();
            assert_eq!(found.len(), expected);
        }
        assert!(text(Trickle(b"\x1f\x8b\x08\0")).is_err_and(|problem| problem.to_string().contains("gzip")));
    }
}
