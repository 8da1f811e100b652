//! Everything that observes runs: metrics, notifications, lineage and a console. `run`, backfills and the scheduler share it; a failure of
//! any of them is logged, and fails no run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tranche_observe::{Lineage, Metrics};
use tranche_pipeline::{Observer, Pipeline};
use tranche_workspace::{Failure, Tranche};

use crate::environment::environment_variable;
use crate::lineage::{LineageObserver, flush};
use crate::notifications::{PendingNotifications, notify, open_channels};

/// The observers of a process's runs, and what they have yet to send.
#[derive(Default)]
pub struct RunObservers {
    /// What is measured of runs and slots.
    pub(crate) metrics: Metrics,
    pending: PendingNotifications,
    /// The tasks that send the lineage of runs.
    sending: Mutex<Vec<JoinHandle<()>>>,
}

impl RunObservers {
    /// The observers of one run of a pipeline: `console`, and all that the project's settings name.
    ///
    /// # Errors
    /// [`Failure`] when the lake's location is not one.
    pub async fn observe(
        &self,
        pipeline: &Pipeline,
        tranche: &Tranche,
        console: Box<dyn Observer>,
    ) -> Result<Box<dyn Observer>, Failure> {
        open_channels(tranche).await?;
        let mut observers: Vec<Box<dyn Observer>> =
            vec![console, Box::new(self.metrics.watch(&pipeline.name)), Box::new(self.pending.clone())];
        observers.extend(self.lineage(pipeline, tranche).await?);
        Ok(Box::new(observers))
    }

    async fn lineage(
        &self,
        pipeline: &Pipeline,
        tranche: &Tranche,
    ) -> Result<Option<Box<dyn Observer>>, Failure> {
        let Some(spec) = &tranche.definitions.observe.lineage else { return Ok(None) };
        let lineage = match Lineage::new(spec, &tranche.place.folder, environment_variable) {
            Ok(lineage) => lineage,
            Err(error) => {
                tracing::warn!("lineage is not emitted: {error}");
                return Ok(None);
            }
        };
        let (observer, task) =
            LineageObserver::new(lineage, &pipeline.name, tranche.datasets(pipeline).await?);
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        sending.retain(|task| !task.is_finished());
        sending.push(task);
        Ok(Some(Box::new(observer)))
    }

    /// Sends the notifications that are due.
    pub async fn notify(&self, tranche: &Tranche) {
        notify(tranche, &self.pending).await;
    }

    /// Sends what is left before the process ends; the observers of its runs are dropped by then. Notifications that take longer than
    /// `limit` are left to the next process.
    pub async fn close(&self, tranche: &Tranche, limit: Duration) {
        let sending = std::mem::take(&mut *self.sending.lock().unwrap_or_else(PoisonError::into_inner));
        let notified = async {
            if timeout(limit, self.notify(tranche)).await.is_err() {
                tracing::warn!("notifications took too long: those not sent are left to the next process");
            }
        };
        tokio::join!(notified, flush(sending));
    }
}
