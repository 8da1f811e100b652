//! Slots that new files bring about: `_sys/arrivals/<pipeline>/<sequence>.json`.
//!
//! Which files there are changes from look to look, so what was seen is written down, in one order for all: an entry is made when the
//! files of a source are others than at its last entry, and its slot is the instant at which the last of them came. Who loses an entry
//! to someone else reads it, and finds that there is nothing new.

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::append_log::{Append, AppendLog};
use crate::{History, Ledger, RunError};

/// The files of a source, as someone saw them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFiles {
    /// The date of the newest.
    pub newest: Timestamp,
    /// What tells these files from any others.
    pub digest: String,
}

/// Files of a source that were not there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The slot that they bring about; `None` for what was there when the schedule began, which may be nothing.
    pub slot: Option<Timestamp>,
    /// The source.
    pub source: String,
    /// What tells its files from any others; empty where there was none.
    pub digest: String,
}

/// Files that are newer may not be all of their delivery yet.
const QUIET: SignedDuration = SignedDuration::from_secs(10);

impl History {
    /// The entry to make when the files of `source` are these; `None` when they are what they were, or may not be all yet.
    fn arrival(&self, source: &str, files: Option<&SourceFiles>, now: Timestamp) -> Option<Arrival> {
        let arrival = |slot| {
            let digest = files.map_or_else(String::new, |files| files.digest.clone());
            Some(Arrival { slot, source: source.to_owned(), digest })
        };
        let Some(last) = self.arrivals().iter().rev().find(|arrival| arrival.source == source) else {
            return arrival(None);
        };
        // That files went away brings about nothing.
        let files = files.filter(|files| files.digest != last.digest)?;
        let seconds = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil);
        let newest = files.newest.round(seconds).ok()?;
        // Files may be older than others that came before them.
        let latest = self.arrivals().iter().filter_map(|arrival| arrival.slot).max();
        let begin = self.events().last().map(crate::ScheduleEvent::at);
        let after = latest
            .max(begin)
            .and_then(|after| after.round(seconds).ok()?.checked_add(SignedDuration::from_secs(1)).ok());
        let slot = after.map_or(newest, |after| after.max(newest));
        (slot <= now && now.duration_since(files.newest) >= QUIET).then(|| arrival(Some(slot)))?
    }
}

impl Ledger {
    /// Writes down that the files of a source are others than before, if they are; `None` where it has none.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails, [`RunError::Damaged`] when an entry cannot be read.
    pub async fn note_arrival(
        &self,
        pipeline: &str,
        history: &mut History,
        source: &str,
        files: Option<&SourceFiles>,
        now: Timestamp,
    ) -> Result<(), RunError> {
        while let Some(arrival) = history.arrival(source, files, now) {
            let sequence = history.next_arrival();
            let theirs = match self.arrivals_log(pipeline).append(sequence, &arrival).await? {
                Append::Won => arrival,
                Append::Lost(theirs) => theirs,
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
    use crate::{Schedule, ScheduleEvent, Trigger};

    fn at(text: &str) -> Timestamp {
        format!("2026-11-01T{text}Z").parse().unwrap()
    }

    fn files(newest: &str, digest: &str) -> SourceFiles {
        SourceFiles { newest: at(newest), digest: digest.to_owned() }
    }

    fn slots(history: &History) -> Vec<String> {
        let slots = history.own_slots(at("00:00:00"), at("23:00:00"));
        slots.iter().map(|found| found.slot.strftime("%H:%M:%S").to_string()).collect()
    }

    #[tokio::test]
    async fn files_bring_about_slots_that_all_agree_on() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let mut one = History::default();
        let schedules = vec![Schedule::new(Trigger::NewFiles("orders".into()))];
        let scheduled = ScheduleEvent::Scheduled { since: at("01:00:00"), schedules };
        let begin = |history: &History| history.events().is_empty().then(|| scheduled.clone());
        ledger.amend_history("shop", &mut one, begin).await.unwrap();
        let mut other = ledger.history("shop").await.unwrap();
        let see = async |history: &mut History, seen: SourceFiles, now: &str| {
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
        assert_eq!(ledger.history("shop").await.unwrap(), one);
    }

    #[tokio::test]
    async fn the_first_files_of_an_empty_place_bring_about_a_slot() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let mut history = History::default();
        let schedules = vec![Schedule::new(Trigger::NewFiles("orders".into()))];
        let scheduled = ScheduleEvent::Scheduled { since: at("01:00:00"), schedules };
        ledger
            .amend_history("shop", &mut history, |history| {
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
