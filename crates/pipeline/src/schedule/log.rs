//! The log of a pipeline's schedules: `_sys/schedules/<pipeline>/<sequence>.json`.
//!
//! Slots are enumerated from here. A schedule that is new fires nothing retroactively: its slots are those
//! after the instant at which it was declared, up to the instant at which the next one was.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::error::RunError;
use crate::ledger::Ledger;
use crate::ledger::append_log::{Append, AppendLog};
use crate::ledger::failed;
use crate::schedule::source_files::{Arrival, Coming};
use crate::schedule::{Schedule, Trigger};

/// An entry of a pipeline's log of schedules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ScheduleEvent {
    /// From now on, these schedules hold.
    Scheduled {
        /// They have no slots up to here.
        since: Timestamp,
        /// As in `pipeline.yaml`.
        schedules: Vec<Schedule>,
    },
    /// Slots that come from now on are skipped.
    Paused {
        /// When.
        at: Timestamp,
    },
    /// Slots that come from now on are run again.
    Resumed {
        /// When.
        at: Timestamp,
    },
    /// From now on, the pipeline has no schedule.
    Unscheduled {
        /// When.
        at: Timestamp,
    },
}

impl ScheduleEvent {
    /// The instant up to which the previous entry holds.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Scheduled { since: at, .. }
            | Self::Paused { at }
            | Self::Resumed { at }
            | Self::Unscheduled { at } => *at,
        }
    }

    /// The same, at another instant.
    fn at_least(self, earliest: Timestamp) -> Self {
        let at = self.at().max(earliest);
        match self {
            Self::Scheduled { schedules, .. } => Self::Scheduled { since: at, schedules },
            Self::Paused { .. } => Self::Paused { at },
            Self::Resumed { .. } => Self::Resumed { at },
            Self::Unscheduled { .. } => Self::Unscheduled { at },
        }
    }
}

/// A pipeline's log of schedules, as far as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScheduleLog {
    events: Vec<ScheduleEvent>,
    arrivals: Vec<Arrival>,
    /// How many arrivals were before these.
    arrivals_before: u64,
    /// The files of each source that are no arrival yet, as this process has seen them.
    pub(crate) coming: BTreeMap<String, Coming>,
}

/// A slot by the log of schedules.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledSlot {
    /// The instant.
    pub slot: Timestamp,
    /// The first of the schedules that have it.
    pub schedule: Arc<Schedule>,
    /// Whether the pipeline was paused when it came.
    pub paused: bool,
}

/// An interval in which the same schedules held: `(after, until]`.
#[derive(Debug, Clone)]
pub(crate) struct Era {
    pub(crate) after: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) schedules: Vec<Arc<Schedule>>,
    pub(crate) paused: bool,
}

impl ScheduleLog {
    /// The log of these entries.
    #[must_use]
    pub fn from_events(events: Vec<ScheduleEvent>) -> Self {
        Self { events, ..Self::default() }
    }

    /// Its entries, oldest first.
    #[must_use]
    pub fn events(&self) -> &[ScheduleEvent] {
        &self.events
    }

    /// Adds an entry as it was read. From one that cannot be read on, no schedule is known: what fires nothing
    /// retroactively.
    fn add(&mut self, entry: Option<ScheduleEvent>) {
        let at = self.events.last().map_or(Timestamp::MIN, ScheduleEvent::at);
        self.events.push(entry.unwrap_or(ScheduleEvent::Unscheduled { at }));
    }

    /// Arrived files of sources, oldest first, as far as they were read.
    #[must_use]
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// The number of the next entry of arrivals.
    pub(crate) fn next_arrival(&self) -> u64 {
        self.arrivals_before + self.arrivals.len() as u64
    }

    pub(crate) fn add_arrivals(&mut self, arrivals: impl IntoIterator<Item = Arrival>) {
        self.arrivals.extend(arrivals);
    }

    /// Reads arrivals from here on, when none was read yet.
    pub(crate) fn skip_arrivals(&mut self, count: u64) {
        if self.arrivals.is_empty() {
            self.arrivals_before = count;
        }
    }

