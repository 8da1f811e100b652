//! What schedules promise, in worlds in which nothing goes wrong by chance: policies, clocks, takeovers, one
//! at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use object_store::ObjectStore;
use tokio::time::sleep;
use tranche_pipeline::ledger::SlotDecision;
use tranche_pipeline::schedule::{ScheduleEvent, ScheduleLog};
use tranche_pipeline::scheduler::{SchedulerOptions, Totals, Waker};
use tranche_pipeline::{Ledger, RunStatus, Scheduler, Stop};
use tranche_project::Project;

use crate::process::Process;
use crate::project::SimulatedCatalog;
use crate::store::{Broken, SimulatedStore};
use crate::tables::{Effort, Version, rows_of, tables_of};
use crate::waker::{Reliability, SimulatedWaker};
use crate::world::World;

const STEPS: &str = "steps:\n  - {id: load, do: all}\n  - {id: segments, do: all, needs: [load]}\n  - {id: tests, do: all, needs: [load]}\n";

struct Lab {
    world: Arc<World>,
    project: Project,
    /// How long each half of a step takes.
    seconds: u64,
}

impl Lab {
    fn new(pipelines: &[(&str, &str)], seconds: u64) -> Self {
        let manifest = |(name, keys): &(&str, &str)| {
            (
                format!("pipelines/{name}/pipeline.yaml"),
                format!("version: 1\npipeline: {name}\n{keys}\n{STEPS}"),
            )
        };
        let world = Arc::new(World::faultless("2026-11-02T00:31:00Z".parse().unwrap()));
        Self { world, project: Project::from_files(pipelines.iter().map(manifest)), seconds }
    }

    fn objects(&self, process: &Arc<Process>) -> Arc<dyn ObjectStore> {
        Arc::new(SimulatedStore {
            world: Arc::clone(&self.world),
            process: Arc::clone(process),
            broken: Broken::Sound,
        })
    }

    fn ledger(&self) -> Ledger {
        Ledger::new(self.objects(&Process::new(&self.world, SignedDuration::ZERO)))
    }

    /// A daemon whose clock is so much ahead, until it is stopped or killed.
    async fn daemon(&self, process: &Arc<Process>, stop: Stop, once: bool) -> Option<Totals> {
        let options = SchedulerOptions { once, ..SchedulerOptions::default() };
        self.woken_daemon(process, stop, options, &()).await
    }

    /// The same with a waker.
    async fn woken_daemon(
        &self,
        process: &Arc<Process>,
        stop: Stop,
        options: SchedulerOptions,
        waker: &dyn Waker,
    ) -> Option<Totals> {
        let objects = self.objects(process);
        let ledger = Ledger::new(Arc::clone(&objects)).with_lease(Duration::from_secs(60));
        let effort = Effort {
            longest_seconds: self.seconds,
            steady_percent: 100,
            fails_for_now_one_in: 0,
            fails_for_good_one_in: 0,
        };
        let catalog = SimulatedCatalog::new(&self.world, &objects, effort, Broken::Sound, &self.project);
        let scheduler = Scheduler::new(&ledger, &catalog, process.as_ref(), options).woken_by(waker);
        process.live(scheduler.run(stop)).await
    }

    /// A daemon with a good clock that works for so long.
    async fn works_for(&self, length: Duration) {
        let (process, stop) = (Process::new(&self.world, SignedDuration::ZERO), Stop::default());
        let drain = async {
            sleep(length).await;
            stop.drain.cancel();
        };
        tokio::join!(self.daemon(&process, stop.clone(), false), drain);
    }

    /// The outcomes of a pipeline's slots: `R` done, `F` failed, `r` not ended, `s` skipped, `m` missed, by
    /// hour and minute of the slot.
    async fn decisions(&self, pipeline: &str) -> BTreeMap<Timestamp, char> {
        let ledger = self.ledger();
        let mut decisions = BTreeMap::new();
        for slot in ledger.decided_slots(pipeline, Timestamp::MIN, Timestamp::MAX).await.unwrap() {
            let letter = match ledger.decision(pipeline, slot).await.unwrap().unwrap() {
                SlotDecision::Skipped { .. } => 's',
                SlotDecision::Missed { .. } => 'm',
                SlotDecision::Run { run_id, .. } => match ledger.read(&run_id).await.map(|run| run.status) {
                    Ok(RunStatus::Done) => 'R',
                    Ok(RunStatus::Failed) => 'F',
                    _ => 'r',
                },
            };
            decisions.insert(slot, letter);
        }
        decisions
    }

