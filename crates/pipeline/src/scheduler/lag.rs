//! How far a pipeline is behind its schedule, at a cost that bears asking again and again.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::upstream::Upstream;
use crate::error::RunError;
use crate::ledger::Ledger;
use crate::schedule::ScheduleLog;

/// The lag of a pipeline, for a process that asks now and then: each time it reads new entries of the logs,
/// and lists the slots since the last decided one.
#[derive(Debug, Default)]
pub struct ScheduleLag {
    history: ScheduleLog,
    upstream: Upstream,
    /// Every slot up to here is decided.
    decided: Option<Timestamp>,
}

impl ScheduleLag {
    /// The oldest slot in `(since, now]` that is not decided.
    ///
    /// # Errors
    /// [`RunError::Store`] when the storage fails, [`RunError::Damaged`] when a log of schedules cannot be
    /// read.
    pub async fn oldest(
        &mut self,
        ledger: &Ledger,
        pipeline: &str,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, RunError> {
        ledger.refresh_schedule_log(pipeline, &mut self.history).await?;
        self.upstream.refresh(ledger, &self.history).await?;
        let after = self.decided.map_or(since, |decided| decided.max(since));
        let came: Vec<Timestamp> =
            self.upstream.slots(&self.history, after, now).iter().map(|found| found.slot).collect();
        let Some(first) = came.first() else { return Ok(None) };
        let end = now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
        let decided: BTreeSet<Timestamp> =
            ledger.decided_slots(pipeline, *first, end).await?.into_iter().collect();
        let count = came.iter().take_while(|slot| decided.contains(slot)).count();
        self.decided = came[..count].last().copied().or(self.decided);
        Ok(came.get(count).copied())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::tz::TimeZone;
    use object_store::memory::InMemory;

    use super::*;
    use crate::ledger::slot::{SlotDecision, SlotEntry};
    use crate::schedule::calendar::Calendar;
    use crate::schedule::log::ScheduleEvent;
    use crate::schedule::{Schedule, Trigger};

    fn at(text: &str) -> Timestamp {
        format!("2026-11-01T{text}:00Z").parse().unwrap()
    }

    #[tokio::test]
    async fn the_oldest_slot_without_a_fate_is_found_however_often_it_is_asked_for() {
        let ledger = Ledger::new(Arc::new(InMemory::new()));
        let hourly =
            Schedule::new(Trigger::Calendar(Box::new(Calendar::new("0 * * * *", TimeZone::UTC).unwrap())));
        let scheduled = ScheduleEvent::Scheduled { since: at("00:30"), schedules: vec![hourly] };
        let begin = |history: &ScheduleLog| history.events().is_empty().then(|| scheduled.clone());
        ledger.amend_schedule_log("shop", &mut ScheduleLog::default(), begin).await.unwrap();
        let mut backlog = ScheduleLag::default();
        let mut check = async |decided: &[&str], now: &str, expected: Option<&str>| {
            for slot in decided {
                let decision = SlotDecision::Missed { reason: "late".into() };
                let entry = SlotEntry { decision, at: at(slot), schedule: 1, backfill: None };
                ledger.decide("shop", at(slot), entry).await.unwrap();
            }
            let oldest = backlog.oldest(&ledger, "shop", at("00:00"), at(now)).await.unwrap();
            assert_eq!(oldest, expected.map(at), "{now}");
        };
        check(&[], "00:59", None).await;
        check(&[], "02:10", Some("01:00")).await;
        check(&["01:00", "03:00"], "03:10", Some("02:00")).await;
        check(&["02:00"], "03:20", None).await;
        check(&[], "04:00", Some("04:00")).await;
    }
}
