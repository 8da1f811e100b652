//! Errors of runs, and who has to act.

use thiserror::Error;
use tranche_store::StoreError;

/// An error of a run or of its log. An error inside a step is not one of these: it is a
/// [`StepFailure`](crate::run::step_runner::StepFailure) in the log.
#[derive(Debug, Error)]
pub enum RunError {
    /// No one's: another process owns the run now, and the receiver of this error leaves it alone.
    #[error("run `{run_id}` was taken over by another process, which wrote its event {sequence}")]
    Taken {
        /// The run.
        run_id: String,
        /// The sequence number that the other was first to create.
        sequence: u64,
    },
    /// The caller's: there is no such run.
    #[error("no run `{run_id}`; `tranche runs` lists them")]
    Unknown {
        /// The run asked for.
        run_id: String,
    },
    /// The caller's: the run has nothing left to do.
    #[error("run `{run_id}` is {status}; only a run that failed or was interrupted can be resumed")]
    Finished {
        /// The run.
        run_id: String,
        /// How it ended.
        status: crate::ledger::event::RunStatus,
    },
    /// The storage's: definitions that a run was started with are no longer there.
    #[error("the definitions `{hash}` are not in the lake; start a new run with the current ones")]
    MissingDefinitions {
        /// Their hash.
        hash: String,
    },
    /// The storage's: an object of the ledger has content that Tranche did not write.
    #[error("`{path}` is damaged: {reason}")]
    Damaged {
        /// The object.
        path: String,
        /// The problem.
        reason: String,
    },
    /// The storage's: it is so slow that its clock cannot be read. Worth another try.
    #[error("the storage took {seconds} s to answer, too long to read its clock")]
    Clock {
        /// How long it took.
        seconds: u64,
    },
    /// The author's: definitions that a run needs are wrong.
    #[error("{message}")]
    Definitions {
        /// The problem.
        message: String,
    },
    /// The storage's: it failed. Worth another try.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { path, reason } => Self::Damaged { path, reason },
            other => Self::Store(other),
        }
    }
}

impl RunError {
    pub(crate) fn damaged(path: impl ToString, reason: impl ToString) -> Self {
        Self::Damaged { path: path.to_string(), reason: reason.to_string() }
    }
}

/// An error with all of its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
