//! The scheduler's view of one pipeline: its log of schedules, and the slots above its watermark.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::decide::{ActiveRun, DueSlot, SlotContext, decide};
use super::open_slot::{FAILURES, OpenSlot, RunState, SlotState};
use super::run_slot::SlotRun;
use super::tick::Tick;
use super::upstream::{Upstream, UpstreamSlot};
use crate::definition::Pipeline;
use crate::error::RunError;
use crate::ledger::watermark::{Watermark, read_watermark, write_watermark};
use crate::ledger::{LeaseWatch, Ledger, Liveness};
use crate::schedule::{Overlap, Schedule, ScheduleEvent, ScheduleLog, ScheduledSlot, Trigger};

/// Machines whose clocks differ by what is tolerated must agree which schedule a slot is of: an edited one
/// holds from a little later.
const EDIT_MARGIN: SignedDuration = SignedDuration::from_secs(10);

/// Slots between two writes of the watermark: as many are looked at again after a restart.
const MARK_EVERY: usize = 20;

/// How many of the last slots of a pipeline that was removed from the project are searched for runs to
/// resume.
const ORPHANS: usize = 1000;

/// How long a run is left alone after a failed attempt to work on it.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Objects that are read or written at the same time.
const CONCURRENCY: usize = 16;

/// One pipeline.
pub(super) struct PipelineState {
    pub(super) name: String,
    history: ScheduleLog,
    upstream: Upstream,
    /// The revision of the definitions that the log was compared with.
    declared: Option<u64>,
    /// Whether the latest schedules in the log are those of our definitions.
    is_ours: bool,
    is_loaded: bool,
    /// Whether the runs of a pipeline that is not in our project were looked for.
    is_adopted: bool,
    /// Every slot up to here is decided, and its run has ended.
    watermark: Timestamp,
    /// Every slot up to here is decided.
    decided: Timestamp,
    /// How many events of each log, of this pipeline and its upstream, that holds for.
    known: BTreeMap<String, usize>,
    /// Decided slots after `watermark`.
    slots: BTreeMap<Timestamp, SlotState>,
    unmarked: usize,
    /// When to look again, as far as slots that came but are not due say.
    next_due: Option<Timestamp>,
    /// Whether slots of other processes have to be watched.
    is_watching: bool,
}

/// A run that this process should begin or resume.
pub(super) struct Start {
    pub(super) run: SlotRun,
    /// Whether it ends before it begins, because later slots cancel it.
    pub(super) is_cancelled: bool,
}

