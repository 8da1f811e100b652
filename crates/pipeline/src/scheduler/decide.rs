//! Decisions about slots that are due: the policies of a schedule, as a pure function.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::schedule::{Catchup, Overlap, Schedule};

/// A slot that is due and not yet decided.
#[derive(Debug, Clone)]
pub(super) struct DueSlot {
    pub(super) slot: Timestamp,
    pub(super) schedule: Arc<Schedule>,
    /// The instant at which its run was due; `None` when it follows the runs of other pipelines.
    pub(super) due: Option<Timestamp>,
    /// Why it is skipped, whatever the policies say.
    pub(super) skip_reason: Option<String>,
}

/// An earlier run of the same pipeline that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActiveRun {
    AtWork,
    Waiting { late: bool },
}

/// What decisions depend on besides the slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotContext {
    pub(super) now: Timestamp,
    /// The latest slot of the pipeline up to now, decided or not.
    pub(super) latest: Timestamp,
    /// How many slots may run at the same time.
    pub(super) concurrency: usize,
    /// How long after its time a slot is still in time.
    pub(super) grace: Duration,
}

/// The decision about a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Run { late: bool },
    Skipped(String),
    Missed(String),
}

/// Decides about slots, oldest first. `active` are the earlier runs that have not ended.
pub(super) fn decide(due: &[DueSlot], active: &[ActiveRun], context: SlotContext) -> Vec<Decision> {
    let mut active = active.to_vec();
    let mut decisions = Vec::with_capacity(due.len());
    for (index, slot) in due.iter().enumerate() {
        let decision = if let Some(reason) = &slot.skip_reason {
            Decision::Skipped(reason.clone())
        } else if is_late(slot, context) {
            let later = || {
                due[index + 1..]
                    .iter()
                    .filter(|later| later.skip_reason.is_none() && is_late(later, context))
                    .count()
            };
            catch_up(slot, context, later)
        } else {
            in_time(slot, context, &active)
        };
        if let Decision::Run { late } = decision {
            active.push(ActiveRun::Waiting { late });
        }
        decisions.push(decision);
    }
    decisions
}

fn is_late(slot: &DueSlot, context: SlotContext) -> bool {
    let grace = SignedDuration::try_from(context.grace).unwrap_or(SignedDuration::MAX);
    slot.due.is_some_and(|due| context.now.duration_since(due) > grace)
}

/// A slot whose time has passed. One that is caught up waits behind earlier ones, whatever `overlap` says.
fn catch_up(slot: &DueSlot, context: SlotContext, later: impl Fn() -> usize) -> Decision {
    match slot.schedule.catchup {
        Catchup::None => Decision::Missed("catchup: none".to_owned()),
        Catchup::Last if slot.slot < context.latest => {
            Decision::Missed("catchup: last, and a later slot came".to_owned())
        }
        Catchup::Last => Decision::Run { late: true },
        Catchup::All { max, window_seconds } => {
            let age = context.now.duration_since(slot.slot).as_secs();
            if window_seconds.is_some_and(|window| u64::try_from(age).is_ok_and(|age| age > window)) {
                Decision::Missed("catchup: all, and the slot is older than its window".to_owned())
            } else if max.is_some_and(|max| later() >= usize::try_from(max).unwrap_or(usize::MAX)) {
                Decision::Missed("catchup: all, and so many later slots came as its max".to_owned())
            } else {
                Decision::Run { late: true }
            }
        }
    }
}

