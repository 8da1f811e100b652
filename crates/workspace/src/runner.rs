//! Who does the work of a run's steps: the action that each names.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tracing::Instrument;
use tranche_pipeline::{FailureClass, Step, StepContext, StepFailure, StepOutcome, StepRunner};

use tranche_project::{legible, without_secrets};

use crate::action::{ActionContext, Actions, Resources};
use crate::failure::Failure;

/// Runs steps by their actions.
#[derive(Clone)]
pub struct ActionRunner {
    pub(crate) resources: Arc<Resources>,
    pub(crate) actions: Actions,
}

#[async_trait]
impl StepRunner for ActionRunner {
    /// Each step runs on a task of its own, which ends when this future is dropped.
    async fn run(&self, step: &Step, context: &StepContext) -> Result<StepOutcome, StepFailure> {
        let (runner, step, context) = (self.clone(), step.clone(), context.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { runner.act(&step, &context).await }.in_current_span());
        match task.join_next().await {
            Some(Ok(outcome)) => {
                // From here it goes to the ledger, to logs and to receivers of notifications.
                let message = |failure: &Failure| without_secrets(&legible(&failure.in_full()));
                outcome.map_err(|failure| StepFailure::new(failure.class, message(&failure)))
            }
            Some(Err(error)) => {
                Err(StepFailure::new(FailureClass::Internal, format!("the step stopped: {error}")))
            }
            None => Err(StepFailure::new(FailureClass::Internal, "the step did not start")),
        }
    }
}

impl ActionRunner {
    async fn act(&self, step: &Step, run: &StepContext) -> Result<StepOutcome, Failure> {
        let pipeline = self.resources.definitions.pipeline(&run.pipeline)?;
        let context = ActionContext { resources: &self.resources, pipeline, run };
        self.actions.of(step)?.run(step, &context).await
    }
}
