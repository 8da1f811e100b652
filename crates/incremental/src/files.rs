//! The files of a table against those that an earlier run read.

use std::collections::HashSet;

use tranche_sql::Source;
use tranche_store::DataFile;

/// A file against those that an earlier run read. Files never change, so that there is no fourth class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileClass {
    /// The earlier run read it, and it is still in the table.
    Kept,
    /// The earlier run read it, and it is no longer in the table.
    Removed,
    /// The earlier run did not read it.
    Added,
}

/// The sources of a table, each with its class, in their order; removed files follow. Rows in memory are as
/// good as an added file.
#[must_use]
pub fn classify(before: &[DataFile], now: Vec<Source>) -> Vec<(FileClass, Source)> {
    let known: HashSet<&str> = before.iter().map(|file| file.path.as_str()).collect();
    let mut kept: HashSet<String> = HashSet::new();
    let mut classed = Vec::with_capacity(now.len());
    for source in now {
        let class = match &source {
            Source::File(file) if known.contains(file.path.as_str()) => {
                kept.insert(file.path.clone());
                FileClass::Kept
            }
            _ => FileClass::Added,
        };
        classed.push((class, source));
    }
    let removed = before.iter().filter(|file| !kept.contains(&file.path));
    classed.extend(removed.map(|file| (FileClass::Removed, Source::File(file.clone()))));
    classed
}
