//! Runs on an in-memory store and a paused clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex as StdMutex;
use std::time::Duration;

use async_trait::async_trait;
use object_store::memory::InMemory;
use serde_json::json;
use tranche_project::{Problems, Settings, SourceFile};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::definition::Pipeline;
use crate::run::StepContext;

struct NoonClock;

impl Clock for NoonClock {
    fn now(&self) -> Timestamp {
        "2026-11-01T12:00:00Z".parse().unwrap()
    }
}

/// What an attempt at a step does: takes some seconds, then succeeds, fails or panics.
#[derive(Clone)]
enum Act {
    Done(u64),
    Fail(FailureClass),
    Panic,
}

/// Acts by script, one act an attempt, the last for ever; steps without a script take a second. Keeps what
/// began and ended when.
struct Actor {
    scripts: StdMutex<HashMap<String, Vec<Act>>>,
    seen: StdMutex<Vec<String>>,
    origin: Instant,
}

impl Actor {
    fn new(scripts: &[(&str, &[Act])]) -> Self {
        let scripts = scripts.iter().map(|(step, acts)| ((*step).to_owned(), acts.to_vec())).collect();
        Self { scripts: StdMutex::new(scripts), seen: StdMutex::default(), origin: Instant::now() }
    }

    fn note(&self, what: &str, step: &Step) {
        let note = format!("{}s {} {what}", self.origin.elapsed().as_secs(), step.id);
        self.seen.lock().unwrap().push(note);
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

struct DropNote<'a>(&'a Actor, &'a Step, bool);

impl Drop for DropNote<'_> {
    fn drop(&mut self) {
        self.0.note(if self.2 { "ends" } else { "dropped" }, self.1);
    }
}

#[async_trait]
impl StepRunner for Actor {
    async fn run(&self, step: &Step, context: &StepContext) -> Result<StepOutcome, StepFailure> {
        let act = {
            let mut scripts = self.scripts.lock().unwrap();
            match scripts.get_mut(&step.id) {
                Some(acts) if acts.len() > 1 => acts.remove(0),
                Some(acts) => acts[0].clone(),
                None => Act::Done(1),
            }
        };
        self.note("begins", step);
        let mut note = DropNote(self, step, false);
        if let Act::Done(seconds) = act {
            sleep(Duration::from_secs(seconds)).await;
        }
        note.2 = true;
        match act {
            Act::Done(_) => Ok(StepOutcome {
                rows_read: 10,
                rows_written: 5,
                detail: json!({"transaction": context.transaction}),
            }),
            Act::Fail(class) => Err(StepFailure::new(class, "as the script says")),
            Act::Panic => panic!("as the script says"),
        }
    }
}

fn plan(steps: &str) -> RunPlan {
    let text = format!("version: 1\npipeline: shop\nsteps:\n{steps}");
    let mut problems = Problems::default();
    let pipeline = Pipeline::read(
        &SourceFile::new("pipelines/shop/pipeline.yaml", &text),
        &["do"],
        &Settings::default(),
        &mut problems,
    );
    let pipeline = pipeline.unwrap_or_else(|| panic!("{problems:?}"));
    let as_of = "2026-11-01T02:00:00Z".parse().unwrap();
    RunPlan {
        run_id: "r1".into(),
        pipeline,
        slot: None,
        as_of,
        full: false,
        restatement: 0,
        definitions: "abc".into(),
        resumes: None,
    }
}

fn ledger() -> Ledger {
    Ledger::new(Arc::new(InMemory::new()))
}

async fn run(plan: &RunPlan, actor: &Actor, ledger: &Ledger) -> RunRecord {
    let report = execute(plan, actor, ledger, &(), &NoonClock, CancellationToken::new()).await.unwrap();
    assert_eq!(ledger.read("r1").await.unwrap(), report, "the ledger has another record");
    report
}

fn statuses(report: &RunRecord) -> String {
    let steps: Vec<String> = report.steps.iter().map(|step| format!("{}:{}", step.id, step.status)).collect();
    format!("{} {}", report.status, steps.join(" "))
}

#[tokio::test(start_paused = true)]
async fn steps_run_side_by_side_as_soon_as_what_they_need_is_done() {
    let plan = plan(
        "  - {id: z, do: all, needs: [b, c]}\n  - {id: a, do: all}\n  - {id: b, do: all, needs: [a]}\n  - {id: c, do: all, needs: [a]}\n  - {id: d, do: all, needs: [b]}\n",
    );
    let actor = Actor::new(&[("c", &[Act::Done(5)])]);
    let report = run(&plan, &actor, &ledger()).await;
    assert_eq!(statuses(&report), "done z:done a:done b:done c:done d:done");
    assert_eq!(
        actor.seen(),
        [
            "0s a begins",
            "1s a ends",
            "1s b begins",
            "1s c begins",
            "2s b ends",
            "2s d begins",
            "3s d ends",
            "6s c ends",
            "6s z begins",
            "7s z ends",
        ]
    );
    assert_eq!(report.steps[3].seconds, Some(5.0));
}

#[tokio::test(start_paused = true)]
async fn the_report_has_the_keys_of_the_command() {
    let plan = plan("  - {id: a, do: all}\n  - {id: b, do: all}\n");
    let actor = Actor::new(&[("b", &[Act::Fail(FailureClass::Data)])]);
    let report = run(&plan, &actor, &ledger()).await;
    let expected = concat!(
        r#"{"run_id":"r1","pipeline":"shop","as_of":"2026-11-01T02:00:00Z","status":"failed","steps":["#,
        r#"{"id":"a","status":"done","seconds":1.0,"rows_read":10,"rows_written":5,"detail":{"transaction":"shop/a/r1"}},"#,
        r#"{"id":"b","status":"failed","seconds":0.0,"rows_read":0,"rows_written":0,"detail":null,"#,
        r#""message":"as the script says"}]}"#,
    );
    assert_eq!(serde_json::to_string(&report.report()).unwrap(), expected);
    assert_eq!(report.steps[1].class, Some(FailureClass::Data));
}

#[test]
fn a_slots_transaction_outlives_the_run() {
    let mut plan = plan("  - {id: a, do: all}\n");
    plan.slot = Some("2026-11-01T01:00:00Z".parse().unwrap());
    assert_eq!(plan.context(&plan.pipeline.steps[0]).transaction, "shop/a/2026-11-01T01:00:00Z");
    plan.restatement = 2;
    assert_eq!(plan.context(&plan.pipeline.steps[0]).transaction, "shop/a/2026-11-01T01:00:00Z#2");
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_takes_with_it_what_needs_it_and_nothing_else() {
    let plan = plan(
        "  - {id: a, do: all}\n  - {id: b, do: all, needs: [a]}\n  - {id: c, do: all, needs: [b]}\n  - {id: d, do: all}\n  - {id: e, do: all, needs: [d]}\n",
    );
    let actor = Actor::new(&[("a", &[Act::Fail(FailureClass::Definition)])]);
    let report = run(&plan, &actor, &ledger()).await;
    assert_eq!(statuses(&report), "failed a:failed b:skipped c:skipped d:done e:done");
    assert_eq!(report.message, None);
}

#[tokio::test(start_paused = true)]
async fn a_failure_may_be_harmless_and_a_step_may_be_left_out() {
    let plan = plan(
        "  - {id: a, do: all, on_failure: continue}\n  - {id: b, do: all, needs: [a]}\n  - {id: c, do: all, needs: [b], when: {weekday: [mon]}}\n  - {id: d, do: all, needs: [c], when: {weekday: [sun], rows_of: [c]}}\n  - {id: e, do: all, needs: [b], when: {rows_of: [b]}}\n",
    );
    let actor = Actor::new(&[("a", &[Act::Fail(FailureClass::Data)])]);
    let report = run(&plan, &actor, &ledger()).await;
    assert_eq!(statuses(&report), "done a:failed b:done c:skipped d:skipped e:done");
    assert_eq!(report.steps[2].message.as_deref(), Some("when: 2026-11-01 is a Sunday"));
    assert_eq!(report.steps[3].message.as_deref(), Some("when: no rows were written or removed by c"));
}

#[tokio::test(start_paused = true)]
async fn only_what_may_succeed_is_tried_again_after_doubling_pauses() {
    let retried = "  - {id: a, do: all, retries: {max: 3, backoff: 10s, jitter: 0}}\n";
    let storage = Act::Fail(FailureClass::Storage);
    let actor = Actor::new(&[("a", &[storage.clone(), storage.clone(), Act::Done(1)])]);
    let ledger_of_success = ledger();
    let report = run(&plan(retried), &actor, &ledger_of_success).await;
    assert_eq!(statuses(&report), "done a:done");
    assert_eq!(
        actor.seen(),
        ["0s a begins", "0s a ends", "10s a begins", "10s a ends", "30s a begins", "31s a ends"]
    );
    assert_eq!(ledger_of_success.read("r1").await.unwrap().steps[0].attempts, 3);

    let actor = Actor::new(&[("a", &[storage])]);
    assert_eq!(statuses(&run(&plan(retried), &actor, &ledger()).await), "failed a:failed");
    assert_eq!(
        actor.seen().into_iter().filter(|note| note.ends_with("begins")).collect::<Vec<_>>().join(", "),
        "0s a begins, 10s a begins, 30s a begins, 70s a begins"
    );

    for class in [FailureClass::Definition, FailureClass::Data, FailureClass::Internal] {
        let actor = Actor::new(&[("a", &[Act::Fail(class)])]);
        assert_eq!(statuses(&run(&plan(retried), &actor, &ledger()).await), "failed a:failed");
        assert_eq!(actor.seen(), ["0s a begins", "0s a ends"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_the_work_and_each_attempt_has_its_own() {
    let plan = plan("  - {id: a, do: all, timeout: 20s, retries: {max: 1, backoff: 5s, jitter: 0}}\n");
    let actor = Actor::new(&[("a", &[Act::Done(3_600), Act::Done(19)])]);
    let report = run(&plan, &actor, &ledger()).await;
    assert_eq!(statuses(&report), "done a:done");
    assert_eq!(actor.seen(), ["0s a begins", "20s a dropped", "25s a begins", "44s a ends"]);

    let actor = Actor::new(&[("a", &[Act::Done(3_600)])]);
    let report = run(&plan, &actor, &ledger()).await;
    assert_eq!(statuses(&report), "failed a:failed");
    assert_eq!(report.steps[0].class, Some(FailureClass::Timeout));
    assert!(
        report.steps[0]
            .message
            .as_ref()
            .is_some_and(|m| m.starts_with("took longer than its timeout of 20s"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_of_its_step() {
    let plan = plan("  - {id: a, do: all}\n  - {id: b, do: all}\n");
    let report = run(&plan, &Actor::new(&[("a", &[Act::Panic])]), &ledger()).await;
    assert_eq!(statuses(&report), "failed a:failed b:done");
    assert_eq!(report.steps[0].message.as_deref(), Some("the step panicked: as the script says"));
    assert_eq!(report.steps[0].class, Some(FailureClass::Internal));
}

#[tokio::test(start_paused = true)]
async fn a_resumed_run_runs_only_missing_steps() {
    let plan =
        plan("  - {id: a, do: all}\n  - {id: b, do: all, needs: [a]}\n  - {id: c, do: all, needs: [b]}\n");
    let ledger = ledger();
    let report = run(&plan, &Actor::new(&[("b", &[Act::Fail(FailureClass::Storage)])]), &ledger).await;
    assert_eq!(statuses(&report), "failed a:done b:failed c:skipped");

    let resumed = RunPlan::resume(plan.pipeline.clone(), ledger.read("r1").await.unwrap());
    let actor = Actor::new(&[]);
    let report = run(&resumed, &actor, &ledger).await;
    assert_eq!(statuses(&report), "done a:done b:done c:done");
    assert_eq!(actor.seen(), ["0s b begins", "1s b ends", "1s c begins", "2s c ends"]);
    assert_eq!(ledger.read("r1").await.unwrap().step("b").map(|step| step.attempts), Some(2));

    let again = RunPlan::resume(plan.pipeline.clone(), ledger.read("r1").await.unwrap());
    let refused = execute(&again, &actor, &ledger, &(), &NoonClock, CancellationToken::new()).await;
    assert!(matches!(refused, Err(RunError::Finished { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_drops_its_work_and_can_be_resumed() {
    let plan = plan(
        "  - {id: a, do: all}\n  - {id: b, do: all}\n  - {id: c, do: all, needs: [b]}\n  - {id: d, do: all, retries: {max: 5, backoff: 60s, jitter: 0}}\n",
    );
    let ledger = ledger();
    let actor = Actor::new(&[
        ("b", &[Act::Done(100), Act::Done(1)]),
        ("d", &[Act::Fail(FailureClass::Storage), Act::Done(1)]),
    ]);
    let cancel = CancellationToken::new();
    let cancel_later = async {
        sleep(Duration::from_secs(10)).await;
        cancel.cancel();
    };
    let (report, ()) =
        tokio::join!(execute(&plan, &actor, &ledger, &(), &NoonClock, cancel.clone()), cancel_later);
    let report = report.unwrap();
    assert_eq!(statuses(&report), "failed a:done b:failed c:skipped d:failed");
    let message = "interrupted; continue with `tranche resume r1`";
    assert_eq!(report.message.as_deref(), Some(message));
    assert_eq!(report.steps[1].message.as_deref(), Some(message));
    assert!(actor.seen().contains(&"10s b dropped".to_owned()));

    let resumed = RunPlan::resume(plan.pipeline.clone(), ledger.read("r1").await.unwrap());
    assert_eq!(statuses(&run(&resumed, &actor, &ledger).await), "done a:done b:done c:done d:done");
    assert!(!actor.seen().iter().any(|note| note.contains(" a ")));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_before_it_begins_runs_nothing() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let (plan, ledger, actor) = (plan("  - {id: a, do: all}\n"), ledger(), Actor::new(&[]));
    let report = execute(&plan, &actor, &ledger, &(), &NoonClock, cancel).await.unwrap();
    assert_eq!(statuses(&report), "failed a:skipped");
    assert!(report.message.is_some());
    assert!(ledger.read("r1").await.unwrap().is_resumable());
    assert_eq!(actor.seen(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_loses_the_run_drops_its_work() {
    let plan = plan("  - {id: a, do: all}\n  - {id: b, do: all}\n");
    let ledger = ledger();
    let actor = Actor::new(&[("a", &[Act::Done(10)]), ("b", &[Act::Done(100)])]);
    let other = async {
        sleep(Duration::from_secs(5)).await;
        let seen = ledger.read("r1").await.unwrap();
        assert_eq!(seen.status, RunStatus::Running);
        ledger.resume(seen, NoonClock.now()).await.unwrap()
    };
    let (lost, mut log) =
        tokio::join!(execute(&plan, &actor, &ledger, &(), &NoonClock, CancellationToken::new()), other);
    assert!(matches!(lost, Err(RunError::Taken { sequence: 3, .. })), "{lost:?}");
    assert_eq!(actor.seen(), ["0s a begins", "0s b begins", "10s a ends", "10s b dropped"]);
    log.append(Event::Ended { status: RunStatus::Failed, message: None, at: NoonClock.now() }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_owner_learns_in_the_middle_of_a_step_that_it_lost_the_run() {
    let plan = plan("  - {id: a, do: all}\n");
    let ledger = ledger();
    let actor = Actor::new(&[("a", &[Act::Done(1_000)])]);
    let other = async {
        sleep(Duration::from_secs(5)).await;
        ledger.resume(ledger.read("r1").await.unwrap(), NoonClock.now()).await.unwrap()
    };
    let (lost, _) =
        tokio::join!(execute(&plan, &actor, &ledger, &(), &NoonClock, CancellationToken::new()), other);
    assert!(matches!(lost, Err(RunError::Taken { sequence: 2, .. })), "{lost:?}");
    assert_eq!(actor.seen(), ["0s a begins", "15s a dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_drained_run_ends_its_steps_and_leaves_the_rest_to_others() {
    let plan = plan(
        "  - {id: a, do: all}\n  - {id: b, do: all, needs: [a]}\n  - {id: c, do: all, retries: {max: 5, backoff: 60s, jitter: 0}}\n",
    );
    let ledger = ledger();
    let actor =
        Actor::new(&[("a", &[Act::Done(100)]), ("c", &[Act::Fail(FailureClass::Storage), Act::Done(1)])]);
    let stop = Stop::default();
    let drain = async {
        sleep(Duration::from_secs(10)).await;
        stop.drain.cancel();
    };
    let (report, ()) = tokio::join!(execute(&plan, &actor, &ledger, &(), &NoonClock, stop.clone()), drain);
    assert_eq!(statuses(&report.unwrap()), "running a:done b:pending c:running");
    assert!(ledger.lease("r1").await.unwrap().is_some_and(|lease| lease.released));

    let resumed = RunPlan::resume(plan.pipeline.clone(), ledger.read("r1").await.unwrap());
    assert_eq!(statuses(&run(&resumed, &actor, &ledger).await), "done a:done b:done c:done");
    assert_eq!(ledger.lease("r1").await.unwrap(), None);
}

#[derive(Default)]
struct Notes(StdMutex<Vec<String>>);

impl Observer for Notes {
    fn step_started(&self, step: &Step, attempt: u32) {
        self.0.lock().unwrap().push(format!("{} {attempt}", step.id));
    }

    fn step_done(&self, step: &Step, outcome: &StepOutcome, seconds: f64) {
        self.0.lock().unwrap().push(format!("{} done {} {seconds}", step.id, outcome.rows_written));
    }

    fn step_failed(&self, step: &Step, failure: &StepFailure, retry_in: Option<Duration>) {
        self.0.lock().unwrap().push(format!("{} failed {:?} {retry_in:?}", step.id, failure.class));
    }

    fn run_ended(&self, report: &RunRecord) {
        self.0.lock().unwrap().push(report.status.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_everything() {
    let plan = plan("  - {id: a, do: all, retries: {max: 1, backoff: 30s, jitter: 0}}\n");
    let actor = Actor::new(&[("a", &[Act::Fail(FailureClass::Storage), Act::Done(2)])]);
    let notes = Notes::default();
    execute(&plan, &actor, &ledger(), &notes, &NoonClock, CancellationToken::new()).await.unwrap();
    assert_eq!(
        notes.0.into_inner().unwrap(),
        ["a 1", "a failed Storage Some(30s)", "a 2", "a done 5 2", "done"]
    );
}

#[test]
fn an_execution_can_be_spawned() {
    fn is_send(_: impl Send) {}
    let (plan, actor, ledger) = (plan("  - {id: a, do: all}\n"), Idle, ledger());
    is_send(execute(&plan, &actor, &ledger, &(), &NoonClock, CancellationToken::new()));
}

struct Idle;

#[async_trait]
impl StepRunner for Idle {
    async fn run(&self, _: &Step, _: &StepContext) -> Result<StepOutcome, StepFailure> {
        Ok(StepOutcome::default())
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_brings_its_process_down_is_not_tried_for_ever() {
    let plan = plan("  - {id: a, do: all}\n");
    let (ledger, actor) = (ledger(), Actor::new(&[("a", &[Act::Done(60)])]));
    let resumed = async || RunPlan::resume(plan.pipeline.clone(), ledger.read("r1").await.unwrap());
    let mut next = plan.clone();
    for _ in 0..UNENDED {
        let work = execute(&next, &actor, &ledger, &(), &NoonClock, CancellationToken::new());
        assert!(timeout(Duration::from_secs(1), work).await.is_err(), "killed in the middle of an attempt");
        next = resumed().await;
    }
    let report = run(&next, &actor, &ledger).await;
    assert_eq!(statuses(&report), "failed a:failed");
    let message = report.steps[0].message.as_deref().unwrap_or_default();
    assert!(
        message.contains("killed in 5 attempts in a row") && message.contains("tranche resume r1"),
        "{message}"
    );
    assert_eq!(
        statuses(&run(&resumed().await, &actor, &ledger).await),
        "done a:done",
        "asked for, it is tried once more"
    );
}
