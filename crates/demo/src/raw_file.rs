//! Raw files as they are written: one line at a time, counted, and now and then corrupted as raw files are.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::random::{Random, Topic};

/// A way in which a raw row is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CorruptionKind {
    /// The field at this position (from 0) holds this text.
    Field(usize, &'static str),
    /// The line ends too early.
    Cut,
    /// The line stands there twice.
    Twice,
}

/// How often rows are corrupted, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Corruption {
    /// One row in so many.
    pub(crate) one_in: u32,
    /// Between the fields of a line.
    pub(crate) delimiter: char,
    /// The kinds with their weights.
    pub(crate) kinds: &'static [(CorruptionKind, u32)],
}

/// A text file that grows by lines.
pub(crate) struct RawFile {
    out: BufWriter<File>,
    rows: u64,
    corruption: Corruption,
    random: Random,
}

impl RawFile {
    /// Creates the file and its folders. A header is a first line that does not count as a row; it may be empty.
    pub(crate) fn create(
        path: &Path,
        header: &str,
        corruption: Corruption,
        random: Random,
    ) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut out = BufWriter::with_capacity(1 << 18, File::create(path)?);
        if !header.is_empty() {
            writeln!(out, "{header}")?;
        }
        Ok(Self { out, rows: 0, corruption, random })
    }

    /// Adds a row as it is.
    pub(crate) fn clean(&mut self, line: &str) -> io::Result<()> {
        self.rows += 1;
        writeln!(self.out, "{line}")
    }

    /// Adds a row that may be corrupted.
    pub(crate) fn row(&mut self, line: &str) -> io::Result<()> {
        match self.drawn_kind() {
            None => self.clean(line),
            Some(CorruptionKind::Twice) => self.clean(line).and_then(|()| self.clean(line)),
            Some(kind) => self.corrupted(line, kind),
        }
    }

    /// Adds a row as it is, and perhaps a corrupted copy of it.
    pub(crate) fn row_and_copy(&mut self, line: &str) -> io::Result<()> {
        self.clean(line)?;
        match self.drawn_kind() {
            None => Ok(()),
            Some(kind) => self.corrupted(line, kind),
        }
    }

    /// Writes what is buffered and returns the number of rows.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.rows)
    }

    fn drawn_kind(&mut self) -> Option<CorruptionKind> {
        let spoil = self.random.chance(1.0 / f64::from(self.corruption.one_in));
        spoil.then(|| self.random.pick(self.corruption.kinds))
    }

    fn corrupted(&mut self, line: &str, kind: CorruptionKind) -> io::Result<()> {
        match kind {
            CorruptionKind::Twice => self.clean(line),
            CorruptionKind::Cut => {
                self.clean(&line.chars().take(line.chars().count() * 2 / 3).collect::<String>())
            }
            CorruptionKind::Field(position, text) => {
                let delimiter = self.corruption.delimiter;
                let fields = line
                    .split(delimiter)
                    .enumerate()
                    .map(|(at, field)| if at == position { text } else { field });
                self.clean(&fields.collect::<Vec<_>>().join(&delimiter.to_string()))
            }
        }
    }
}

/// The random numbers that decide which rows of one file are corrupted, and how.
pub(crate) fn corruption_stream(seed: u64, family: u64, month: u64) -> Random {
    Random::stream(seed, Topic::Corruption, family, month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kinds: &'static [(CorruptionKind, u32)], expected: &str) -> io::Result<()> {
        let path =
            std::env::temp_dir().join(format!("tranche-raw-file-{}-{}", std::process::id(), expected.len()));
        let corruption = Corruption { one_in: 1, delimiter: ';', kinds };
        let mut file = RawFile::create(&path, "a;b", corruption, corruption_stream(1, 0, 0))?;
        file.row("one;two")?;
        let rows = file.finish()?;
        let text = fs::read_to_string(&path)?;
        fs::remove_file(&path)?;
        assert_eq!((text.as_str(), rows as usize), (expected, expected.lines().count() - 1));
        Ok(())
    }

    #[test]
    fn a_row_is_corrupted() -> io::Result<()> {
        check(&[(CorruptionKind::Field(1, "n/a"), 1)], "a;b\none;n/a\n")?;
        check(&[(CorruptionKind::Cut, 1)], "a;b\none;\n")?;
        check(&[(CorruptionKind::Twice, 1)], "a;b\none;two\none;two\n")
    }
}
