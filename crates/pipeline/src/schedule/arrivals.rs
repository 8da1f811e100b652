//! Slots that new files trigger: `_sys/arrivals/<pipeline>/<sequence>.json`.
//!
//! The files of a source change from look to look, so each change is recorded, in one order for all
//! processes: an entry is made when the files of a source differ from those at its last entry, and its slot
//! is the instant at which the last of them came. A process that loses an entry to another reads it, and
//! finds nothing new.

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use object_store::ObjectStore;
use object_store::path::Path;

use super::log::ScheduleLog;
use super::source_files::{Arrival, Coming, SourceFiles};
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::ledger::append_log::{Append, AppendLog};

impl ScheduleLog {
    /// The entry to make when the files of `source` are these; `None` when they are unchanged, or may be
    /// incomplete.
    fn arrival(&mut self, source: &str, files: Option<&SourceFiles>, now: Timestamp) -> Option<Arrival> {
        let arrival = |slot| {
            let digest = files.map_or_else(String::new, |files| files.digest.clone());
            Arrival { slot, source: source.to_owned(), digest }
        };
        let Some(last) = self.arrivals().iter().rev().find(|arrival| arrival.source == source) else {
            return Some(arrival(None));
        };
        // Removed files trigger nothing.
        let Some(files) = files.filter(|files| files.digest != last.digest) else {
            self.coming.remove(source);
            return None;
        };
        let is_due = self
            .coming
            .entry(source.to_owned())
            .or_insert_with(|| Coming::new(files, now))
            .is_due(files, now);
        let slot = self.slot_of(files, now).filter(|slot| is_due && *slot <= now)?;
        self.coming.remove(source);
        Some(arrival(Some(slot)))
    }

    /// The slot that files bring about, behind all others.
    fn slot_of(&self, files: &SourceFiles, now: Timestamp) -> Option<Timestamp> {
        let seconds = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil);
        // A date that is yet to come says nothing of when a file came.
        let newest = files.newest.round(seconds).ok()?.min(whole_second(now));
        // Files may be older than others that came before them.
        let latest = self.arrivals().iter().filter_map(|arrival| arrival.slot).max();
        let begin = self.events().last().map(crate::schedule::log::ScheduleEvent::at);
        let after = latest
            .max(begin)
            .and_then(|after| after.round(seconds).ok()?.checked_add(SignedDuration::from_secs(1)).ok());
        Some(after.map_or(newest, |after| after.max(newest)))
    }
}

/// The last whole second up to an instant.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

impl Ledger {
    /// Records a change of the files of a source, if there is one; `None` where it has none.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails, [`RunError::Damaged`] when an entry cannot be read.
    pub async fn note_arrival(
        &self,
        pipeline: &str,
        history: &mut ScheduleLog,
        source: &str,
        files: Option<&SourceFiles>,
        now: Timestamp,
    ) -> Result<(), RunError> {
        while let Some(arrival) = history.arrival(source, files, now) {
            let sequence = history.next_arrival();
            let theirs = match self.arrivals_log(pipeline).append(sequence, &arrival).await? {
                Append::Won => arrival,
                Append::Lost(theirs) => theirs,
                Append::Torn => Arrival::lost(),
            };
            history.add_arrivals([theirs]);
        }
        Ok(())
    }

