//! Decided slots, and the state of their runs.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::decide::ActiveRun;
use crate::ledger::{LeaseWatch, Liveness, RunRecord, SlotDecision};
use crate::schedule::Overlap;

/// So many ticks that fail in a row, or attempts to work on a run, are enough for a scheduler that runs once.
pub(super) const FAILURES: u64 = 5;

/// A decided slot.
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
    /// How often this process's work on it failed.
    pub(super) failures: u64,
    /// After such a failure: when to try again.
    pub(super) not_before: Option<Instant>,
}

/// The state of a run that has not ended.
pub(super) enum RunState {
    /// No process has begun it, as far as this one knows.
    Waiting,
    /// This process works on it.
    Ours(CancellationToken),
    /// Another process works on it, or did.
    Foreign(Box<ForeignRun>),
}

pub(super) struct ForeignRun {
    pub(super) record: RunRecord,
    pub(super) watch: LeaseWatch,
    pub(super) liveness: Liveness,
}

impl SlotState {
    pub(super) fn new(decision: SlotDecision, overlap: Overlap) -> Self {
        match decision {
            SlotDecision::Run { run_id, late } => Self::Open(OpenSlot {
                run_id,
                late,
                overlap,
                run: RunState::Waiting,
                failures: 0,
                not_before: None,
            }),
            SlotDecision::Skipped { .. } | SlotDecision::Missed { .. } => Self::Closed,
        }
    }

    pub(super) fn active_run(&self) -> Option<ActiveRun> {
        match self {
            Self::Closed => None,
            Self::Open(OpenSlot { run: RunState::Waiting, late, .. }) => {
                Some(ActiveRun::Waiting { late: *late })
            }
            Self::Open(_) => Some(ActiveRun::AtWork),
        }
    }
}

impl OpenSlot {
    /// Whether this process may begin its run, or resume it. To begin one, the project must still have its
    /// pipeline: `has_definitions`.
    pub(super) fn is_startable(&self, has_definitions: bool) -> bool {
        self.not_before.is_none_or(|instant| instant <= Instant::now())
            && match &self.run {
                RunState::Waiting => has_definitions,
                RunState::Ours(_) => false,
                RunState::Foreign(theirs) => theirs.liveness == Liveness::Dead,
            }
    }

    /// Whether any process works on it, as far as this one knows.
    pub(super) fn is_at_work(&self) -> bool {
        match &self.run {
            RunState::Waiting => false,
            RunState::Ours(_) => true,
            RunState::Foreign(theirs) => theirs.liveness != Liveness::Dead,
        }
    }

    pub(super) fn cancels(&self) -> bool {
        self.overlap == Overlap::Cancel && !self.late
    }
}

impl RunState {
    pub(super) fn foreign(record: RunRecord) -> Self {
        Self::Foreign(Box::new(ForeignRun {
            record,
            watch: LeaseWatch::begin(),
            liveness: Liveness::Unknown,
        }))
    }
}
