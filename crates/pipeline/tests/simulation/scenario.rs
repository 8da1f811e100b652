//! One simulation: a night or more of one to three schedulers on one bucket, and whatever goes wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use object_store::ObjectStore;
use tokio::time::sleep;
use tranche_pipeline::schedule::{ScheduleEvent, ScheduleLog};
use tranche_pipeline::scheduler::SchedulerOptions;
use tranche_pipeline::{Ledger, Scheduler, Stop};
use tranche_project::Project;

use crate::check;
use crate::process::Process;
use crate::project::{SimulatedCatalog, ZONES, project};
use crate::random::Random;
use crate::store::{Broken, SimulatedStore};
use crate::tables::Effort;
use crate::waker::{Reliability, SimulatedWaker};
use crate::world::{Counts, Fault, World};

/// What a simulation showed.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    /// What does not hold; empty when all is well.
    pub(crate) wrong: Vec<String>,
    pub(crate) slots: usize,
    pub(crate) runs: usize,
    pub(crate) commits: usize,
    /// What was written about schedules and slots.
    pub(crate) story: String,
}

/// How long a process's lease is.
const LEASE: Duration = Duration::from_secs(40);

/// The calm at the end: long enough for every slot and run to come to its end, and for slots of every
/// pipeline to come.
const CALM: Duration = Duration::from_secs(4 * 3600);

/// A scheduler that is alive: its process, its catalog, and how to stop it.
struct Alive {
    process: Arc<Process>,
    catalog: Arc<SimulatedCatalog>,
    stop: Stop,
}

struct Scenario {
    world: Arc<World>,
    project: Mutex<Project>,
    effort: Effort,
    broken: Broken,
    alive: Mutex<Vec<Option<Alive>>>,
}

/// Simulates what a seed says.
pub(crate) fn simulate(seed: u64, broken: Broken) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async move {
        let mut random = Random::new(seed);
        let (zone, evening) = *random.choose(&ZONES);
        let start: Timestamp = evening.parse().unwrap();
        let start = start + SignedDuration::try_from(random.seconds(0, 3600)).unwrap();
        let project = project(&mut random, zone);
        let schedulers = usize::try_from(1 + random.below(3)).unwrap();
        let effort = Effort {
            longest_seconds: *random.choose(&[5, 60, 400]),
            steady_percent: 0,
            fails_for_now_one_in: *random.choose(&[20, 200]),
            fails_for_good_one_in: *random.choose(&[50, 1_000_000]),
        };
        let night = random.seconds(3 * 3600, 7 * 3600);
        let scenario = Scenario {
            world: Arc::new(World::new(random.next(), start)),
            project: Mutex::new(project),
            effort,
            broken,
            alive: Mutex::new((0..schedulers).map(|_| None).collect()),
        };
        scenario.play(schedulers, night, zone).await
    })
}

impl Scenario {
    async fn play(&self, schedulers: usize, night: Duration, zone: &str) -> Outcome {
        let end = self.world.now() + SignedDuration::try_from(night + CALM).unwrap();
        let all = join_all((0..schedulers).map(|place| self.keep_alive(place)));
        let script = async {
            self.trouble(self.world.now() + SignedDuration::try_from(night).unwrap(), zone).await;
            self.world.calm_down();
            // Schedulers with an old catalog are restarted, as an operator would in the morning.
            self.alive.lock().unwrap().iter().flatten().for_each(|alive| alive.stop.drain.cancel());
            while self.world.now() < end {
                sleep(Duration::from_secs(60)).await;
            }
        };
        tokio::select! {
            biased;
            () = script => {}
            _ = all => {}
        }
        check::check(&self.world, self.world.now(), &self.project.lock().unwrap())
    }