    pub(crate) fn arrivals_log(&self, pipeline: &str) -> AppendLog<'_, Arrival> {
        AppendLog::new(
            self.objects.as_ref() as &dyn ObjectStore,
            Path::from(tranche_store::layout::system::ARRIVALS.path).join(pipeline),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::schedule::log::ScheduleEvent;
    use crate::schedule::{Schedule, Trigger};

    fn at(text: &str) -> Timestamp {
        format!("2026-11-01T{text}Z").parse().unwrap()
    }

    fn files(newest: &str, digest: &str) -> SourceFiles {
        SourceFiles { newest: at(newest), digest: digest.to_owned() }
    }

    fn slots(history: &ScheduleLog) -> Vec<String> {
        let slots = history.own_slots(at("00:00:00"), at("23:00:00"));
        slots.iter().map(|found| found.slot.strftime("%H:%M:%S").to_string()).collect()
    }

    #[tokio::test]
    async fn files_bring_about_slots_that_all_agree_on() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let mut one = ScheduleLog::default();
        let schedules = vec![Schedule::new(Trigger::NewFiles("orders".into()))];
        let scheduled = ScheduleEvent::Scheduled { since: at("01:00:00"), schedules };
        let begin = |history: &ScheduleLog| history.events().is_empty().then(|| scheduled.clone());
        ledger.amend_schedule_log("shop", &mut one, begin).await.unwrap();
        let mut other = ledger.schedule_log("shop").await.unwrap();
        let see = async |history: &mut ScheduleLog, seen: SourceFiles, now: &str| {
            ledger.note_arrival("shop", history, "orders", Some(&seen), at(now)).await.unwrap();
            slots(history)
        };
        assert_eq!(see(&mut one, files("00:30:00", "a"), "01:00:05").await, [""; 0], "what was there before");
        // They may not be all yet.
        assert_eq!(see(&mut one, files("02:00:00.5", "b"), "02:00:05").await, [""; 0]);
        assert_eq!(see(&mut one, files("02:00:00.5", "b"), "02:00:20").await, ["02:00:01"]);
        assert_eq!(see(&mut other, files("02:00:00.5", "b"), "02:00:21").await, ["02:00:01"]);
        assert_eq!(see(&mut other, files("02:00:00.5", "b"), "02:10:00").await, ["02:00:01"]);
        // An old file that came late.
        assert_eq!(see(&mut other, files("02:00:00.5", "c"), "03:00:00").await, ["02:00:01", "02:00:02"]);
        assert_eq!(
            see(&mut one, files("04:00:00", "d"), "05:00:00").await,
            ["02:00:01", "02:00:02", "04:00:00"]
        );
        assert_eq!(ledger.schedule_log("shop").await.unwrap(), one);
    }

    #[tokio::test]
    async fn files_that_keep_coming_and_dates_that_are_wrong_stop_nothing() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let mut history = ScheduleLog::default();
        let schedules = vec![Schedule::new(Trigger::NewFiles("orders".into()))];
        let scheduled = ScheduleEvent::Scheduled { since: at("01:00:00"), schedules };
        let begin = |history: &ScheduleLog| history.events().is_empty().then(|| scheduled.clone());
        ledger.amend_schedule_log("shop", &mut history, begin).await.unwrap();
        for (newest, digest, now, expected) in [
            ("00:30:00", "a", "01:00:05", &[][..]),
            // A file every few seconds.
            ("02:00:00", "b", "02:00:01", &[]),
            ("02:02:00", "c", "02:02:05", &[]),
            ("02:04:55", "d", "02:04:56", &[]),
            ("02:05:00", "e", "02:05:02", &["02:05:00"]),
            ("02:06:00", "f", "02:06:01", &["02:05:00"]),
            ("02:06:00", "f", "02:06:30", &["02:05:00", "02:06:00"]),
            // A file of tomorrow, and one of today after it.
            ("22:00:00", "g", "03:00:00.5", &["02:05:00", "02:06:00"]),
            ("22:00:00", "h", "03:00:09", &["02:05:00", "02:06:00"]),
            ("22:00:00", "h", "03:00:18", &["02:05:00", "02:06:00"]),
            ("22:00:00", "h", "03:00:19", &["02:05:00", "02:06:00", "03:00:19"]),
        ] {
            let seen = files(newest, digest);
            ledger.note_arrival("shop", &mut history, "orders", Some(&seen), at(now)).await.unwrap();
            assert_eq!(slots(&history), expected, "{now}");
        }
        assert_eq!(ledger.schedule_log("shop").await.unwrap(), history);
    }

    #[tokio::test]
    async fn the_first_files_of_an_empty_place_bring_about_a_slot() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let mut history = ScheduleLog::default();
        let schedules = vec![Schedule::new(Trigger::NewFiles("orders".into()))];
        let scheduled = ScheduleEvent::Scheduled { since: at("01:00:00"), schedules };
        ledger
            .amend_schedule_log("shop", &mut history, |history| {
                history.events().is_empty().then(|| scheduled.clone())
            })
            .await
            .unwrap();
        let came = files("02:00:00", "a");
        for (seen, now, expected) in [
            (None, "01:30:00", &[][..]),
            (Some(&came), "02:10:00", &["02:00:00"]),
            // They went away, and came again as they were.
            (None, "02:20:00", &["02:00:00"]),
            (Some(&came), "02:30:00", &["02:00:00"]),
        ] {
            ledger.note_arrival("shop", &mut history, "orders", seen, at(now)).await.unwrap();
            assert_eq!(slots(&history), expected, "{now}");
        }
    }
}