    /// How many arrivals need not be read again when every slot up to a watermark is closed: the last of each
    /// source is always needed.
    pub(crate) fn arrivals_below(&self, watermark: Timestamp) -> u64 {
        let is_last = |index: usize, arrival: &Arrival| {
            !self.arrivals[index + 1..].iter().any(|later| later.source == arrival.source)
        };
        let needed = |(index, arrival): &(usize, &Arrival)| {
            is_last(*index, arrival) || arrival.slot.is_some_and(|slot| slot > watermark)
        };
        let first =
            self.arrivals.iter().enumerate().find(needed).map_or(self.arrivals.len(), |(index, _)| index);
        self.arrivals_before + first as u64
    }

    /// The sources whose files trigger slots now.
    pub(crate) fn watched_sources(&self) -> Vec<String> {
        let source = |schedule: &Schedule| match &schedule.trigger {
            Trigger::NewFiles(source) => Some(source.clone()),
            Trigger::Calendar(_) | Trigger::After(_) => None,
        };
        self.current().iter().filter_map(source).collect()
    }

    /// The schedules that hold now; empty when there are none.
    #[must_use]
    pub fn current(&self) -> &[Schedule] {
        let last = self.events.iter().rev().find_map(|event| match event {
            ScheduleEvent::Scheduled { schedules, .. } => Some(schedules.as_slice()),
            ScheduleEvent::Unscheduled { .. } => Some(&[][..]),
            ScheduleEvent::Paused { .. } | ScheduleEvent::Resumed { .. } => None,
        });
        last.unwrap_or_default()
    }

    /// Whether the pipeline is paused now.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        let last = self.events.iter().rev().find_map(|event| match event {
            ScheduleEvent::Paused { .. } => Some(true),
            ScheduleEvent::Resumed { .. } => Some(false),
            ScheduleEvent::Scheduled { .. } | ScheduleEvent::Unscheduled { .. } => None,
        });
        last.unwrap_or(false)
    }

    /// The intervals in `(after, until]` that had schedules, oldest first.
    pub(crate) fn eras(&self, after: Timestamp, until: Timestamp) -> Vec<Era> {
        let mut eras = Vec::new();
        let (mut schedules, mut paused): (Vec<Arc<Schedule>>, bool) = (Vec::new(), false);
        for (index, event) in self.events.iter().enumerate() {
            match event {
                ScheduleEvent::Scheduled { schedules: new, .. } => {
                    schedules = new.iter().cloned().map(Arc::new).collect()
                }
                ScheduleEvent::Unscheduled { .. } => schedules.clear(),
                ScheduleEvent::Paused { .. } => paused = true,
                ScheduleEvent::Resumed { .. } => paused = false,
            }
            let end = self.events.get(index + 1).map_or(until, |next| next.at().min(until));
            let begin = event.at().max(after);
            if begin < end && !schedules.is_empty() {
                eras.push(Era { after: begin, until: end, schedules: schedules.clone(), paused });
            }
        }
        eras
    }

    /// The slots of the clock in `(after, until]`, oldest first, each once.
    #[must_use]
    pub fn clock_slots(&self, after: Timestamp, until: Timestamp) -> Vec<ScheduledSlot> {
        self.eras(after, until).iter().flat_map(Era::clock_slots).collect()
    }

    /// The slots in `(after, until]` that do not follow other pipelines: of the clock, and of new files.
    #[must_use]
    pub fn own_slots(&self, after: Timestamp, until: Timestamp) -> Vec<ScheduledSlot> {
        let mut slots = self.clock_slots(after, until);
        if !self.arrivals.is_empty() {
            slots.extend(self.eras(after, until).iter().flat_map(|era| era.file_slots(&self.arrivals)));
            slots.sort_by_key(|slot| slot.slot);
            slots.dedup_by_key(|slot| slot.slot);
        }
        slots
    }

    /// The first slot of the clock after `instant`, as far as is known now.
    #[must_use]
    pub fn next_clock_slot(&self, instant: Timestamp) -> Option<(Timestamp, &Schedule)> {
        let begin = self.events.last().map_or(instant, |last| last.at().max(instant));
        let next = |schedule: &'_ Schedule| schedule.next_after(begin);
        self.current()
            .iter()
            .filter_map(|schedule| Some((next(schedule)?, schedule)))
            .min_by_key(|(slot, _)| *slot)
    }

    /// The pipelines that this one comes after.
    pub(crate) fn upstream(&self) -> impl Iterator<Item = &str> {
        let schedules = self.events.iter().filter_map(|event| match event {
            ScheduleEvent::Scheduled { schedules, .. } => Some(schedules),
            _ => None,
        });
        schedules.flatten().flat_map(|schedule| match &schedule.trigger {
            Trigger::After(pipelines) => pipelines.iter().map(String::as_str).collect::<Vec<_>>(),
            Trigger::Calendar(_) | Trigger::NewFiles(_) => Vec::new(),
        })
    }
}

