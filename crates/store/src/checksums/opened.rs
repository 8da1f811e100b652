//! A Parquet file whose checksums are known: which bytes must be read to verify a range, and what of them is
//! wanted.

use std::ops::Range;

use bytes::Bytes;
use object_store::ObjectMeta;

use super::Damage;
use super::blocks::{BLOCK_BYTES, Blocks};

/// A file and its end.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) meta: ObjectMeta,
    blocks: Blocks,
    /// The last bytes of the file, all of which are verified.
    end: Bytes,
    /// Where they begin.
    from: u64,
}

impl Opened {
    /// A file of these checksums, whose last bytes are `end`; `None` where those are not as they were written.
    pub(super) fn new(meta: ObjectMeta, blocks: Blocks, end: Bytes) -> Option<Self> {
        let begin = meta.size.saturating_sub(end.len() as u64);
        let block = BLOCK_BYTES as u64;
        let from = begin.next_multiple_of(block).min(blocks.covered());
        let offset = |at: u64| usize::try_from(at - begin).unwrap_or(usize::MAX);
        if from >= begin {
            let covered = end.get(offset(from)..offset(blocks.covered()))?;
            blocks.hold(from, covered).then_some(())?;
            let end = end.slice(offset(from)..);
            return Some(Self { meta, blocks, end, from });
        }
        // The covered bytes end before these begin.
        Some(Self { from: begin, meta, blocks, end })
    }

    /// A range of the file, where its end is enough to know it.
    pub(super) fn in_end(&self, range: &Range<u64>) -> Option<Bytes> {
        let offset = |at: u64| usize::try_from(at - self.from).ok();
        (range.start >= self.from).then_some(())?;
        Some(self.end.slice(offset(range.start)?..offset(range.end)?))
    }

    /// The whole blocks that a range lies in; what it has of the verified end is none of them.
    pub(super) fn around(&self, range: &Range<u64>) -> Range<u64> {
        let block = BLOCK_BYTES as u64;
        let end =
            range.end.next_multiple_of(block).min(self.blocks.covered()).max(range.end.min(self.meta.size));
        range.start / block * block..end
    }

    /// Whether the bytes at `begin`, read as [`Opened::around`] says, are as they were written.
    pub(super) fn verify(&self, path: &str, begin: u64, bytes: &[u8]) -> Result<(), Damage> {
        let covered = usize::try_from(self.blocks.covered().saturating_sub(begin)).unwrap_or(usize::MAX);
        let (covered, rest) = bytes.split_at(bytes.len().min(covered));
        let behind = begin + covered.len() as u64;
        let is_end = rest.is_empty()
            || self.in_end(&(behind..behind + rest.len() as u64)).is_some_and(|known| known == rest);
        if is_end && self.blocks.hold(begin, covered) {
            return Ok(());
        }
        let end = begin + bytes.len() as u64;
        Err(Damage::new(
            path,
            format!("its bytes {begin} to {end} are not those that were written (checksum)"),
        ))
    }
}