    async fn letters(&self, pipeline: &str) -> String {
        self.decisions(pipeline).await.into_values().collect()
    }

    /// Every slot that was done has its rows once, and nothing else is there.
    async fn tables_are_right(&self, pipeline: &str) {
        let done: Vec<Timestamp> = self
            .decisions(pipeline)
            .await
            .into_iter()
            .filter(|(_, decision)| *decision == 'R')
            .map(|(slot, _)| slot)
            .collect();
        for step in ["load", "segments", "tests"] {
            for table in tables_of(pipeline, step) {
                let objects = self.world.objects.lock().unwrap();
                let mut found: Vec<String> = objects
                    .iter()
                    .filter(|(path, _)| path.starts_with(&format!("{table}/")))
                    .flat_map(|(_, object)| serde_json::from_slice::<Version>(&object.bytes).unwrap().rows)
                    .collect();
                let mut expected: Vec<String> = done
                    .iter()
                    .flat_map(|slot| rows_of(&format!("{pipeline}/{step}/{slot}"), &table))
                    .collect();
                found.sort();
                expected.sort();
                assert_eq!(found, expected, "{table}");
            }
        }
    }
}

fn play<F: Future>(body: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(body)
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_daemon_that_was_away_for_three_days_does_what_its_catchup_says() {
    for (catchup, missed, made_up_for) in [
        ("none", 72, 0),
        ("last", 71, 1),
        ("all", 0, 72),
        ("{all: {max: 5}}", 67, 5),
        ("{all: {window: 1 day}}", 48, 24),
        ("{all: {max: 30, window: 1 day}}", 48, 24),
    ] {
        play(async {
            let lab =
                Lab::new(&[("shop", &format!("schedule: {{cron: '0 * * * *', catchup: {catchup}}}"))], 2);
            lab.works_for(3 * HOUR).await;
            assert_eq!(lab.letters("shop").await, "RRR", "{catchup}");
            sleep(72 * HOUR).await;
            lab.works_for(3 * HOUR).await;
            let expected = format!("RRR{}{}RRR", "m".repeat(missed), "R".repeat(made_up_for));
            assert_eq!(lab.letters("shop").await, expected, "{catchup}");
            lab.tables_are_right("shop").await;
        });
    }
}

#[test]
fn a_slot_that_meets_an_earlier_run_is_skipped_waits_or_cancels_it() {
    // A run takes 80 minutes, and the next slot comes after 60.
    for (overlap, expected) in [("skip", "RsRsr"), ("queue", "RRRrr"), ("cancel", "FFFFr")] {
        play(async {
            let lab =
                Lab::new(&[("shop", &format!("schedule: {{cron: '0 * * * *', overlap: {overlap}}}"))], 1200);
            let (process, stop) = (Process::new(&lab.world, SignedDuration::ZERO), Stop::default());
            tokio::select! {
                _ = lab.daemon(&process, stop, false) => {}
                () = sleep(5 * HOUR + Duration::from_secs(28 * 60)) => {}
            }
            assert_eq!(lab.letters("shop").await, expected, "{overlap}");
        });
    }
}

#[test]
fn as_many_slots_run_at_a_time_as_concurrency_says() {
    // A run takes 80 minutes: with two at a time, nothing is skipped.
    play(async {
        let lab = Lab::new(&[("shop", "concurrency: 2\nschedule: {cron: '0 * * * *', overlap: skip}")], 1200);
        let (process, stop) = (Process::new(&lab.world, SignedDuration::ZERO), Stop::default());
        tokio::select! {
            _ = lab.daemon(&process, stop, false) => {}
            () = sleep(5 * HOUR + Duration::from_secs(28 * 60)) => {}
        }
        assert_eq!(lab.letters("shop").await, "RRRRr");
    });
}

#[test]
fn two_machines_an_hour_apart_double_and_lose_nothing() {
    play(async {
        let lab = Lab::new(&[("shop", "schedule: {cron: '*/15 * * * *', overlap: queue}")], 5);
        let ahead = [SignedDuration::from_mins(35), SignedDuration::from_mins(-25)];
        let processes = ahead.map(|ahead| Process::new(&lab.world, ahead));
        let stop = Stop::default();
        let drain = async {
            sleep(12 * HOUR - Duration::from_secs(120)).await;
            stop.drain.cancel();
        };
        tokio::join!(
            lab.daemon(&processes[0], stop.clone(), false),
            lab.daemon(&processes[1], stop.clone(), false),
            drain
        );
        assert_eq!(lab.letters("shop").await, "R".repeat(47));
        lab.tables_are_right("shop").await;
        for slot in lab.decisions("shop").await.keys() {
            let path = format!("_sys/slots/shop/{}/00000000.json", slot.strftime("%Y%m%dT%H%M%SZ"));
            let written = lab.world.objects.lock().unwrap()[&path].written;
            let late = written.duration_since(*slot);
            assert!((-3.0..20.0).contains(&late.as_secs_f64()), "{slot} was claimed {late} late");
        }
    });
}

#[test]
fn a_run_whose_daemon_died_is_continued_by_another() {
    play(async {
        let lab = Lab::new(&[("shop", "schedule: {cron: '0 * * * *', overlap: queue}")], 60);
        let (first, second) =
            (Process::new(&lab.world, SignedDuration::ZERO), Process::new(&lab.world, SignedDuration::ZERO));
        // The first dies in the middle of the run of 01:00, after its first step.
        tokio::select! {
            _ = lab.daemon(&first, Stop::default(), false) => {}
            () = sleep(Duration::from_secs(29 * 60 + 150)) => {}
        }
        assert_eq!(lab.letters("shop").await, "r");
        let begun = lab.world.now();
        let stop = Stop::default();
        let drain = async {
            sleep(HOUR / 4).await;
            stop.drain.cancel();
        };
        tokio::join!(lab.daemon(&second, stop.clone(), false), drain);
        assert_eq!(lab.letters("shop").await, "R");
        lab.tables_are_right("shop").await;
        let ledger = lab.ledger();
        let Some(SlotDecision::Run { run_id, .. }) =
            ledger.decision("shop", "2026-11-02T01:00:00Z".parse().unwrap()).await.unwrap()
        else {
            panic!()
        };
        let run = ledger.read(&run_id).await.unwrap();
        assert_eq!(run.step("load").map(|step| step.attempts), Some(1), "what was done was done again");
        let took = run.ended_at.unwrap().duration_since(begun);
        assert!((180..240).contains(&took.as_secs()), "a lease and a step: {took}");
    });
}

#[test]
fn a_pipeline_comes_after_others() {
    play(async {
        let lab = Lab::new(
            &[
                ("shop", "schedule: {cron: '0 * * * *'}"),
                ("crm", "schedule: {cron: '0 */2 * * *'}"),
                ("mail", "schedule: {after: [shop, crm]}"),
                ("news", "schedule: {after: [mail]}"),
            ],
            10,
        );
        lab.works_for(8 * HOUR).await;
        assert_eq!(lab.letters("shop").await, "R".repeat(8));
        for pipeline in ["crm", "mail", "news"] {
            assert_eq!(lab.letters(pipeline).await, "R".repeat(4), "{pipeline}");
            lab.tables_are_right(pipeline).await;
        }
        assert!(lab.decisions("news").await.keys().eq(lab.decisions("crm").await.keys()));
    });
}

#[test]
fn slots_of_a_pause_are_skipped() {
    play(async {
        let lab = Lab::new(&[("shop", "schedule: {cron: '0 * * * *'}")], 2);
        lab.works_for(2 * HOUR).await;
        let ledger = lab.ledger();
        let now = lab.world.now();
        ledger
            .amend_schedule_log("shop", &mut ScheduleLog::default(), |_| {
                Some(ScheduleEvent::Paused { at: now })
            })
            .await
            .unwrap();
        lab.works_for(2 * HOUR).await;
        let now = lab.world.now();
        ledger
            .amend_schedule_log("shop", &mut ScheduleLog::default(), |_| {
                Some(ScheduleEvent::Resumed { at: now })
            })
            .await
            .unwrap();
        lab.works_for(2 * HOUR).await;
        assert_eq!(lab.letters("shop").await, "RRssRR");
    });
}

#[test]
fn once_runs_due_slots_and_ends() {
    play(async {
        let lab = Lab::new(
            &[("shop", "schedule: {cron: '0 * * * *', catchup: all}"), ("mail", "schedule: {after: [shop]}")],
            2,
        );
        let once = async || {
            let process = Process::new(&lab.world, SignedDuration::ZERO);
            lab.daemon(&process, Stop::default(), true).await.unwrap()
        };
        assert_eq!(once().await.done, 0, "a schedule begins when it is first seen");
        sleep(3 * HOUR).await;
        let begun = lab.world.now();
        assert_eq!(once().await.done, 6);
        assert!(lab.world.now().duration_since(begun).as_secs() < 120);
        assert_eq!((lab.letters("shop").await.as_str(), lab.letters("mail").await.as_str()), ("RRR", "RRR"));
    });
}

#[test]
fn a_new_schedule_fires_nothing_retroactively_and_an_old_one_is_left_to_others() {
    play(async {
        let mut lab = Lab::new(&[("shop", "schedule: {cron: '0 * * * *'}")], 2);
        lab.works_for(2 * HOUR).await;
        lab.project = Lab::new(&[("shop", "schedule: {cron: '*/10 * * * *'}")], 2).project;
        lab.works_for(HOUR).await;
        // 01:00, 02:00, then every ten minutes from the edit at 02:30 on.
        let slots: Vec<String> =
            lab.decisions("shop").await.keys().map(|slot| slot.strftime("%H:%M").to_string()).collect();
        assert_eq!(slots, ["01:00", "02:00", "02:40", "02:50", "03:00", "03:10", "03:20", "03:30"]);
    });
}

/// Wake-ups that are lost, doubled or late cost nothing: every slot is run, once.
#[test]
fn a_waker_decides_nothing() {
    for reliability in Reliability::ALL {
        play(async {
            let lab = Lab::new(&[("shop", "schedule: {cron: '*/30 * * * *', overlap: queue}")], 20);
            let (process, stop) = (Process::new(&lab.world, SignedDuration::ZERO), Stop::default());
            let waker = SimulatedWaker::new(&lab.world, reliability, 7);
            let drain = async {
                sleep(12 * HOUR).await;
                stop.drain.cancel();
            };
            let daemon = lab.woken_daemon(&process, stop.clone(), SchedulerOptions::default(), &waker);
            tokio::join!(daemon, drain);
            assert_eq!(lab.letters("shop").await, "R".repeat(24), "{reliability:?}");
            lab.tables_are_right("shop").await;
        });
    }
}

/// A daemon that looks by itself once in four hours learns of a changed project in time when it is woken.
#[test]
fn a_waker_makes_the_scheduler_look() {
    for (reliability, expected) in [(Reliability::Silent, 0), (Reliability::Restless, 11)] {
        play(async {
            let lab = Lab::new(&[("shop", "schedule: {cron: '0 0 1 1 *'}")], 2);
            let process = Process::new(&lab.world, SignedDuration::ZERO);
            let objects = lab.objects(&process);
            let ledger = Ledger::new(Arc::clone(&objects));
            let effort = Effort {
                longest_seconds: 2,
                steady_percent: 100,
                fails_for_now_one_in: 0,
                fails_for_good_one_in: 0,
            };
            let catalog = SimulatedCatalog::new(&lab.world, &objects, effort, Broken::Sound, &lab.project);
            let options = SchedulerOptions { poll: 4 * HOUR, ..SchedulerOptions::default() };
            let (waker, stop) = (SimulatedWaker::new(&lab.world, reliability, 7), Stop::default());
            let edit = async {
                sleep(Duration::from_secs(300)).await;
                let manifest =
                    format!("version: 1\npipeline: shop\nschedule: {{cron: '*/15 * * * *'}}\n{STEPS}");
                catalog.load(&Project::from_files([("pipelines/shop/pipeline.yaml", manifest)]));
                sleep(3 * HOUR - Duration::from_secs(600)).await;
                stop.drain.cancel();
            };
            let scheduler = Scheduler::new(&ledger, &catalog, process.as_ref(), options).woken_by(&waker);
            tokio::join!(scheduler.run(stop.clone()), edit);
            assert_eq!(lab.letters("shop").await, "R".repeat(expected), "{reliability:?}");
        });
    }
}