impl PipelineState {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            history: ScheduleLog::default(),
            upstream: Upstream::default(),
            declared: None,
            is_ours: false,
            is_loaded: false,
            is_adopted: false,
            watermark: Timestamp::MIN,
            decided: Timestamp::MIN,
            known: BTreeMap::new(),
            slots: BTreeMap::new(),
            unmarked: 0,
            next_due: None,
            is_watching: false,
        }
    }

    /// Brings the slots of this pipeline up to `now`. `pipeline` is its definition, `None` when it was
    /// removed from the project.
    pub(super) async fn reconcile(
        &mut self,
        tick: &Tick<'_>,
        pipeline: Option<&Pipeline>,
    ) -> Result<(), RunError> {
        self.is_watching = false;
        self.next_due = None;
        self.load(tick).await?;
        if pipeline.is_none() && self.declared.is_none() {
            self.adopt(tick).await?;
            return self.look(tick.ledger).await;
        }
        self.declare(tick, pipeline).await?;
        self.look(tick.ledger).await?;
        // A source that cannot be listed keeps no other slot waiting.
        let looked = self.look_for_files(tick).await;
        self.decide_due(tick, pipeline).await?;
        self.cancel_overlapped(tick, pipeline).await?;
        self.settle(tick.ledger).await?;
        looked
    }

    async fn load(&mut self, tick: &Tick<'_>) -> Result<(), RunError> {
        if self.is_loaded {
            return Ok(());
        }
        let watermark = read_watermark(tick.ledger, &self.name).await?;
        self.history.skip_arrivals(watermark.as_ref().map_or(0, |watermark| watermark.arrivals));
        tick.ledger.refresh_schedule_log(&self.name, &mut self.history).await?;
        let begin = self.history.events().first().map_or(Timestamp::MIN, ScheduleEvent::at);
        if let Some(watermark) = watermark {
            (self.watermark, self.known) = (watermark.slot.max(begin), watermark.known);
        } else {
            self.watermark = begin;
        }
        self.decided = self.watermark;
        self.is_loaded = true;
        Ok(())
    }

    /// Of a pipeline that is not in our project, and may be in another: nothing is decided, but its runs are
    /// looked after.
    async fn adopt(&mut self, tick: &Tick<'_>) -> Result<(), RunError> {
        if self.is_adopted {
            return Ok(());
        }
        self.upstream.refresh(tick.ledger, &self.history).await?;
        let mut came = self.came(tick.now);
        came.drain(..came.len().saturating_sub(ORPHANS));
        self.read_decisions(tick.ledger, &came).await?;
        self.is_adopted = true;
        Ok(())
    }

    /// Writes our schedule into the history when our definitions changed: at the start, and when they are
    /// loaded again. It is not written again because another process wrote another: so two versions of a
    /// project never take turns.
    async fn declare(&mut self, tick: &Tick<'_>, pipeline: Option<&Pipeline>) -> Result<(), RunError> {
        let ours = schedules_of(pipeline);
        if self.declared != Some(tick.loaded.revision) {
            let begins = self.history.events().is_empty();
            let since =
                if begins { tick.now } else { tick.now.saturating_add(EDIT_MARGIN).unwrap_or(tick.now) };
            let amended = |history: &ScheduleLog| match (history.current() == ours, ours.is_empty()) {
                (true, _) => None,
                (false, true) => Some(ScheduleEvent::Unscheduled { at: since }),
                (false, false) => Some(ScheduleEvent::Scheduled { since, schedules: ours.to_vec() }),
            };
            tick.ledger.amend_schedule_log(&self.name, &mut self.history, amended).await?;
            if begins {
                self.watermark = self
                    .watermark
                    .max(self.history.events().first().map_or(Timestamp::MIN, ScheduleEvent::at));
                self.decided = self.decided.max(self.watermark);
            }
            self.declared = Some(tick.loaded.revision);
            self.is_ours = true;
        }
        self.note_owner(ours);
        Ok(())
    }

    fn note_owner(&mut self, ours: &[Schedule]) {
        let is_ours = self.history.current() == ours;
        if self.is_ours && !is_ours {
            tracing::warn!(
                pipeline = self.name,
                "another daemon has declared later schedules for this pipeline; its slots are left to that daemon"
            );
        }
        self.is_ours = is_ours;
    }

    /// Updates the state of the runs of other processes.
    async fn look(&mut self, ledger: &Ledger) -> Result<(), RunError> {
        for state in self.slots.values_mut() {
            let SlotState::Open(open) = state else { continue };
            match &mut open.run {
                RunState::Ours(_) => continue,
                RunState::Waiting => match ledger.read(&open.run_id).await {
                    Ok(record) => open.run = RunState::foreign(record),
                    Err(RunError::Unknown { .. }) => continue,
                    Err(error) => return Err(error),
                },
                RunState::Foreign(theirs) => {
                    if ledger.refresh(&mut theirs.record).await? {
                        theirs.watch = LeaseWatch::begin();
                        theirs.liveness = Liveness::Unknown;
                    }
                }
            }
            let RunState::Foreign(theirs) = &mut open.run else { continue };
            if theirs.record.ended_at.is_some() {
                *state = SlotState::Closed;
            } else {
                match theirs.watch.look(ledger, &theirs.record.run_id).await? {
                    Liveness::Unknown => {}
                    found => theirs.liveness = found,
                }
            }
        }
        Ok(())
    }

    /// Records arrived files, where they trigger slots.
    async fn look_for_files(&mut self, tick: &Tick<'_>) -> Result<(), RunError> {
        if !self.is_ours {
            return Ok(());
        }
        for source in self.history.watched_sources() {
            let files = tick.catalog.source_files(&self.name, &source).await?;
            tick.ledger
                .note_arrival(&self.name, &mut self.history, &source, files.as_ref(), tick.now)
                .await?;
        }
        Ok(())
    }

    async fn decide_due(&mut self, tick: &Tick<'_>, pipeline: Option<&Pipeline>) -> Result<(), RunError> {
        if self.history.upstream().next().is_some() {
            self.upstream.refresh(tick.ledger, &self.history).await?;
        }
        let mut came = self.came(tick.now);
        if came.is_empty() {
            return Ok(());
        }
        // A decision needs the latest schedule, and whether the pipeline is paused.
        tick.ledger.refresh_schedule_log(&self.name, &mut self.history).await?;
        self.note_owner(schedules_of(pipeline));
        came = self.came(tick.now);
        self.read_decisions(tick.ledger, &came).await?;
        self.look(tick.ledger).await?;
        if !self.is_ours {
            self.advance(&came);
            return Ok(());
        }
        let newest = came.iter().filter(|found| !found.paused).map(|found| found.slot).max();
        let latest = newest.max(self.slots.keys().next_back().copied()).unwrap_or(tick.now);
        let mut due = self.due(tick, &came).await?;
        if pipeline.is_none() {
            due.iter_mut().for_each(|slot| {
                slot.skip_reason = Some("the pipeline was removed from the project".to_owned())
            });
        }
        let active: Vec<ActiveRun> = self.slots.values().filter_map(SlotState::active_run).collect();
        let context =
            SlotContext { now: tick.now, latest, concurrency: concurrency_of(pipeline), grace: tick.grace };
        let decisions = decide(&due, &active, context);
        let (name, schedule) = (self.name.as_str(), self.history.events().len() as u64);
        let decided =
            due.iter().zip(decisions).map(|(slot, decision)| {
                let (slot, overlap) = (slot.slot, slot.schedule.overlap);
                async move {
                    Ok::<_, RunError>((slot, overlap, tick.claim(name, slot, schedule, decision).await?))
                }
            });
        let decided: Vec<_> = stream::iter(decided).buffered(CONCURRENCY).try_collect().await?;
        for (slot, overlap, decision) in decided {
            self.slots.insert(slot, SlotState::new(decision, overlap));
        }
        self.advance(&came);
        Ok(())
    }

    /// The slots that came and are not decided, as far as we know.
    ///
    /// An edit may be seen so late that slots after it seem to be decided: they are looked at again.
    fn came(&mut self, now: Timestamp) -> Vec<ScheduledSlot> {
        let histories = std::iter::once((self.name.as_str(), &self.history)).chain(self.upstream.histories());
        for (name, history) in histories {
            let known = self.known.get(name).copied().unwrap_or(0);
            if let Some(edited) = history.events().iter().skip(known).map(ScheduleEvent::at).min() {
                (self.decided, self.watermark) = (self.decided.min(edited), self.watermark.min(edited));
            }
            self.known.insert(name.to_owned(), history.events().len());
        }
        let mut came = self.upstream.slots(&self.history, self.decided, now);
        came.retain(|found| !self.slots.contains_key(&found.slot));
        came
    }

    async fn read_decisions(&mut self, ledger: &Ledger, came: &[ScheduledSlot]) -> Result<(), RunError> {
        let name = self.name.as_str();
        let read = came.iter().map(|found| async move {
            let decision = ledger.decision(name, found.slot).await?;
            Ok::<_, RunError>(decision.map(|decision| (found.slot, found.schedule.overlap, decision)))
        });
        let read: Vec<_> = stream::iter(read).buffered(CONCURRENCY).try_collect().await?;
        for (slot, overlap, decision) in read.into_iter().flatten() {
            self.slots.insert(slot, SlotState::new(decision, overlap));
        }
        Ok(())
    }

    /// The slots among those that came whose time it is to be decided.
    async fn due(&mut self, tick: &Tick<'_>, came: &[ScheduledSlot]) -> Result<Vec<DueSlot>, RunError> {
        let mut due = Vec::new();
        for found in came.iter().filter(|found| !self.slots.contains_key(&found.slot)) {
            let mut slot = DueSlot {
                slot: found.slot,
                schedule: Arc::clone(&found.schedule),
                due: None,
                skip_reason: found.paused.then(|| "paused".to_owned()),
            };
            if let Trigger::After(pipelines) = &found.schedule.trigger
                && !found.paused
            {
                match self
                    .upstream
                    .state(tick.ledger, pipelines, found.slot, tick.now, |name| tick.has(name))
                    .await?
                {
                    UpstreamSlot::Done => {}
                    UpstreamSlot::NotDone(reason) => slot.skip_reason = Some(reason),
                    UpstreamSlot::Open => {
                        self.is_watching = true;
                        continue;
                    }
                }
            } else {
                let begin = found
                    .slot
                    .saturating_add(found.schedule.delay(&self.name, found.slot))
                    .unwrap_or(Timestamp::MAX);
                if begin > tick.now {
                    self.next_due = Some(self.next_due.map_or(begin, |next| next.min(begin)));
                    continue;
                }
                slot.due = Some(begin);
            }
            due.push(slot);
        }
        Ok(due)
    }

    /// Notes up to where all slots are decided.
    fn advance(&mut self, came: &[ScheduledSlot]) {
        let decided = came.iter().take_while(|found| self.slots.contains_key(&found.slot)).last();
        self.decided = decided.map_or(self.decided, |found| found.slot);
    }

    /// Where later slots cancel earlier ones, ends the runs of these.
    async fn cancel_overlapped(
        &mut self,
        tick: &Tick<'_>,
        pipeline: Option<&Pipeline>,
    ) -> Result<(), RunError> {
        let concurrency = concurrency_of(pipeline);
        let mut later = 0;
        for state in self.slots.values_mut().rev() {
            let SlotState::Open(open) = state else { continue };
            if later >= concurrency {
                match &open.run {
                    RunState::Ours(cancel) => cancel.cancel(),
                    RunState::Foreign(theirs) => {
                        if tick.end(&theirs.record, "cancelled: a later slot came").await? {
                            *state = SlotState::Closed;
                            continue;
                        }
                    }
                    // It is begun as cancelled.
                    RunState::Waiting => {}
                }
            }
            later += usize::from(open.overlap == Overlap::Cancel && !open.late);
        }
        Ok(())
    }

    /// The runs to begin or resume now, oldest first.
    pub(super) fn starts(&self, concurrency: usize, capacity: usize) -> Vec<Start> {
        let at_work = |state: &&SlotState| matches!(state, SlotState::Open(open) if open.is_at_work());
        // Another project may have the definitions of a pipeline that is not in ours.
        let has_definitions = self.declared.is_some();
        let mut room = concurrency.saturating_sub(self.slots.values().filter(at_work).count()).min(capacity);
        let mut later = self
            .slots
            .values()
            .filter(|state| matches!(state, SlotState::Open(open) if open.cancels()))
            .count();
        let mut starts = Vec::new();
        for (slot, state) in &self.slots {
            let SlotState::Open(open) = state else { continue };
            later -= usize::from(open.cancels());
            if room > 0 && open.is_startable(has_definitions) {
                let resumes = match &open.run {
                    RunState::Foreign(theirs) => Some(theirs.record.clone()),
                    RunState::Waiting | RunState::Ours(_) => None,
                };
                let is_cancelled = later >= concurrency;
                let run = SlotRun { slot: *slot, run_id: open.run_id.clone(), restatement: 0, resumes };
                starts.push(Start { run, is_cancelled });
                room -= usize::from(!is_cancelled);
            }
        }
        starts
    }

    /// Records that this process works on a slot.
    pub(super) fn begun(&mut self, slot: Timestamp, cancel: CancellationToken) {
        if let Some(SlotState::Open(open)) = self.slots.get_mut(&slot) {
            open.run = RunState::Ours(cancel);
        }
    }

    /// Records the end of this process's work on a slot: its run ended too, or has to be resumed.
    pub(super) fn ended(&mut self, slot: Timestamp, has_ended: bool) {
        let Some(state) = self.slots.get_mut(&slot) else { return };
        if has_ended {
            *state = SlotState::Closed;
        } else if let SlotState::Open(open) = state {
            open.run = RunState::Waiting;
            open.not_before = Some(Instant::now() + AFTER_FAILURE);
            open.failures += 1;
        }
    }

    /// Raises the watermark over closed slots, and writes it to the storage now and then.
    async fn settle(&mut self, ledger: &Ledger) -> Result<(), RunError> {
        while let Some(first) = self.slots.first_entry() {
            if *first.key() > self.decided || !matches!(first.get(), SlotState::Closed) {
                break;
            }
            self.watermark = *first.key();
            first.remove();
            self.unmarked += 1;
        }
        if self.unmarked >= MARK_EVERY {
            let arrivals = self.history.arrivals_below(self.watermark);
            write_watermark(
                ledger,
                &self.name,
                &Watermark { slot: self.watermark, arrivals, known: self.known.clone() },
            )
            .await?;
            self.unmarked = 0;
        }
        Ok(())
    }

    /// When this pipeline has to be looked at again, at the latest.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.history.next_clock_slot(now);
        let next = next.and_then(|(slot, schedule)| slot.checked_add(schedule.delay(&self.name, slot)).ok());
        [next, self.next_due].into_iter().flatten().min()
    }

    /// Whether there is a run that may be active in another process, or that is to be tried again.
    pub(super) fn has_doubtful(&self) -> bool {
        let is_doubtful = |open: &OpenSlot| match &open.run {
            RunState::Foreign(theirs) => theirs.liveness == Liveness::Unknown,
            RunState::Waiting => (1..FAILURES).contains(&open.failures),
            RunState::Ours(_) => false,
        };
        self.slots.values().any(|state| matches!(state, SlotState::Open(open) if is_doubtful(open)))
    }

    /// The number of runs that are left because this process's work on them failed.
    pub(super) fn left(&self) -> usize {
        let is_left = |open: &OpenSlot| open.failures > 0 && matches!(open.run, RunState::Waiting);
        self.slots.values().filter(|state| matches!(state, SlotState::Open(open) if is_left(open))).count()
    }

    /// Whether there is anything of other processes to be watched: their runs, or slots that they decide.
    pub(super) fn watches_others(&self) -> bool {
        let is_theirs = |state: &SlotState| matches!(state, SlotState::Open(open) if !matches!(open.run, RunState::Ours(_)));
        self.is_watching || self.slots.values().any(is_theirs)
    }
}

fn schedules_of(pipeline: Option<&Pipeline>) -> &[Schedule] {
    pipeline.map_or(&[], |pipeline| &pipeline.schedules)
}

/// How many slots of a pipeline may run at the same time.
pub(super) fn concurrency_of(pipeline: Option<&Pipeline>) -> usize {
    pipeline.map_or(1, |pipeline| pipeline.concurrency)
}
