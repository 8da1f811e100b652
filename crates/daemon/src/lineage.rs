//! OpenLineage events of a run while it lasts, for catalogues.

use std::sync::OnceLock;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tranche_observe::{EventType, Lineage, LineageEvent, step_run_id};
use tranche_pipeline::{
    Clock, Observer, RunPlan, RunRecord, RunStatus, Step, StepFailure, StepOutcome, SystemClock,
};
use tranche_workspace::lineage::Datasets;

/// Emits the lineage of a run; events are sent on a task of their own, so that no step waits for a catalogue.
pub(crate) struct LineageObserver {
    namespace: String,
    pipeline: String,
    /// The run and the instant of its results, once it began.
    run: OnceLock<(String, jiff::Timestamp)>,
    datasets: IndexMap<String, Datasets>,
    events: mpsc::Sender<LineageEvent>,
}

/// Events that wait for a slow catalogue, at most.
const WAITING: usize = 1_000;
/// How long a process that is about to end waits for catalogues.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until tasks have sent every event, within a limit. The observers that emitted them are dropped by then.
pub(crate) async fn flush(sending: Vec<JoinHandle<()>>) {
    let all = async {
        for task in sending {
            if let Err(error) = task.await {
                tracing::warn!(%error, "not all lineage was sent");
            }
        }
    };
    if timeout(FLUSH_TIMEOUT, all).await.is_err() {
        tracing::warn!("not all lineage was sent within {} seconds", FLUSH_TIMEOUT.as_secs());
    }
}

impl LineageObserver {
    /// An observer of the runs of `pipeline`. The task sends what the observer emits, and ends some time after the observer is dropped.
    pub(crate) fn new(
        lineage: Lineage,
        pipeline: &str,
        datasets: IndexMap<String, Datasets>,
    ) -> (Self, JoinHandle<()>) {
        let (events, mut received) = mpsc::channel(WAITING);
        let namespace = lineage.namespace().to_owned();
        let sending = tokio::spawn(async move {
            while let Some(event) = received.recv().await {
                lineage.emit(&event).await;
            }
        });
        (Self { namespace, pipeline: pipeline.to_owned(), run: OnceLock::new(), datasets, events }, sending)
    }

    fn send(&self, event: Option<LineageEvent>) {
        if let Some(event) = event
            && let Err(error) = self.events.try_send(event)
        {
            tracing::warn!("a lineage event was not sent: {error}");
        }
    }

    fn run_event(&self, event_type: EventType) -> Option<LineageEvent> {
        let (run_id, as_of) = self.run.get()?;
        Some(
            LineageEvent::new(event_type, SystemClock.now(), run_id, &self.namespace, &self.pipeline)
                .nominal(*as_of),
        )
    }

    fn step_event(&self, event_type: EventType, step: &Step) -> Option<LineageEvent> {
        let (run_id, as_of) = self.run.get()?;
        let (run, job) = (step_run_id(run_id, &step.id), format!("{}.{}", self.pipeline, step.id));
        let event = LineageEvent::new(event_type, SystemClock.now(), &run, &self.namespace, &job);
        let event = event.nominal(*as_of).within(run_id, &self.pipeline);
        Some(match self.datasets.get(&step.id) {
            Some(found) => event.datasets(found.inputs.clone(), found.outputs.clone()),
            None => event,
        })
    }
}

impl Observer for LineageObserver {
    fn run_started(&self, run: &RunPlan) {
        let (run_id, as_of) = self.run.get_or_init(|| (run.run_id.clone(), run.as_of));
        tracing::debug!(run_id, %as_of, "lineage is emitted");
        self.send(self.run_event(EventType::Start));
    }

    fn step_started(&self, step: &Step, attempt: u32) {
        if attempt == 1 {
            self.send(self.step_event(EventType::Start, step));
        }
    }

    fn step_done(&self, step: &Step, _: &StepOutcome, _: f64) {
        self.send(self.step_event(EventType::Complete, step));
    }

    fn step_failed(&self, step: &Step, failure: &StepFailure, retry_in: Option<Duration>) {
        if retry_in.is_none() {
            self.send(self.step_event(EventType::Fail, step).map(|event| event.failed(&failure.message)));
        }
    }

    fn run_ended(&self, report: &RunRecord) {
        let message = report.message.as_deref().unwrap_or("a step failed");
        self.send(match report.status {
            RunStatus::Done => self.run_event(EventType::Complete),
            _ => self.run_event(EventType::Fail).map(|event| event.failed(message)),
        });
    }
}