impl Era {
    fn file_slots(&self, arrivals: &[Arrival]) -> Vec<ScheduledSlot> {
        let mut slots = Vec::new();
        for arrival in arrivals {
            let Some(slot) = arrival.slot.filter(|slot| self.after < *slot && *slot <= self.until) else {
                continue;
            };
            let of_source = |schedule: &&Arc<Schedule>| {
                matches!(&schedule.trigger, Trigger::NewFiles(source) if *source == arrival.source)
                    && schedule.admits(slot)
            };
            if let Some(schedule) = self.schedules.iter().find(of_source) {
                slots.push(ScheduledSlot { slot, schedule: Arc::clone(schedule), paused: self.paused });
            }
        }
        slots
    }

    fn clock_slots(&self) -> Vec<ScheduledSlot> {
        let mut slots: Vec<ScheduledSlot> = Vec::new();
        for schedule in &self.schedules {
            let next = |slot: &Timestamp| schedule.next_after(*slot).filter(|next| *next <= self.until);
            let found = std::iter::successors(next(&self.after), next);
            slots.extend(found.map(|slot| ScheduledSlot {
                slot,
                schedule: Arc::clone(schedule),
                paused: self.paused,
            }));
        }
        // A stable sort: of several schedules with one slot, the first written stays.
        slots.sort_by_key(|slot| slot.slot);
        slots.dedup_by_key(|slot| slot.slot);
        slots
    }
}

pub(crate) const SCHEDULES: &str = tranche_store::layout::system::SCHEDULES.path;

impl Ledger {
    /// The pipelines that have a log of schedules, as a listing shows them.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails.
    pub async fn scheduled_pipelines(&self) -> Result<Vec<String>, RunError> {
        let root = Path::from(SCHEDULES);
        let listed =
            self.objects.list_with_delimiter(Some(&root)).await.map_err(|error| failed(&root, error))?;
        Ok(listed.common_prefixes.iter().filter_map(Path::filename).map(str::to_owned).collect())
    }

    /// The schedule history of a pipeline.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails, [`RunError::Damaged`] when an entry cannot be read.
    pub async fn schedule_log(&self, pipeline: &str) -> Result<ScheduleLog, RunError> {
        let mut history = ScheduleLog::default();
        self.refresh_schedule_log(pipeline, &mut history).await?;
        Ok(history)
    }

    /// Reads the entries that were added since this log was read.
    ///
    /// # Errors
    /// As [`Ledger::schedule_log`].
    pub async fn refresh_schedule_log(
        &self,
        pipeline: &str,
        history: &mut ScheduleLog,
    ) -> Result<(), RunError> {
        let read = self.history_log(pipeline).read(history.events.len() as u64).await?;
        read.into_iter().for_each(|entry| history.add(entry.written()));
        let watches = |event: &ScheduleEvent| match event {
            ScheduleEvent::Scheduled { schedules, .. } => {
                schedules.iter().any(|schedule| matches!(schedule.trigger, Trigger::NewFiles(_)))
            }
            ScheduleEvent::Paused { .. }
            | ScheduleEvent::Resumed { .. }
            | ScheduleEvent::Unscheduled { .. } => false,
        };
        if history.events.iter().any(watches) {
            let arrivals = self.arrivals_log(pipeline).read(history.next_arrival()).await?;
            history.add_arrivals(
                arrivals.into_iter().map(|entry| entry.written().unwrap_or_else(Arrival::lost)),
            );
        }
        Ok(())
    }

    /// Adds an entry as long as `wanted` makes one of the history as it then is. It never lies before the
    /// last one.
    ///
    /// # Errors
    /// As [`Ledger::schedule_log`].
    pub async fn amend_schedule_log(
        &self,
        pipeline: &str,
        history: &mut ScheduleLog,
        wanted: impl Fn(&ScheduleLog) -> Option<ScheduleEvent> + Send,
    ) -> Result<bool, RunError> {
        self.refresh_schedule_log(pipeline, history).await?;
        loop {
            let Some(event) = wanted(history) else { return Ok(false) };
            let event = history
                .events
                .last()
                .map(ScheduleEvent::at)
                .map_or(event.clone(), |last| event.at_least(last));
            match self.history_log(pipeline).append(history.events.len() as u64, &event).await? {
                Append::Won => {
                    history.events.push(event);
                    return Ok(true);
                }
                Append::Lost(theirs) => history.add(Some(theirs)),
                Append::Torn => history.add(None),
            }
        }
    }

