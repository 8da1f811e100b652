//! What may become of the refreshes that were published before.

use jiff::Timestamp;

use crate::definition::names::is_wanted;
use crate::error::SegmentError;
use crate::history::HistoryRow;

/// What a publication leaves of what later refreshes published. Membership is a history, which is not rewritten unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistoryPolicy {
    /// An instant takes its place in history: it is added, or repeated, and all others stay as they are.
    Grows,
    /// It is rebuilt from the first instant on, by this publication and those after it.
    Rebuilt,
    /// It is filled in for the wanted segments alone; `rebuild` where these have some already, all of which is replaced.
    FilledIn {
        /// Whether that was asked for.
        rebuild: bool,
    },
}

impl HistoryPolicy {
    /// Whether refreshes of later instants stay as they are.
    pub(crate) fn keeps_later(self) -> bool {
        self == Self::Grows
    }

    /// Whether results as of these instants may be published upon a history, of which a backfill regards the `wanted` segments.
    pub(crate) fn allow(
        self,
        history: &[HistoryRow],
        wanted: Option<&[String]>,
        instants: &[Timestamp],
    ) -> Result<(), SegmentError> {
        let (Some(&from), Some(&to)) = (instants.first(), instants.last()) else { return Ok(()) };
        let last = history.iter().filter(|row| is_wanted(wanted, &row.segment)).max_by_key(|row| row.as_of);
        match self {
            Self::Rebuilt | Self::Grows => Ok(()),
            Self::FilledIn { rebuild } => match last {
                Some(row) if row.as_of >= from && !rebuild => {
                    Err(SegmentError::Published { segment: row.segment.clone(), last: row.as_of, from })
                }
                Some(row) if row.as_of > to => {
                    Err(SegmentError::Shortened { segment: row.segment.clone(), last: row.as_of, to })
                }
                _ => Ok(()),
            },
        }
    }
}
