//! What may become of the refreshes that were published before.

use jiff::Timestamp;

use crate::definition::names::is_wanted;
use crate::error::SegmentError;
use crate::history::HistoryRow;

/// Whether a publication may replace what later refreshes published. Membership is a history, which is not rewritten unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistoryPolicy {
    /// History grows at its end; only the last instant may be repeated.
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
    /// Whether results as of these instants may be published upon a history, of which a backfill regards the `wanted` segments.
    pub(crate) fn allow(
        self,
        history: &[HistoryRow],
        wanted: Option<&[String]>,
        instants: &[Timestamp],
    ) -> Result<(), SegmentError> {
        let (Some(&from), Some(&to)) = (instants.first(), instants.last()) else { return Ok(()) };
        let last =
            |wanted| history.iter().filter(|row| is_wanted(wanted, &row.segment)).max_by_key(|row| row.as_of);
        match self {
            Self::Rebuilt => Ok(()),
            Self::Grows => match last(None).map(|row| row.as_of) {
                Some(last) if last > from => Err(SegmentError::Earlier { last, as_of: from }),
                _ => Ok(()),
            },
            Self::FilledIn { rebuild } => match last(wanted) {
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
