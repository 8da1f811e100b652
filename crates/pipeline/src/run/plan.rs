//! The plan of a run, and the ways to stop it.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::step_runner::StepContext;
use crate::definition::{Pipeline, Step};
use crate::error::RunError;
use crate::ledger::{Ledger, RunLog, RunRecord, Started};

/// A run that is to be executed.
#[derive(Debug, Clone)]
pub struct RunPlan {
    /// The id of the run, such as [`new_run_id`](crate::clock::new_run_id) makes.
    pub run_id: String,
    /// The pipeline to run.
    pub pipeline: Pipeline,
    /// The slot that the run fills; `None` for a run on request.
    pub slot: Option<Timestamp>,
    /// The logical instant of the results.
    pub as_of: Timestamp,
    /// Whether everything is computed again.
    pub full: bool,
    /// Which entry of the slot's log the run stands in: 0 for the first run of the slot, more when the slot
    /// is run again. 0 without a slot.
    pub restatement: u64,
    /// The hash of the pinned definitions, from [`Ledger::pin`].
    pub definitions: String,
    /// The run to resume, as it was last read; `None` for a new run.
    pub resumes: Option<RunRecord>,
}

impl RunPlan {
    /// Resumes a run: steps that are done are not repeated. `pipeline` is the one of the run's own pinned
    /// definitions.
    #[must_use]
    pub fn resume(pipeline: Pipeline, record: RunRecord) -> Self {
        Self {
            run_id: record.run_id.clone(),
            pipeline,
            slot: record.slot,
            as_of: record.as_of,
            full: record.full,
            restatement: record.restatement,
            definitions: record.definitions.clone(),
            resumes: Some(record),
        }
    }

    /// This run, as far as a step of it needs it.
    #[must_use]
    pub fn context(&self, step: &Step) -> StepContext {
        StepContext {
            run_id: self.run_id.clone(),
            pipeline: self.pipeline.name.clone(),
            slot: self.slot,
            as_of: self.as_of,
            full: self.full,
            transaction: self.transaction(step),
            progress: Progress::default(),
        }
    }

    /// The application transaction of a step's commits.
    pub(super) fn transaction(&self, step: &Step) -> String {
        let occasion = self.slot.map_or_else(|| self.run_id.clone(), |slot| slot.to_string());
        let again = if self.restatement > 0 { format!("#{}", self.restatement) } else { String::new() };
        format!("{}/{}/{occasion}{again}", self.pipeline.name, step.id)
    }

    /// Begins the run's log, or continues it.
    pub(super) async fn open(&self, ledger: &Ledger, at: Timestamp) -> Result<RunLog, RunError> {
        if let Some(record) = &self.resumes {
            return ledger.resume(record.clone(), at).await;
        }
        let started = Started {
            run_id: self.run_id.clone(),
            pipeline: self.pipeline.name.clone(),
            slot: self.slot,
            as_of: self.as_of,
            full: self.full,
            restatement: self.restatement,
            definitions: self.definitions.clone(),
            steps: self.pipeline.steps.iter().map(|step| step.id.clone()).collect(),
            at,
        };
        ledger.start(started).await
    }
}

/// Two ways to stop a run.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Attempts are dropped where they stand, and the run ends as failed, ready to be resumed.
    pub cancel: CancellationToken,
    /// Attempts come to their end, nothing else begins, and the rest of the run is left to other processes.
    pub drain: CancellationToken,
}

impl From<CancellationToken> for Stop {
    fn from(cancel: CancellationToken) -> Self {
        Self { cancel, drain: CancellationToken::new() }
    }
}
