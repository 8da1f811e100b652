//! The scheduler: brings every slot to its decision, and its run to its end, together with any number of
//! others on the same bucket.
//!
//! Timers only wake it, be they its own or those of a [`Waker`]. At each tick it works out what is due from
//! the log of schedules, and each decision is an object that is created once: so it may be killed at any
//! point and started anywhere else, and nothing is lost or doubled.

pub(crate) mod catalog;
mod cron_waker;
mod decide;
pub(crate) mod explain;
pub(crate) mod lag;
mod open_slot;
pub(crate) mod run_slot;
mod state;
mod tick;
pub(crate) mod upstream;
mod waker;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

pub use catalog::{Catalog, LoadedPipelines, RunResources};
pub use cron_waker::CronWaker;
pub use explain::{ExplainedSlot, SlotOutcome, explain};
pub use lag::ScheduleLag;
pub use waker::Waker;

use crate::clock::Clock;
use crate::definition::Pipeline;
use crate::error::{RunError, chain};
use crate::ledger::{Ledger, RunRecord, RunStatus};
use crate::run::Stop;
use crate::storage_clock::StorageClock;
use open_slot::FAILURES;
use run_slot::run_slot;
use state::{PipelineState, Start, concurrency_of};
use tick::Tick;

/// How a scheduler works.
#[derive(Debug, Clone, Copy)]
pub struct SchedulerOptions {
    /// How many runs it works on at the same time, at most.
    pub max_runs: usize,
    /// How long after its time a slot is still in time.
    pub grace: Duration,
    /// How long it sleeps at most: so soon it notices that definitions changed or a clock jumped.
    pub poll: Duration,
    /// Whether it ends when there is nothing left to do at present.
    pub once: bool,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self { max_runs: 4, grace: Duration::from_secs(60), poll: Duration::from_secs(10), once: false }
    }
}

/// Decides about slots and brings their runs to their ends.
pub struct Scheduler<'a> {
    ledger: &'a Ledger,
    catalog: &'a dyn Catalog,
    waker: &'a dyn Waker,
    local_clock: &'a dyn Clock,
    clock: StorageClock<'a>,
    options: SchedulerOptions,
    pipelines: BTreeMap<String, PipelineState>,
    /// Its work so far.
    totals: Totals,
    /// Ticks that failed in a row.
    failures: u64,
    has_adopted: bool,
}

/// The work of a scheduler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Runs that ended as done.
    pub done: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Ticks at the end in which the storage failed: slots may be undecided.
    pub ticks_failed: u64,
    /// Runs at the end that could be neither begun nor resumed: they are left to other processes.
    pub left: u64,
}

/// The outcome of this process's work on a run.
struct FinishedWork {
    pipeline: String,
    slot: Timestamp,
    outcome: Result<RunRecord, RunError>,
}

type Work<'a> = Pin<Box<dyn Future<Output = FinishedWork> + Send + 'a>>;

/// What a tick found to do.
struct TickOutcome {
    starts: Vec<(String, Start)>,
    /// When to look again without being woken.
    next: Instant,
    /// Whether another tick may find more, whatever the clock says.
    is_doubtful: bool,
}

impl<'a> Scheduler<'a> {
    /// A scheduler of a project's pipelines, woken by its own timer alone. Any number of schedulers may share
    /// a ledger.
    #[must_use]
    pub fn new(
        ledger: &'a Ledger,
        catalog: &'a dyn Catalog,
        clock: &'a dyn Clock,
        options: SchedulerOptions,
    ) -> Self {
        let storage_clock = StorageClock::new(ledger, clock);
        let (pipelines, totals) = (BTreeMap::new(), Totals::default());
        let (failures, has_adopted) = (0, false);
        Self {
            ledger,
            catalog,
            waker: &(),
            local_clock: clock,
            clock: storage_clock,
            options,
            pipelines,
            totals,
            failures,
            has_adopted,
        }
    }

    /// The same scheduler, woken by this too.
    #[must_use]
    pub fn woken_by(self, waker: &'a dyn Waker) -> Self {
        Self { waker, ..self }
    }

    /// Works until it is stopped, or, with [`SchedulerOptions::once`], until there is nothing left to do at
    /// present.
    ///
    /// Drained, it decides about no more slots, and returns when the running steps have ended. Cancelled, it
    /// ends its runs as failed. The future may be dropped at any point: other processes continue its runs
    /// when their leases have expired.
    pub async fn run(mut self, stop: Stop) -> Totals {
        let (ledger, catalog, clock, waker) = (self.ledger, self.catalog, self.local_clock, self.waker);
        let mut working: FuturesUnordered<Work<'a>> = FuturesUnordered::new();
        loop {
            let mut ended = Vec::new();
            let found = {
                let mut tick = std::pin::pin!(self.tick(working.len()));
                loop {
                    tokio::select! {
                        biased;
                        Some(worked) = working.next() => ended.push(worked),
                        found = &mut tick => break found,
                    }
                }
            };
            let nothing_ended = ended.is_empty();
            ended.into_iter().for_each(|worked| self.note(worked));
            if stop.drain.is_cancelled() || stop.cancel.is_cancelled() {
                while let Some(worked) = working.next().await {
                    self.note(worked);
                }
                return self.totals;
            }
            let nothing_to_start = found.starts.is_empty();
            for (pipeline, start) in found.starts {
                let stop = Stop { cancel: stop.cancel.child_token(), drain: stop.drain.clone() };
                if let Some(state) = self.pipelines.get_mut(&pipeline) {
                    state.begun(start.run.slot, stop.cancel.clone());
                    working.push(Box::pin(work(ledger, catalog, clock, pipeline, start, stop)));
                }
            }
            let is_clear = !found.is_doubtful && !(1..FAILURES).contains(&self.failures);
            if self.options.once && nothing_to_start && nothing_ended && working.is_empty() && is_clear {
                self.totals.ticks_failed = self.failures;
                self.totals.left = self.pipelines.values().map(|state| state.left() as u64).sum();
                return self.totals;
            }
            if nothing_ended {
                tokio::select! {
                    biased;
                    () = stop.cancel.cancelled() => {}
                    () = stop.drain.cancelled() => {}
                    Some(worked) = working.next() => self.note(worked),
                    () = waker.woken() => {}
                    () = sleep_until(found.next) => {}
                }
            }
        }
    }