    /// Events from outside: what operators and machines do to the schedulers.
    async fn trouble(&self, until: Timestamp, zone: &str) {
        while self.world.now() < until {
            sleep(self.world.seconds(60, 900)).await;
            let faults = [
                (Fault::JumpForwards, 12),
                (Fault::JumpBackwards, 12),
                (Fault::Drain, 20),
                (Fault::Edit, 25),
                (Fault::Pause, 40),
            ];
            let Some(fault) = self.world.deal(&faults) else { continue };
            let jump = SignedDuration::try_from(self.world.seconds(2, 5_400)).unwrap();
            let place = usize::try_from(self.world.random.lock().unwrap().below(3)).unwrap();
            match fault {
                Fault::Edit => self.edit(zone),
                Fault::Pause => self.pause(place).await,
                fault => {
                    let alive = self.alive.lock().unwrap();
                    let Some(Some(alive)) = alive.get(place % alive.len()) else { continue };
                    match fault {
                        Fault::JumpForwards => *alive.process.ahead.lock().unwrap() += jump,
                        Fault::JumpBackwards => *alive.process.ahead.lock().unwrap() -= jump,
                        _ => alive.stop.drain.cancel(),
                    }
                }
            }
            self.world.count(fault);
        }
    }

    /// The project is changed; some of the schedulers notice.
    fn edit(&self, zone: &str) {
        let project = project(&mut self.world.random.lock().unwrap(), zone);
        for alive in self.alive.lock().unwrap().iter().flatten() {
            if !self.world.random.lock().unwrap().one_in(3) {
                alive.catalog.load(&project);
            }
        }
        *self.project.lock().unwrap() = project;
    }

    /// A pipeline is paused, or resumed, from a machine of its own.
    async fn pause(&self, place: usize) {
        let process = Process::new(&self.world, SignedDuration::ZERO);
        let ledger = Ledger::new(self.store(&process));
        let name = ["shop", "crm", "mail"][place];
        let now = self.world.now();
        let turn = |history: &ScheduleLog| match (history.events().is_empty(), history.is_paused()) {
            (true, _) => None,
            (false, true) => Some(ScheduleEvent::Resumed { at: now }),
            (false, false) => Some(ScheduleEvent::Paused { at: now }),
        };
        let turned = process
            .live(async { ledger.amend_schedule_log(name, &mut ScheduleLog::default(), turn).await.is_ok() })
            .await;
        if turned == Some(true) {
            sleep(self.world.seconds(60, 3_600)).await;
        }
    }

    fn store(&self, process: &Arc<Process>) -> Arc<dyn ObjectStore> {
        Arc::new(SimulatedStore {
            world: Arc::clone(&self.world),
            process: Arc::clone(process),
            broken: self.broken,
        })
    }

    /// A scheduler that is started again whenever it ends.
    async fn keep_alive(&self, place: usize) {
        loop {
            let ahead = if self.world.random.lock().unwrap().one_in(3) {
                SignedDuration::try_from(self.world.seconds(0, 7_200)).unwrap()
                    - SignedDuration::from_hours(1)
            } else {
                SignedDuration::ZERO
            };
            let process = Process::new(&self.world, ahead);
            let objects = self.store(&process);
            let ledger = Ledger::new(Arc::clone(&objects)).with_lease(LEASE);
            let project = self.project.lock().unwrap().clone();
            let catalog =
                Arc::new(SimulatedCatalog::new(&self.world, &objects, self.effort, self.broken, &project));
            let stop = Stop::default();
            let alive =
                Alive { process: Arc::clone(&process), catalog: Arc::clone(&catalog), stop: stop.clone() };
            self.alive.lock().unwrap()[place] = Some(alive);
            let options = SchedulerOptions {
                max_runs: 3,
                poll: Duration::from_secs(60),
                ..SchedulerOptions::default()
            };
            let waker = SimulatedWaker::new(&self.world, Reliability::Unreliable, place as u64);
            let scheduler =
                Scheduler::new(&ledger, catalog.as_ref(), process.as_ref(), options).woken_by(&waker);
            process.live(scheduler.run(stop)).await;
            self.alive.lock().unwrap()[place] = None;
            let longest = *self.world.random.lock().unwrap().choose(&[5, 120, 9_000]);
            let back = self.world.now() + SignedDuration::try_from(self.world.seconds(0, longest)).unwrap();
            loop {
                sleep(Duration::from_secs(5)).await;
                if self.world.now() >= back || self.world.is_calm() {
                    break;
                }
            }
        }
    }
}