fn in_time(slot: &DueSlot, context: SlotContext, active: &[ActiveRun]) -> Decision {
    let behind_late = active.contains(&ActiveRun::Waiting { late: true });
    let busy = active.len() >= context.concurrency;
    if slot.schedule.overlap == Overlap::Skip && busy && !behind_late {
        return Decision::Skipped("overlap: skip, and an earlier run had not ended".to_owned());
    }
    Decision::Run { late: behind_late }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::schedule::Trigger;
    use crate::schedule::calendar::Calendar;

    /// Hourly slots up to and with `now`, the last of which is in time: what is decided about each, in a
    /// letter.
    fn check(
        catchup: Catchup,
        overlap: Overlap,
        hours: i64,
        minutes_late: i64,
        active: &[ActiveRun],
        expected: &str,
    ) {
        let now: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
        let mut schedule =
            Schedule::new(Trigger::Calendar(Box::new(Calendar::new("0 * * * *", TimeZone::UTC).unwrap())));
        (schedule.catchup, schedule.overlap) = (catchup, overlap);
        let schedule = Arc::new(schedule);
        let due = |hour: i64| {
            let slot = now - SignedDuration::from_mins(60 * hour + minutes_late);
            DueSlot { slot, schedule: Arc::clone(&schedule), due: Some(slot), skip_reason: None }
        };
        let due: Vec<DueSlot> = (0..hours).rev().map(due).collect();
        let latest = due.last().unwrap().slot;
        let context = SlotContext { now, latest, concurrency: 1, grace: Duration::from_secs(60) };
        let letters: String = decide(&due, active, context)
            .iter()
            .map(|decision| match decision {
                Decision::Run { late: false } => 'R',
                Decision::Run { late: true } => 'L',
                Decision::Skipped(_) => 's',
                Decision::Missed(_) => 'm',
            })
            .collect();
        assert_eq!(letters, expected, "{catchup:?} {overlap:?}");
    }

    #[test]
    fn slots_that_passed_are_missed_or_made_up_for() {
        let all = |max, window_hours: Option<u64>| Catchup::All {
            max,
            window_seconds: window_hours.map(|h| h * 3600),
        };
        for (catchup, expected) in [
            (Catchup::None, "mmmmmm"),
            (Catchup::Last, "mmmmmL"),
            (Catchup::ALL, "LLLLLL"),
            (all(Some(2), None), "mmmmLL"),
            (all(None, Some(4)), "mmLLLL"),
            (all(Some(3), Some(2)), "mmmmLL"),
            (all(Some(0), None), "mmmmmm"),
        ] {
            check(catchup, Overlap::Skip, 6, 2, &[], expected);
        }
    }

    #[test]
    fn a_slot_in_time_comes_after_those_that_are_made_up_for() {
        check(Catchup::None, Overlap::Skip, 3, 0, &[], "mmR");
        check(Catchup::Last, Overlap::Skip, 3, 0, &[], "mmR");
        check(Catchup::ALL, Overlap::Skip, 3, 0, &[], "LLL");
    }

    #[test]
    fn a_slot_in_time_meets_earlier_runs() {
        let (at_work, waiting, late) =
            (ActiveRun::AtWork, ActiveRun::Waiting { late: false }, ActiveRun::Waiting { late: true });
        for (overlap, active, expected) in [
            (Overlap::Skip, vec![], "R"),
            (Overlap::Skip, vec![at_work], "s"),
            (Overlap::Skip, vec![waiting], "s"),
            (Overlap::Skip, vec![at_work, late], "L"),
            (Overlap::Queue, vec![at_work, waiting], "R"),
            (Overlap::Cancel, vec![at_work], "R"),
        ] {
            check(Catchup::Last, overlap, 1, 0, &active, expected);
        }
    }

    #[test]
    fn a_skipped_slot_is_no_reason_to_miss_another() {
        let now: Timestamp = "2026-11-02T00:00:00Z".parse().unwrap();
        let mut schedule = Schedule::new(Trigger::After(vec!["shop".into()]));
        schedule.catchup = Catchup::All { max: Some(1), window_seconds: None };
        let schedule = Arc::new(schedule);
        let slot = |hour: i64, skip_reason: Option<&str>| {
            let slot = now - SignedDuration::from_hours(hour);
            DueSlot {
                slot,
                schedule: Arc::clone(&schedule),
                due: Some(slot),
                skip_reason: skip_reason.map(str::to_owned),
            }
        };
        let context = SlotContext { now, latest: now, concurrency: 1, grace: Duration::from_secs(60) };
        let decisions = decide(&[slot(3, None), slot(2, None), slot(1, Some("paused"))], &[], context);
        assert!(
            matches!(decisions.as_slice(), [
            Decision::Missed(_),
            Decision::Run { late: true },
            Decision::Skipped(reason)
        ] if reason == "paused"),
            "{decisions:?}"
        );
    }
}