    fn history_log(&self, pipeline: &str) -> AppendLog<'_, ScheduleEvent> {
        AppendLog::new(self.objects.as_ref() as &dyn ObjectStore, Path::from(SCHEDULES).join(pipeline))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::tz::TimeZone;
    use object_store::memory::InMemory;

    use super::*;
    use crate::schedule::calendar::Calendar;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-01T{text}:00Z").parse().unwrap()
    }

    fn cron(text: &str) -> Schedule {
        Schedule::new(Trigger::Calendar(Box::new(Calendar::new(text, TimeZone::UTC).unwrap())))
    }

    fn scheduled(since: &str, schedules: &[&str]) -> ScheduleEvent {
        ScheduleEvent::Scheduled {
            since: at(since),
            schedules: schedules.iter().map(|text| cron(text)).collect(),
        }
    }

    fn check(events: Vec<ScheduleEvent>, after: &str, until: &str, expected: &[&str]) {
        let history = ScheduleLog::from_events(events);
        let slots: Vec<String> = history
            .clock_slots(at(after), at(until))
            .iter()
            .map(|found| {
                format!("{}{}", found.slot.strftime("%H:%M"), if found.paused { " paused" } else { "" })
            })
            .collect();
        assert_eq!(slots, expected);
    }

    #[test]
    fn a_new_schedule_fires_nothing_retroactively() {
        let hourly_then_half = vec![scheduled("01:00", &["0 * * * *"]), scheduled("03:30", &["30 * * * *"])];
        check(hourly_then_half.clone(), "00:00", "06:00", &["02:00", "03:00", "04:30", "05:30"]);
        check(hourly_then_half, "02:00", "04:30", &["03:00", "04:30"]);
        check(vec![], "00:00", "06:00", &[]);
    }

    #[test]
    fn an_instant_at_which_the_schedule_changes_is_a_slot_of_the_old_one_alone() {
        check(
            vec![scheduled("00:30", &["0 * * * *"]), scheduled("02:00", &["0 * * * *"])],
            "00:00",
            "03:00",
            &["01:00", "02:00", "03:00"],
        );
        let ended = vec![scheduled("00:30", &["0 * * * *"]), ScheduleEvent::Unscheduled { at: at("02:00") }];
        check(ended, "00:00", "05:00", &["01:00", "02:00"]);
    }

    #[test]
    fn slots_of_several_schedules_come_once_each() {
        check(
            vec![scheduled("00:00", &["0 * * * *", "0,30 2 * * *"])],
            "00:00",
            "03:00",
            &["01:00", "02:00", "02:30", "03:00"],
        );
    }

    #[test]
    fn slots_of_a_pause_are_there_and_paused() {
        let events = vec![
            scheduled("00:00", &["0 * * * *"]),
            ScheduleEvent::Paused { at: at("01:30") },
            ScheduleEvent::Resumed { at: at("03:30") },
        ];
        check(events.clone(), "00:00", "05:00", &["01:00", "02:00 paused", "03:00 paused", "04:00", "05:00"]);
        assert!(!ScheduleLog::from_events(events.clone()).is_paused());
        assert!(ScheduleLog::from_events(events[..2].to_vec()).is_paused());
    }

    #[tokio::test]
    async fn entries_of_many_writers_follow_one_another_in_time() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let (mut one, mut other) = (ScheduleLog::default(), ScheduleLog::default());
        assert!(
            ledger
                .amend_schedule_log("shop", &mut one, |_| Some(scheduled("05:00", &["0 * * * *"])))
                .await
                .unwrap()
        );
        let pause = |history: &ScheduleLog| {
            (!history.is_paused()).then_some(ScheduleEvent::Paused { at: at("03:00") })
        };
        assert!(ledger.amend_schedule_log("shop", &mut other, pause).await.unwrap());
        assert!(!ledger.amend_schedule_log("shop", &mut one, pause).await.unwrap());
        assert_eq!(one, other);
        assert_eq!(
            one.events(),
            [scheduled("05:00", &["0 * * * *"]), ScheduleEvent::Paused { at: at("05:00") }]
        );
        assert_eq!(ledger.schedule_log("shop").await.unwrap(), one);
    }
}
