//! Wake-ups by the cron jobs of `tokio-cron-scheduler`: one job a calendar.
//!
//! A job keeps the offset from UTC that its zone had when the job was made, so a calendar whose offset
//! changed gets another job.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::FixedOffset;
use jiff::Timestamp;
use tokio::sync::{Mutex, Notify};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use uuid::Uuid;

use super::waker::Waker;
use crate::error::chain;
use crate::schedule::Calendar;

/// Wakes a scheduler by one cron job for each calendar.
pub struct CronWaker {
    timer: JobScheduler,
    jobs: Mutex<BTreeMap<Ticks, Option<Uuid>>>,
    wake: Arc<Notify>,
}

/// When a job ticks: at a cron expression with seconds, on a clock that is so many seconds ahead of UTC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Ticks {
    cron: String,
    offset_seconds: i32,
}

impl CronWaker {
    /// A waker whose jobs run on the current runtime of `tokio`; `None`, with a line in the log, where that
    /// cannot be: the scheduler's own timer is enough.
    pub async fn start() -> Option<Self> {
        let started = async {
            let timer = JobScheduler::new().await?;
            timer.start().await?;
            Ok::<_, JobSchedulerError>(timer)
        };
        match started.await {
            Ok(timer) => Some(Self { timer, jobs: Mutex::default(), wake: Arc::default() }),
            Err(error) => {
                tracing::warn!(error = chain(&error), "no cron jobs: the scheduler wakes by its own timer");
                None
            }
        }
    }

    async fn add(&self, ticks: &Ticks) -> Result<Uuid, JobSchedulerError> {
        let zone = FixedOffset::east_opt(ticks.offset_seconds).ok_or(JobSchedulerError::ParseSchedule)?;
        let wake = Arc::clone(&self.wake);
        let job = Job::new_async_tz(ticks.cron.as_str(), zone, move |_, _| {
            let wake = Arc::clone(&wake);
            Box::pin(async move { wake.notify_one() })
        })?;
        self.timer.add(job).await
    }
}

impl Ticks {
    fn of(calendar: &Calendar, now: Timestamp) -> Self {
        let has_seconds = calendar.cron().split_whitespace().count() == 6;
        let cron = if has_seconds { calendar.cron().to_owned() } else { format!("0 {}", calendar.cron()) };
        Self { cron, offset_seconds: calendar.zone().to_offset(now).seconds() }
    }
}

#[async_trait]
impl Waker for CronWaker {
    async fn follow(&self, calendars: &[&Calendar], now: Timestamp) {
        let wanted: BTreeSet<Ticks> = calendars.iter().map(|calendar| Ticks::of(calendar, now)).collect();
        let mut jobs = self.jobs.lock().await;
        let gone: Vec<Ticks> = jobs.keys().filter(|ticks| !wanted.contains(ticks)).cloned().collect();
        for ticks in gone {
            if let Some(Some(id)) = jobs.remove(&ticks)
                && let Err(error) = self.timer.remove(&id).await
            {
                tracing::debug!(cron = ticks.cron, error = chain(&error), "a cron job cannot be removed");
            }
        }
        for ticks in wanted {
            if jobs.contains_key(&ticks) {
                continue;
            }
            let added = self.add(&ticks).await;
            let added = added.inspect_err(|error| {
                tracing::debug!(cron = ticks.cron, error = chain(error), "no cron job for this calendar");
            });
            jobs.insert(ticks, added.ok());
        }
    }

    async fn woken(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn calendar(cron: &str, zone: &str) -> Calendar {
        Calendar::new(cron, TimeZone::get(zone).unwrap()).unwrap()
    }

    async fn jobs(waker: &CronWaker, calendars: &[&Calendar], now: &str) -> Vec<(String, i32)> {
        waker.follow(calendars, now.parse().unwrap()).await;
        let jobs = waker.jobs.lock().await;
        assert!(jobs.values().all(Option::is_some), "{jobs:?}");
        jobs.keys().map(|ticks| (ticks.cron.clone(), ticks.offset_seconds)).collect()
    }

    #[tokio::test]
    async fn jobs_follow_the_calendars_and_their_zones() {
        let waker = CronWaker::start().await.unwrap();
        let (berlin, utc) = (calendar("30 2 * * *", "Europe/Berlin"), calendar("*/5 * * * * *", "UTC"));
        let night = |offset| ("0 30 2 * * *".to_owned(), offset);
        let often = ("*/5 * * * * *".to_owned(), 0);
        let winter = "2026-01-10T00:00:00Z";
        assert_eq!(jobs(&waker, &[&berlin, &utc, &berlin], winter).await, [often.clone(), night(3_600)]);
        assert_eq!(jobs(&waker, &[&berlin, &utc], "2026-06-10T00:00:00Z").await, [often, night(7_200)]);
        assert_eq!(jobs(&waker, &[&berlin], winter).await, [night(3_600)]);
        assert_eq!(jobs(&waker, &[], winter).await, []);
    }

    #[tokio::test]
    async fn a_job_wakes() {
        let waker = CronWaker::start().await.unwrap();
        waker.follow(&[&calendar("* * * * * *", "UTC")], Timestamp::now()).await;
        waker.woken().await;
    }
}
