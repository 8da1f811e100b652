//! When a pipeline runs by itself: the triggers of slots, and the policies for slots that cannot be run in
//! time. [`Calendar`] turns a cron expression into slots; [`ScheduleLog`] is the record of a pipeline's
//! schedules in the lake.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod arrivals;
pub(crate) mod calendar;
pub(crate) mod log;
pub(crate) mod source_files;

pub use calendar::{Calendar, DstClass};
pub use log::{ScheduleEvent, ScheduleLog, ScheduledSlot};
pub use source_files::{Arrival, SourceFiles};

/// One item of a pipeline's `schedule:`.
///
/// In the lake, it is written as by its author, with defaults filled in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "ScheduleData", into = "ScheduleData")]
pub struct Schedule {
    /// The trigger of its slots.
    pub trigger: Trigger,
    /// The policy for slots that passed while no scheduler was there to run them.
    pub catchup: Catchup,
    /// The policy for a slot that comes while earlier ones still run.
    pub overlap: Overlap,
    /// Runs are spread over this long after their slots, each pipeline and slot with a delay of its own.
    pub jitter: Duration,
    /// There is no slot before this instant.
    pub start: Option<Timestamp>,
    /// There is no slot at or after this instant.
    pub end: Option<Timestamp>,
}

/// The trigger of slots.
#[derive(Debug, Clone)]
pub enum Trigger {
    /// The clock.
    Calendar(Box<Calendar>),
    /// Other pipelines: the slots that all of them have, each when all of them have done it.
    After(Vec<String>),
    /// Files of a source that were not there before; the slot is the instant at which the last of them came.
    NewFiles(String),
}

/// The policy for slots that passed while no scheduler was there to run them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Catchup {
    /// All are missed.
    None,
    /// The latest is run, the others are missed.
    #[default]
    Last,
    /// They are run, oldest first.
    All {
        /// At most so many, the newest; without it, all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
        /// Only those that are no older than this, in seconds; without it, all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window_seconds: Option<u64>,
    },
}

/// The policy for a slot that comes while earlier ones still run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// It waits.
    Queue,
    /// The earlier ones are cancelled.
    Cancel,
}

impl Catchup {
    /// All are run, without a limit.
    pub const ALL: Self = Self::All { max: None, window_seconds: None };
}

impl Schedule {
    /// A schedule with default policies.
    #[must_use]
    pub fn new(trigger: Trigger) -> Self {
        Self {
            trigger,
            catchup: Catchup::default(),
            overlap: Overlap::default(),
            jitter: Duration::ZERO,
            start: None,
            end: None,
        }
    }

    /// The calendar, where the clock brings slots about.
    #[must_use]
    pub fn calendar(&self) -> Option<&Calendar> {
        match &self.trigger {
            Trigger::Calendar(calendar) => Some(calendar),
            Trigger::After(_) | Trigger::NewFiles(_) => None,
        }
    }

    /// Whether its `start` and `end` leave room for a slot.
    #[must_use]
    pub fn admits(&self, slot: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= slot) && self.end.is_none_or(|end| slot < end)
    }

    /// The latest slot of the clock that is not after `instant`.
    #[must_use]
    pub fn latest_at_or_before(&self, instant: Timestamp) -> Option<Timestamp> {
        let nanosecond = SignedDuration::from_nanos(1);
        let last =
            self.end.and_then(|end| end.checked_sub(nanosecond).ok()).map_or(instant, |end| end.min(instant));
        self.calendar()?.latest_at_or_before(last).filter(|slot| self.admits(*slot))
    }

    /// The first slot of the clock after `instant`.
    #[must_use]
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        let nanosecond = SignedDuration::from_nanos(1);
        let before = self
            .start
            .and_then(|start| start.checked_sub(nanosecond).ok())
            .map_or(instant, |start| start.max(instant));
        self.calendar()?.next_after(before).filter(|slot| self.admits(*slot))
    }

    /// How long after its slot a run of this pipeline begins: the same in every process.
    #[must_use]
    pub fn delay(&self, pipeline: &str, slot: Timestamp) -> Duration {
        let hash = blake3::hash(format!("{pipeline}/{slot}").as_bytes());
        let mut low = [0; 4];
        low.copy_from_slice(&hash.as_bytes()[..4]);
        self.jitter.mul_f64(f64::from(u32::from_le_bytes(low)) / f64::from(u32::MAX))
    }
}

/// Two schedules are the same when they are written the same.
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        ScheduleData::from(self.clone()) == ScheduleData::from(other.clone())
    }
}

/// A schedule as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ScheduleData {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timezone: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_new_files: Option<String>,
    catchup: Catchup,
    overlap: Overlap,
    #[serde(default)]
    jitter_seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<Timestamp>,
}

