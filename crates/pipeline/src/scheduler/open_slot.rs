//! Slots that are decided, and how the runs of those stand that are run.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::decide::InLine;
use crate::{Fate, LeaseWatch, Liveness, Overlap, RunRecord};

/// A slot that is decided.
pub(super) enum SlotState {
    Closed,
    Open(OpenSlot),
}

/// A slot whose run has not ended.
pub(super) struct OpenSlot {
    pub(super) run_id: String,
    pub(super) late: bool,
    pub(super) overlap: Overlap,
    pub(super) run: RunState,
    /// How often our work on it came to nothing.
    pub(super) failures: u64,
    /// After such a failure: when to try again.
    pub(super) not_before: Option<Instant>,
}

/// How a run stands that has not ended.
pub(super) enum RunState {
    /// Nobody has begun it, as far as we know.
    Waiting,
    /// We are at work on it.
    Ours(CancellationToken),
    /// Someone else is at work on it, or was.
    Theirs(Box<Theirs>),
}

pub(super) struct Theirs {
    pub(super) record: RunRecord,
    pub(super) watch: LeaseWatch,
    pub(super) liveness: Liveness,
}

impl SlotState {
    pub(super) fn new(fate: Fate, overlap: Overlap) -> Self {
        match fate {
            Fate::Run { run_id, late } => Self::Open(OpenSlot {
                run_id,
                late,
                overlap,
                run: RunState::Waiting,
                failures: 0,
                not_before: None,
            }),
            Fate::Skipped { .. } | Fate::Missed { .. } => Self::Closed,
        }
    }

    pub(super) fn in_line(&self) -> Option<InLine> {
        match self {
            Self::Closed => None,
            Self::Open(OpenSlot { run: RunState::Waiting, late, .. }) => {
                Some(InLine::Waiting { late: *late })
            }
            Self::Open(_) => Some(InLine::AtWork),
        }
    }
}

impl OpenSlot {
    /// Whether we may begin its run, or go on with it. A run that nobody has begun needs `has_definitions` to be begun with.
    pub(super) fn is_startable(&self, has_definitions: bool) -> bool {
        self.not_before.is_none_or(|instant| instant <= Instant::now())
            && match &self.run {
                RunState::Waiting => has_definitions,
                RunState::Ours(_) => false,
                RunState::Theirs(theirs) => theirs.liveness == Liveness::Dead,
            }
    }

    /// Whether someone is at work on it, as far as we know.
    pub(super) fn is_at_work(&self) -> bool {
        match &self.run {
            RunState::Waiting => false,
            RunState::Ours(_) => true,
            RunState::Theirs(theirs) => theirs.liveness != Liveness::Dead,
        }
    }

    pub(super) fn cancels(&self) -> bool {
        self.overlap == Overlap::Cancel && !self.late
    }
}

impl RunState {
    pub(super) fn theirs(record: RunRecord) -> Self {
        Self::Theirs(Box::new(Theirs { record, watch: LeaseWatch::begin(), liveness: Liveness::Unknown }))
    }
}
