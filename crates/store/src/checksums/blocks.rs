//! Checksums of the blocks of a Parquet file, which stand between its pages and its footer:
//!
//! ```text
//! pages and indexes | checksum of each block | of the footer | of these | covered bytes | blocks | block bytes | magic
//! footer | its length | "PAR1"
//! ```
//!
//! Every checksum begins with the file's name and the block's number, so that a block that stands elsewhere, and a
//! file in the place of another, are told as well.

use twox_hash::XxHash64;

/// Bytes that one checksum is of: few, since whoever reads a part of a block reads the block.
pub(crate) const BLOCK_BYTES: usize = 16 << 10;

/// The first and last bytes of a Parquet file.
pub(crate) const PARQUET: &[u8; 4] = b"PAR1";
/// The last bytes of the table of checksums; its number is that of the format.
const MAGIC: &[u8; 8] = b"TRANCHE1";
/// Bytes of the table besides the checksums of blocks.
const FIXED: usize = 8 + 8 + 8 + 4 + 4 + MAGIC.len();
/// Bytes behind the footer: its length, and the magic.
const END: usize = 4 + PARQUET.len();
/// The places of the footer's and the table's own checksums among the numbers of blocks.
const FOOTER: u64 = u64::MAX;
const TABLE: u64 = u64::MAX - 1;

/// The checksums of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocks {
    seed: u64,
    /// The bytes that the blocks make up: up to the table of their checksums.
    covered: u64,
    sums: Vec<u64>,
}

/// Blocks while they are summed up, from pieces of any size.
#[derive(Debug)]
pub(crate) struct Summing {
    seed: u64,
    sums: Vec<u64>,
    begun: Vec<u8>,
}

/// What the end of a file says of its checksums.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its checksums; what lies behind the covered bytes is as it was written.
    Blocks(Blocks),
    /// It has none: another program wrote it.
    None,
    /// It has to be known from an earlier byte on.
    Earlier(u64),
    /// What lies behind the covered bytes is not as it was written.
    Damaged,
}

fn sum(seed: u64, number: u64, bytes: &[u8]) -> u64 {
    XxHash64::oneshot(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15), bytes)
}

fn seed(name: &str) -> u64 {
    XxHash64::oneshot(0, name.as_bytes())
}

impl Summing {
    pub(crate) fn new(name: &str) -> Self {
        Self { seed: seed(name), sums: Vec::new(), begun: Vec::new() }
    }

    pub(crate) fn add(&mut self, mut bytes: &[u8]) {
        if !self.begun.is_empty() {
            let (more, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.begun.len()));
            self.begun.extend_from_slice(more);
            if self.begun.len() < BLOCK_BYTES {
                return;
            }
            let block = std::mem::take(&mut self.begun);
            self.push(&block);
            bytes = rest;
        }
        let mut blocks = bytes.chunks_exact(BLOCK_BYTES);
        for block in &mut blocks {
            self.push(block);
        }
        self.begun.extend_from_slice(blocks.remainder());
    }

    fn push(&mut self, block: &[u8]) {
        self.sums.push(sum(self.seed, self.sums.len() as u64, block));
    }

    /// The table, for a file whose blocks these are and that ends with `footer`.
    pub(crate) fn into_table(mut self, covered: u64, footer: &[u8]) -> Vec<u8> {
        if !self.begun.is_empty() {
            let block = std::mem::take(&mut self.begun);
            self.push(&block);
        }
        let mut table = Vec::with_capacity(self.sums.len() * 8 + FIXED);
        self.sums.iter().for_each(|sum| table.extend_from_slice(&sum.to_le_bytes()));
        table.extend_from_slice(&sum(self.seed, FOOTER, footer).to_le_bytes());
        let own = sum(self.seed, TABLE, &table);
        table.extend_from_slice(&own.to_le_bytes());
        table.extend_from_slice(&covered.to_le_bytes());
        table.extend_from_slice(&u32::try_from(self.sums.len()).unwrap_or(u32::MAX).to_le_bytes());
        table.extend_from_slice(&u32::try_from(BLOCK_BYTES).unwrap_or(u32::MAX).to_le_bytes());
        table.extend_from_slice(MAGIC);
        table
    }
}

/// Where the footer begins in a file that ends with these bytes; `None` where it is no Parquet file, or begins
/// before them.
pub(crate) fn footer_start(end: &[u8]) -> Option<usize> {
    let (rest, magic) = end.split_last_chunk::<4>()?;
    let (footer, length) = rest.split_last_chunk::<4>()?;
    (magic == PARQUET).then_some(())?;
    footer.len().checked_sub(u32::from_le_bytes(*length) as usize)
}

/// Whether what stands before the footer ends with checksums.
pub(crate) fn has_table(before_footer: &[u8]) -> bool {
    before_footer.ends_with(MAGIC)
}

/// The whole file with checksums; `None` where it is no Parquet file, or has its own already.
pub(crate) fn sealed(name: &str, file: &[u8]) -> Option<Vec<u8>> {
    let start = footer_start(file).filter(|_| file.starts_with(PARQUET))?;
    if has_table(&file[..start]) {
        return None;
    }
    let (covered, footer) = file.split_at(start);
    let mut blocks = Summing::new(name);
    blocks.add(covered);
    let table = blocks.into_table(covered.len() as u64, footer);
    Some([covered, &table, footer].concat())
}

