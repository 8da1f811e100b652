//! Files of a source, and the slots that they trigger.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The files of a source at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFiles {
    /// The date of the newest.
    pub newest: Timestamp,
    /// A digest that differs for any other files.
    pub digest: String,
}

/// Files of a source that were not there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The slot that they trigger; `None` for the files, or none, that were there when the schedule began.
    pub slot: Option<Timestamp>,
    /// The source.
    pub source: String,
    /// The digest of its files; empty where there was none.
    pub digest: String,
}

impl Arrival {
    /// In the place of an entry that cannot be read: of no source, so that its files are noted once more.
    pub(crate) fn lost() -> Self {
        Self { slot: None, source: String::new(), digest: String::new() }
    }
}
