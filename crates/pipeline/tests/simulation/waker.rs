//! A waker on the clock of a simulation: it loses wake-ups, doubles them and comes late, by chance.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use tranche_pipeline::schedule::Calendar;
use tranche_pipeline::scheduler::Waker;

use crate::random::Random;
use crate::world::World;

/// How reliably a waker wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reliability {
    /// At every slot, once.
    Exact,
    /// Never.
    Silent,
    /// At every slot twice, and every second in between.
    Restless,
    /// It loses every second wake-up, doubles some of the others, and is up to five minutes late with the
    /// rest.
    Unreliable,
}

impl Reliability {
    pub(crate) const ALL: [Self; 4] = [Self::Exact, Self::Silent, Self::Restless, Self::Unreliable];
}

/// A waker of a process.
pub(crate) struct SimulatedWaker {
    world: Arc<World>,
    reliability: Reliability,
    random: Mutex<Random>,
    calendars: Mutex<Vec<Calendar>>,
    /// The slot of the last wake-up, and how often it is still to be repeated.
    last: Mutex<(Timestamp, u64)>,
}

impl SimulatedWaker {
    pub(crate) fn new(world: &Arc<World>, reliability: Reliability, seed: u64) -> Self {
        Self {
            world: Arc::clone(world),
            reliability,
            random: Mutex::new(Random::new(seed)),
            calendars: Mutex::default(),
            last: Mutex::new((Timestamp::MIN, 0)),
        }
    }

    /// The first slot after an instant of any calendar.
    fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        self.calendars.lock().unwrap().iter().filter_map(|calendar| calendar.next_after(instant)).min()
    }

    async fn until(&self, instant: Timestamp) {
        if let Ok(pause) = Duration::try_from(instant.duration_since(self.world.now())) {
            sleep(pause).await;
        }
    }

    /// Sleeps up to the next slot after those that were rung for, and rings as often as this returns.
    async fn slot(&self) -> u64 {
        let (last, _) = *self.last.lock().unwrap();
        let Some(slot) = self.next_after(last.max(self.world.now())) else { std::future::pending().await };
        self.until(slot).await;
        let (times, delay) = {
            let mut random = self.random.lock().unwrap();
            match self.reliability {
                Reliability::Exact => (1, Duration::ZERO),
                Reliability::Silent => (0, Duration::ZERO),
                Reliability::Restless => (2, Duration::ZERO),
                Reliability::Unreliable if random.one_in(2) => (0, Duration::ZERO),
                Reliability::Unreliable => (1 + u64::from(random.one_in(3)), random.seconds(0, 300)),
            }
        };
        self.last.lock().unwrap().0 = slot;
        self.until(slot + SignedDuration::try_from(delay).unwrap()).await;
        times
    }
}

#[async_trait]
impl Waker for SimulatedWaker {
    async fn follow(&self, calendars: &[&Calendar], _: Timestamp) {
        *self.calendars.lock().unwrap() = calendars.iter().map(|calendar| (*calendar).clone()).collect();
    }

    async fn woken(&self) {
        loop {
            {
                let mut last = self.last.lock().unwrap();
                if last.1 > 0 {
                    last.1 -= 1;
                    return;
                }
            }
            if self.reliability == Reliability::Restless {
                tokio::select! {
                    times = self.slot() => self.last.lock().unwrap().1 = times,
                    () = sleep(Duration::from_secs(1)) => return,
                }
            } else {
                let times = self.slot().await;
                self.last.lock().unwrap().1 = times;
            }
        }
    }
}
