//! Raw files as they are written: one line at a time, counted, and now and then spoiled as raw files are.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::random::{Random, Topic};

/// What may be wrong with a raw row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flaw {
    /// The field at this position (from 0) holds this text.
    Field(usize, &'static str),
    /// The line ends too early.
    Cut,
    /// The line stands there twice.
    Twice,
}

/// How often rows are spoiled, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dirt {
    /// One row in so many.
    pub(crate) one_in: u32,
    /// Between the fields of a line.
    pub(crate) delimiter: char,
    /// The flaws with their weights.
    pub(crate) flaws: &'static [(Flaw, u32)],
}

/// A text file that grows by lines.
pub(crate) struct RawFile {
    out: BufWriter<File>,
    rows: u64,
    dirt: Dirt,
    random: Random,
}

impl RawFile {
    /// Creates the file and its folders. A header is a first line that does not count as a row; it may be empty.
    pub(crate) fn create(path: &Path, header: &str, dirt: Dirt, random: Random) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut out = BufWriter::with_capacity(1 << 18, File::create(path)?);
        if !header.is_empty() {
            writeln!(out, "{header}")?;
        }
        Ok(Self { out, rows: 0, dirt, random })
    }

    /// Adds a row as it is.
    pub(crate) fn clean(&mut self, line: &str) -> io::Result<()> {
        self.rows += 1;
        writeln!(self.out, "{line}")
    }

    /// Adds a row that may be spoiled.
    pub(crate) fn row(&mut self, line: &str) -> io::Result<()> {
        match self.flaw() {
            None => self.clean(line),
            Some(Flaw::Twice) => self.clean(line).and_then(|()| self.clean(line)),
            Some(flaw) => self.spoilt(line, flaw),
        }
    }

    /// Adds a row as it is, and perhaps a spoiled copy of it.
    pub(crate) fn row_and_copy(&mut self, line: &str) -> io::Result<()> {
        self.clean(line)?;
        match self.flaw() {
            None => Ok(()),
            Some(flaw) => self.spoilt(line, flaw),
        }
    }

    /// Writes what is buffered and returns the number of rows.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.rows)
    }

    fn flaw(&mut self) -> Option<Flaw> {
        let spoil = self.random.chance(1.0 / f64::from(self.dirt.one_in));
        spoil.then(|| self.random.pick(self.dirt.flaws))
    }

    fn spoilt(&mut self, line: &str, flaw: Flaw) -> io::Result<()> {
        match flaw {
            Flaw::Twice => self.clean(line),
            Flaw::Cut => self.clean(&line.chars().take(line.chars().count() * 2 / 3).collect::<String>()),
            Flaw::Field(position, text) => {
                let delimiter = self.dirt.delimiter;
                let fields = line
                    .split(delimiter)
                    .enumerate()
                    .map(|(at, field)| if at == position { text } else { field });
                self.clean(&fields.collect::<Vec<_>>().join(&delimiter.to_string()))
            }
        }
    }
}

/// The stream of flaws of one file.
pub(crate) fn dirt_stream(seed: u64, family: u64, month: u64) -> Random {
    Random::stream(seed, Topic::Dirt, family, month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flaws: &'static [(Flaw, u32)], expected: &str) -> io::Result<()> {
        let path =
            std::env::temp_dir().join(format!("tranche-raw-file-{}-{}", std::process::id(), expected.len()));
        let dirt = Dirt { one_in: 1, delimiter: ';', flaws };
        let mut file = RawFile::create(&path, "a;b", dirt, dirt_stream(1, 0, 0))?;
        file.row("one;two")?;
        let rows = file.finish()?;
        let text = fs::read_to_string(&path)?;
        fs::remove_file(&path)?;
        assert_eq!((text.as_str(), rows as usize), (expected, expected.lines().count() - 1));
        Ok(())
    }

    #[test]
    fn flaws_spoil_a_row() -> io::Result<()> {
        check(&[(Flaw::Field(1, "n/a"), 1)], "a;b\none;n/a\n")?;
        check(&[(Flaw::Cut, 1)], "a;b\none;\n")?;
        check(&[(Flaw::Twice, 1)], "a;b\none;two\none;two\n")
    }
}