    /// Looks at every pipeline once. What fails is tried again at the next tick.
    async fn tick(&mut self, active_runs: usize) -> TickOutcome {
        let begun = Instant::now();
        let mut found =
            TickOutcome { starts: Vec::new(), next: begun + self.options.poll, is_doubtful: false };
        let loaded = self.catalog.current();
        self.adopt_orphans().await;
        for pipeline in loaded.pipelines.iter() {
            if !self.pipelines.contains_key(&pipeline.name) {
                self.pipelines.insert(pipeline.name.clone(), PipelineState::new(&pipeline.name));
            }
        }
        let now = match self.clock.now().await {
            Ok(now) => now,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the storage's clock cannot be read");
                self.failures += 1;
                found.next = begun + self.options.poll.min(AFTER_FAILURE);
                return found;
            }
        };
        self.waker.follow(&loaded.calendars(), now).await;
        let (ledger, catalog, grace) = (self.ledger, self.catalog, self.options.grace);
        let tick = Tick { ledger, catalog, loaded: &loaded, now, grace };
        let failed = AtomicBool::new(false);
        let of =
            |name: &str| -> Option<&Pipeline> { loaded.pipelines.iter().find(|found| found.name == name) };
        stream::iter(self.pipelines.values_mut())
            .for_each_concurrent(PIPELINES, |state| async {
                if let Err(error) = state.reconcile(&tick, of(&state.name)).await {
                    let error = chain(&error);
                    tracing::warn!(
                        pipeline = state.name,
                        error,
                        "the slots of the pipeline cannot be reconciled"
                    );
                    failed.store(true, Ordering::Relaxed);
                }
            })
            .await;
        if failed.into_inner() {
            self.failures += 1;
            found.next = begun + self.options.poll.min(AFTER_FAILURE);
        } else {
            self.failures = 0;
        }
        let mut capacity = self.options.max_runs.saturating_sub(active_runs);
        for (name, state) in &self.pipelines {
            let concurrency = concurrency_of(of(name));
            let starts = state.starts(concurrency, capacity);
            capacity = capacity.saturating_sub(starts.len());
            found.starts.extend(starts.into_iter().map(|start| (name.clone(), start)));
            found.is_doubtful |= state.has_doubtful();
            if state.watches_others() {
                found.next = found.next.min(begun + self.watch_pause());
            }
            if let Some(due) = state.next_due(now) {
                let wait = Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO);
                found.next = found.next.min(begun.checked_add(wait).unwrap_or(found.next));
            }
        }
        found
    }

    /// Once: pipelines that are in the lake and no longer in the project may have runs that need to be
    /// resumed.
    async fn adopt_orphans(&mut self) {
        if self.has_adopted {
            return;
        }
        match self.ledger.scheduled_pipelines().await {
            Ok(names) => {
                self.has_adopted = true;
                for name in names {
                    self.pipelines.entry(name.clone()).or_insert_with(|| PipelineState::new(&name));
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "pipelines that were removed from the project cannot be listed"
                );
            }
        }
    }

    /// How long to wait between two looks at the runs of other processes.
    fn watch_pause(&self) -> Duration {
        (self.ledger.lease_length() / 4).clamp(Duration::from_millis(200), self.options.poll)
    }

    fn note(&mut self, worked: FinishedWork) {
        let FinishedWork { pipeline, slot, outcome } = worked;
        let has_ended = match &outcome {
            Ok(report) => {
                self.totals.done += u64::from(report.status == RunStatus::Done);
                self.totals.failed += u64::from(report.status == RunStatus::Failed);
                report.status != RunStatus::Running
            }
            Err(error) => {
                tracing::warn!(pipeline, %slot, error = chain(error), "the run of this slot is left to other processes");
                false
            }
        };
        if let Some(state) = self.pipelines.get_mut(&pipeline) {
            state.ended(slot, has_ended);
        }
    }
}

/// How long to wait, at most, after a failed tick.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Pipelines that are reconciled at the same time.
const PIPELINES: usize = 16;

async fn work(
    ledger: &Ledger,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    pipeline: String,
    start: Start,
    stop: Stop,
) -> FinishedWork {
    if start.is_cancelled {
        stop.cancel.cancel();
    }
    let slot = start.run.slot;
    let outcome = run_slot(ledger, catalog, clock, &pipeline, start.run, stop).await;
    FinishedWork { pipeline, slot, outcome }
}
