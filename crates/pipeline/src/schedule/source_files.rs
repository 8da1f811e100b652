//! Files of a source, and the slots that they trigger.

use jiff::{SignedDuration, Timestamp};
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

/// Files that are newer may not be all of their delivery yet.
const QUIET: SignedDuration = SignedDuration::from_secs(10);

/// Where files keep coming, those that are there are not left waiting for longer.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// Files of a source that are no arrival yet, as this process has seen them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Coming {
    since: Timestamp,
    digest: String,
    /// Since when they are these.
    unchanged: Timestamp,
}

impl Coming {
    /// Seen for the first time.
    pub(crate) fn new(files: &SourceFiles, now: Timestamp) -> Self {
        Self { since: now, digest: files.digest.clone(), unchanged: now }
    }

    /// Whether they are all of their delivery, or were waited for long enough.
    pub(crate) fn is_due(&mut self, files: &SourceFiles, now: Timestamp) -> bool {
        if self.digest != files.digest {
            (self.digest, self.unchanged) = (files.digest.clone(), now);
        }
        let age = now.duration_since(files.newest);
        let is_quiet =
            if age.is_negative() { now.duration_since(self.unchanged) >= QUIET } else { age >= QUIET };
        is_quiet || now.duration_since(self.since) >= PATIENCE
    }
}