impl Blocks {
    /// What the end of a file of `size` bytes says of its checksums.
    pub(crate) fn find(name: &str, size: u64, end: &[u8]) -> Found {
        let from = size.saturating_sub(end.len() as u64);
        let Some(start) = footer_start(end) else {
            let is_cut = end.ends_with(PARQUET) && from > 0 && end.len() > END;
            return if is_cut { Found::Earlier(0) } else { Found::None };
        };
        if !has_table(&end[..start]) {
            return if start < FIXED && from > 0 { Found::Earlier(0) } else { Found::None };
        }
        let Some((fixed, table_end)) = start.checked_sub(FIXED).map(|begin| (&end[begin..start], begin))
        else {
            return if from > 0 { Found::Earlier(0) } else { Found::Damaged };
        };
        let long = |at: usize| fixed[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
        let short = |at: usize| fixed[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or_default();
        let (of_footer, of_table, covered) = (long(0), long(8), long(16));
        let (count, block_bytes) = (short(24) as usize, short(28) as usize);
        let expected = usize::try_from(covered).ok().map(|covered| covered.div_ceil(BLOCK_BYTES));
        if block_bytes != BLOCK_BYTES || expected != Some(count) {
            return Found::Damaged;
        }
        let Some(table_start) = table_end.checked_sub(count * 8) else {
            return if from > 0 { Found::Earlier(covered.min(from)) } else { Found::Damaged };
        };
        let seed = seed(name);
        let is_whole = covered == from + table_start as u64
            && sum(seed, TABLE, &end[table_start..table_end + 8]) == of_table
            && sum(seed, FOOTER, &end[start..]) == of_footer;
        if !is_whole {
            return Found::Damaged;
        }
        let sums = end[table_start..table_end].chunks_exact(8);
        let sums = sums.map(|sum| sum.try_into().map(u64::from_le_bytes).unwrap_or_default()).collect();
        Found::Blocks(Self { seed, covered, sums })
    }

    /// Bytes that the blocks make up.
    pub(crate) fn covered(&self) -> u64 {
        self.covered
    }

    /// Whether these bytes, which begin with a block and end with one, are as they were written.
    pub(crate) fn hold(&self, begin: u64, bytes: &[u8]) -> bool {
        let first = begin / BLOCK_BYTES as u64;
        let sums = self.sums.get(usize::try_from(first).unwrap_or(usize::MAX)..).unwrap_or_default();
        let blocks = bytes.chunks(BLOCK_BYTES);
        blocks.len() <= sums.len()
            && (first..)
                .zip(blocks)
                .zip(sums)
                .all(|((number, block), known)| sum(self.seed, number, block) == *known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(pages: usize) -> Vec<u8> {
        let mut bytes = PARQUET.to_vec();
        bytes.extend((0..pages).map(|at| u8::try_from(at * 7 % 251).unwrap()));
        bytes.extend(b"the footer");
        bytes.extend(10_u32.to_le_bytes());
        bytes.extend(PARQUET);
        bytes
    }

    fn is_whole(name: &str, file: &[u8]) -> bool {
        match Blocks::find(name, file.len() as u64, file) {
            Found::Blocks(blocks) => blocks.hold(0, &file[..usize::try_from(blocks.covered()).unwrap()]),
            Found::None => panic!("no checksums"),
            Found::Earlier(_) | Found::Damaged => false,
        }
    }

    #[test]
    fn every_flipped_bit_is_told_wherever_it_is() {
        for pages in [0, 1, BLOCK_BYTES - 4, BLOCK_BYTES * 2 + 17] {
            let sealed = sealed("a.parquet", &file(pages)).unwrap();
            assert!(is_whole("a.parquet", &sealed), "{pages}");
            assert!(!is_whole("b.parquet", &sealed), "the file of another name");
            assert_eq!(super::sealed("a.parquet", &sealed), None, "it has them already");
            // Of the magic and the footer's length it is told by their not being there.
            let end = sealed.len() - END - 10 - MAGIC.len();
            for at in (4..end).step_by(if pages > 100 { 511 } else { 1 }) {
                let mut flipped = sealed.clone();
                flipped[at] ^= 1 << (at % 8);
                assert!(!is_whole("a.parquet", &flipped), "{pages} at {at}");
            }
        }
    }

    #[test]
    fn pieces_of_any_size_sum_up_to_the_same() {
        let file = file(BLOCK_BYTES * 3 + 5);
        let start = footer_start(&file).unwrap();
        for piece in [1000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, file.len()] {
            let mut blocks = Summing::new("a.parquet");
            file[..start].chunks(piece).for_each(|piece| blocks.add(piece));
            let table = blocks.into_table(start as u64, &file[start..]);
            let whole = [&file[..start], &table, &file[start..]].concat();
            assert_eq!(Some(whole), sealed("a.parquet", &file), "{piece}");
        }
    }

    #[test]
    fn what_is_no_parquet_file_of_ours_has_none() {
        assert_eq!(sealed("a.parquet", b"PAR1"), None);
        assert_eq!(sealed("a.parquet", &[0; 100]), None);
        let foreign = file(100);
        assert_eq!(Blocks::find("a.parquet", foreign.len() as u64, &foreign), Found::None);
        let sealed = sealed("a.parquet", &file(BLOCK_BYTES * 5)).unwrap();
        let size = sealed.len() as u64;
        for cut in [20, 40, 60] {
            let end = &sealed[sealed.len() - cut..];
            assert!(matches!(Blocks::find("a.parquet", size, end), Found::Earlier(_)), "{cut}");
        }
    }
}
