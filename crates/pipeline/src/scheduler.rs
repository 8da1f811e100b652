//! The scheduler: brings every slot to its fate, and its run to its end, together with any number of others on the same bucket.
//!
//! Timers only wake it. What is due it works out from the schedule's history, and whatever it decides is an object that is created
//! once: so it may be killed at any point, and started anywhere else, and nothing is lost or doubled.

mod catalog;
mod decide;
mod open_slot;
mod pass;
mod settled;
mod state;
mod upstream;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

pub use catalog::{Catalog, Equipment, Loaded};
use pass::Pass;
pub(crate) use settled::read_settled;
use state::{PipelineState, Start, concurrency_of};
pub(crate) use upstream::Upstream;

use crate::perform::perform;
use crate::{Clock, Ledger, RunError, RunReport, RunStatus, Stop, StorageClock};

/// How a scheduler works.
#[derive(Debug, Clone, Copy)]
pub struct SchedulerOptions {
    /// How many runs it is at work on at a time, at most.
    pub max_runs: usize,
    /// How long after its time a slot is still in time.
    pub grace: Duration,
    /// How long it sleeps at most: so soon it notices that definitions changed, or that a clock jumped.
    pub poll: Duration,
    /// Whether it ends when nothing is left to do for now.
    pub once: bool,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self { max_runs: 4, grace: Duration::from_secs(60), poll: Duration::from_secs(10), once: false }
    }
}

/// Brings slots to their fates and runs to their ends.
pub struct Scheduler<'a> {
    ledger: &'a Ledger,
    catalog: &'a dyn Catalog,
    local_clock: &'a dyn Clock,
    clock: StorageClock<'a>,
    options: SchedulerOptions,
    pipelines: BTreeMap<String, PipelineState>,
    /// What it did so far.
    totals: Totals,
    /// Passes that failed in a row.
    failures: u64,
    has_adopted: bool,
}

/// What a scheduler did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Runs that ended well.
    pub done: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Passes at the end in which the storage failed: slots may be undecided.
    pub passes_failed: u64,
    /// Runs at the end that could not be begun, or gone on with: they are left to others.
    pub left: u64,
}

/// What came of our work on a run.
struct Worked {
    pipeline: String,
    slot: Timestamp,
    outcome: Result<RunReport, RunError>,
}

type Work<'a> = Pin<Box<dyn Future<Output = Worked> + Send + 'a>>;

/// What a pass found to do.
struct Found {
    starts: Vec<(String, Start)>,
    next: Instant,
    /// Whether another pass may find more, whatever the clock says.
    is_doubtful: bool,
}

impl<'a> Scheduler<'a> {
    /// A scheduler of a project's pipelines. Any number of them may share a ledger.
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
            local_clock: clock,
            clock: storage_clock,
            options,
            pipelines,
            totals,
            failures,
            has_adopted,
        }
    }

    /// Works until it is stopped, or, with [`SchedulerOptions::once`], until nothing is left to do for now.
    ///
    /// Drained, it decides about no more slots, and returns when the steps that are at work have ended. Cancelled, it ends its runs as
    /// failed. The future may be dropped at any point: others go on with its runs when their leases have run out.
    pub async fn run(mut self, stop: Stop) -> Totals {
        let (ledger, catalog, clock) = (self.ledger, self.catalog, self.local_clock);
        let mut working: FuturesUnordered<Work<'a>> = FuturesUnordered::new();
        loop {
            let mut ended = Vec::new();
            let found = {
                let mut pass = std::pin::pin!(self.pass(working.len()));
                loop {
                    tokio::select! {
                        biased;
                        Some(worked) = working.next() => ended.push(worked),
                        found = &mut pass => break found,
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
                self.totals.passes_failed = self.failures;
                self.totals.left = self.pipelines.values().map(|state| state.left() as u64).sum();
                return self.totals;
            }
            if nothing_ended {
                tokio::select! {
                    biased;
                    () = stop.cancel.cancelled() => {}
                    () = stop.drain.cancelled() => {}
                    Some(worked) = working.next() => self.note(worked),
                    () = sleep_until(found.next) => {}
                }
            }
        }
    }

    /// Looks at every pipeline once. What fails is tried again at the next pass.
    async fn pass(&mut self, at_work: usize) -> Found {
        let begun = Instant::now();
        let mut found = Found { starts: Vec::new(), next: begun + self.options.poll, is_doubtful: false };
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
                tracing::warn!(error = %crate::error::chain(&error), "the storage's clock cannot be read");
                self.failures += 1;
                found.next = begun + self.options.poll.min(AFTER_FAILURE);
                return found;
            }
        };
        let (ledger, catalog, grace) = (self.ledger, self.catalog, self.options.grace);
        let pass = Pass { ledger, catalog, loaded: &loaded, now, grace };
        let failed = AtomicBool::new(false);
        let of = |name: &str| loaded.pipelines.iter().find(|pipeline| pipeline.name == name);
        stream::iter(self.pipelines.values_mut())
            .for_each_concurrent(PIPELINES, |state| async {
                if let Err(error) = state.reconcile(&pass, of(&state.name)).await {
                    let error = crate::error::chain(&error);
                    tracing::warn!(
                        pipeline = state.name,
                        error,
                        "the slots of the pipeline cannot be brought up to date"
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
        let mut capacity = self.options.max_runs.saturating_sub(at_work);
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

    /// Once: pipelines that the lake knows and the project does not have runs, too, that may need someone to go on with them.
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
                    error = crate::error::chain(&error),
                    "pipelines that are gone from the project cannot be listed"
                );
            }
        }
    }

    /// How long to wait between two looks at what others do.
    fn watch_pause(&self) -> Duration {
        (self.ledger.lease_length() / 4).clamp(Duration::from_millis(200), self.options.poll)
    }

    fn note(&mut self, worked: Worked) {
        let Worked { pipeline, slot, outcome } = worked;
        let has_ended = match &outcome {
            Ok(report) => {
                self.totals.done += u64::from(report.status == RunStatus::Done);
                self.totals.failed += u64::from(report.status == RunStatus::Failed);
                report.status != RunStatus::Running
            }
            Err(error) => {
                tracing::warn!(pipeline, %slot, error = crate::error::chain(error), "the run of this slot is left to others");
                false
            }
        };
        if let Some(state) = self.pipelines.get_mut(&pipeline) {
            state.ended(slot, has_ended);
        }
    }
}

/// How long to wait, at most, after a pass that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// So many passes that fail in a row, or tries of a run, are enough for a scheduler that runs once.
const FAILURES: u64 = 5;

/// Pipelines that are looked at at the same time.
const PIPELINES: usize = 16;

async fn work(
    ledger: &Ledger,
    catalog: &dyn Catalog,
    clock: &dyn Clock,
    pipeline: String,
    start: Start,
    stop: Stop,
) -> Worked {
    if start.is_cancelled {
        stop.cancel.cancel();
    }
    let slot = start.run.slot;
    let outcome = perform(ledger, catalog, clock, &pipeline, start.run, stop).await;
    Worked { pipeline, slot, outcome }
}