impl From<Schedule> for ScheduleData {
    fn from(schedule: Schedule) -> Self {
        let mut data = Self {
            cron: None,
            timezone: None,
            after: Vec::new(),
            on_new_files: None,
            catchup: schedule.catchup,
            overlap: schedule.overlap,
            jitter_seconds: schedule.jitter.as_secs_f64(),
            start: schedule.start,
            end: schedule.end,
        };
        match schedule.trigger {
            Trigger::Calendar(calendar) => {
                data.cron = Some(calendar.cron().to_owned());
                data.timezone = calendar.zone().iana_name().map(str::to_owned);
            }
            Trigger::After(pipelines) => data.after = pipelines,
            Trigger::NewFiles(source) => data.on_new_files = Some(source),
        }
        data
    }
}

impl TryFrom<ScheduleData> for Schedule {
    type Error = String;

    fn try_from(data: ScheduleData) -> Result<Self, String> {
        let trigger = match (data.cron, data.on_new_files) {
            (Some(cron), _) => {
                let zone = data.timezone.as_deref().unwrap_or("UTC");
                let zone = TimeZone::get(zone).map_err(|_| format!("unknown time zone `{zone}`"))?;
                Trigger::Calendar(Box::new(Calendar::new(&cron, zone)?))
            }
            (None, Some(source)) => Trigger::NewFiles(source),
            (None, None) => Trigger::After(data.after),
        };
        let jitter = Duration::try_from_secs_f64(data.jitter_seconds).map_err(|error| error.to_string())?;
        let (catchup, overlap) = (data.catchup, data.overlap);
        Ok(Self { trigger, catchup, overlap, jitter, start: data.start, end: data.end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daily() -> Schedule {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        Schedule::new(Trigger::Calendar(Box::new(Calendar::new("0 2 * * *", berlin).unwrap())))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_schedule_comes_back_from_data_as_it_was() {
        let mut schedule = daily();
        schedule.catchup = Catchup::All { max: Some(3), window_seconds: Some(86_400) };
        schedule.jitter = Duration::from_secs(90);
        schedule.start = Some(at("2026-11-01T00:00:00Z"));
        let text = serde_json::to_string(&schedule).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"cron":"0 2 * * *","timezone":"Europe/Berlin","catchup":{"all":{"max":3,"window_seconds":86400}},"#,
                r#""overlap":"skip","jitter_seconds":90.0,"start":"2026-11-01T00:00:00Z"}"#,
            )
        );
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule);
        assert_ne!(schedule, daily());
        for trigger in [Trigger::After(vec!["shop".into()]), Trigger::NewFiles("orders".into())] {
            let schedule = Schedule::new(trigger);
            let text = serde_json::to_string(&schedule).unwrap();
            assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule, "{text}");
        }
        assert!(
            serde_json::from_str::<Schedule>(r#"{"cron":"61 * * * *","catchup":"last","overlap":"skip"}"#)
                .is_err()
        );
    }

    #[test]
    fn start_and_end_bound_the_slots() {
        let mut schedule = daily();
        schedule.start = Some(at("2026-11-03T01:00:00Z"));
        schedule.end = Some(at("2026-11-05T01:00:00Z"));
        assert_eq!(schedule.next_after(at("2026-01-01T00:00:00Z")), schedule.start);
        assert_eq!(schedule.next_after(at("2026-11-03T01:00:00Z")), Some(at("2026-11-04T01:00:00Z")));
        assert_eq!(schedule.next_after(at("2026-11-04T01:00:00Z")), None);
        assert_eq!(
            schedule.latest_at_or_before(at("2026-12-01T00:00:00Z")),
            Some(at("2026-11-04T01:00:00Z"))
        );
        assert_eq!(schedule.latest_at_or_before(at("2026-11-02T12:00:00Z")), None);
    }

    #[test]
    fn delays_are_spread_over_the_jitter_and_the_same_for_everyone() {
        let mut schedule = daily();
        assert_eq!(schedule.delay("shop", at("2026-11-03T01:00:00Z")), Duration::ZERO);
        schedule.jitter = Duration::from_secs(600);
        let delay = |day: i64| {
            schedule.delay("shop", at("2026-11-03T01:00:00Z") + SignedDuration::from_hours(24 * day))
        };
        let delays: Vec<Duration> = (0..100).map(delay).collect();
        assert!(delays.iter().all(|delay| *delay <= schedule.jitter));
        let early = delays.iter().filter(|delay| **delay < schedule.jitter / 2).count();
        assert!((30..70).contains(&early), "{early} of 100 in the first half");
        assert_eq!(delay(5), delays[5]);
    }
}
