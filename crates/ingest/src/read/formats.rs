//! The formats that can be read. A format is one file beside this one and one line here.

use super::reader::Format;
use super::{csv, ndjson, parquet};

/// The formats that a source may name.
#[derive(Debug, Clone)]
pub struct Formats(Vec<Format>);

impl Default for Formats {
    /// The formats of files.
    fn default() -> Self {
        Self(vec![csv::CSV, ndjson::NDJSON, parquet::PARQUET])
    }
}

impl Formats {
    /// The same with one more.
    #[must_use]
    pub fn with(mut self, format: Format) -> Self {
        self.0.push(format);
        self
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Format] {
        &self.0
    }

    /// The format of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Format> {
        self.0.iter().find(|format| format.name == name)
    }

    /// Their names as a sentence has them: `csv, ndjson or parquet`.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|format| format.name).collect();
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}
