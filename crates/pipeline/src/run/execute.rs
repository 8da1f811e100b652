//! Running a pipeline: as many steps at a time as its graph allows, every step of it written to the ledger.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use super::observer::Observer;
use super::plan::{RunPlan, Stop};
use super::progress::with_reports;
use super::step_runner::{StepFailure, StepOutcome, StepRunner};
use crate::clock::Clock;
use crate::definition::{OnFailure, Step, graph};
use crate::error::RunError;
use crate::ledger::lease::Heartbeat;
use crate::ledger::{Event, FailureClass, Ledger, RunLog, RunRecord, RunStatus, StepStatus};

/// Runs a pipeline from where its log ends to its end.
///
/// Steps run side by side as soon as what they need is done. An attempt that outlasts its step's `timeout` is
/// dropped; a failure worth it is tried again after a pause that doubles; a step that failed takes with it
/// those that need it, and no others. When the run is cancelled, attempts are dropped where they stand and
/// the run ends as failed, ready to be resumed. When it is drained, it stays running in the ledger, and any
/// process may resume it.
///
/// Meanwhile the run's lease is renewed and its log is watched: a process that loses the run learns it even
/// in the middle of a step.
///
/// A failed step is not an error here: it is in the record.
///
/// # Errors
/// [`RunError::Taken`] when another process owns the run, or comes to own it: all work is dropped at once,
/// for it is the other's now. [`RunError::Store`] when the log cannot be written: the run stays running in
/// the ledger, and can be resumed.
pub async fn execute(
    run: &RunPlan,
    runner: &dyn StepRunner,
    ledger: &Ledger,
    observer: &dyn Observer,
    clock: &dyn Clock,
    stop: impl Into<Stop> + Send,
) -> Result<RunRecord, RunError> {
    let stop = stop.into();
    let slot = run.slot.map(tracing::field::display);
    // Of the level of errors, so that whatever is logged says in which run and step it was.
    let span = tracing::error_span!(
        "run",
        run = run.run_id,
        pipeline = run.pipeline.name,
        as_of = %run.as_of,
        slot,
        otel.status_code = tracing::field::Empty
    );
    let executed = async {
        let log = run.open(ledger, clock.now()).await?;
        observer.run_started(run);
        let execution = Execution { run, runner, observer, clock, stop, log: Mutex::new(log) };
        let report = tokio::select! {
            biased;
            lost = execution.renew(Heartbeat::new(ledger, &run.run_id)) => return Err(lost),
            report = execution.to_its_end() => report?,
        };
        match report.status {
            RunStatus::Running => {
                if let Err(error) = ledger.release(&run.run_id).await {
                    tracing::debug!(run_id = run.run_id, %error, "the lease of the run is not released: other processes resume the run when it has expired");
                }
            }
            _ => ledger.forget_lease(&run.run_id).await,
        }
        Ok(report)
    };
    executed.instrument(span).await
}

fn span_of(step: &Step) -> tracing::Span {
    tracing::error_span!(
        "step",
        step = step.id,
        action = step.action,
        attempt = tracing::field::Empty,
        rows_read = tracing::field::Empty,
        rows_written = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
        otel.status_description = tracing::field::Empty
    )
}

struct Execution<'a> {
    run: &'a RunPlan,
    runner: &'a dyn StepRunner,
    observer: &'a dyn Observer,
    clock: &'a dyn Clock,
    stop: Stop,
    log: Mutex<RunLog>,
}

/// How a step came to its end.
enum StepEnd {
    Done,
    Failed,
    Interrupted,
    /// Its condition does not hold.
    Skipped,
    /// It is to be tried again, by another process.
    LeftOver,
}

/// How the steps of a run came to their end.
#[derive(Default)]
struct StepsEnd {
    interrupted: bool,
    left_over: bool,
}

impl Execution<'_> {
    /// Renews the run's lease until the run is lost.
    async fn renew(&self, mut heart: Heartbeat<'_>) -> RunError {
        loop {
            if let Err(error) = heart.beat().await {
                tracing::warn!(run_id = self.run.run_id, %error, "the lease of the run cannot be written");
            }
            sleep(heart.pause()).await;
            if let Err(lost @ RunError::Taken { .. }) = self.log.lock().await.check_owned().await {
                return lost;
            }
        }
    }

    async fn to_its_end(&self) -> Result<RunRecord, RunError> {
        let end = self.run_steps().await?;
        if end.left_over {
            return Ok(self.log.lock().await.record().clone());
        }
        self.end(end.interrupted).await
    }

    /// Runs the remaining steps.
    async fn run_steps(&self) -> Result<StepsEnd, RunError> {
        let steps = &self.run.pipeline.steps;
        let mut done = self.already_done().await;
        let mut begun = done.clone();
        let mut end = StepsEnd::default();
        let mut running = FuturesUnordered::new();
        loop {
            let ready: Vec<&Step> = graph::ready(steps, &done, &begun).collect();
            if self.stop.cancel.is_cancelled() {
                end.interrupted |= !ready.is_empty();
            } else if self.stop.drain.is_cancelled() {
                end.left_over |= !ready.is_empty();
            } else {
                begun.extend(ready.iter().map(|step| step.id.as_str()));
                running.extend(ready.into_iter().map(|step| self.step(step).instrument(span_of(step))));
            }
            let Some(ended) = running.next().await else { return Ok(end) };
            match ended? {
                (step, StepEnd::Done | StepEnd::Skipped) => {
                    done.insert(step.id.as_str());
                }
                (step, StepEnd::Failed) if step.on_failure == OnFailure::Continue => {
                    done.insert(step.id.as_str());
                }
                (_, StepEnd::Failed) => {}
                (_, StepEnd::Interrupted) => end.interrupted = true,
                (_, StepEnd::LeftOver) => end.left_over = true,
            }
        }
    }

    async fn already_done(&self) -> HashSet<&str> {
        let log = self.log.lock().await;
        let is_done = |step: &&Step| {
            log.record().step(&step.id).is_some_and(|record| record.status == StepStatus::Done)
        };
        self.run.pipeline.steps.iter().filter(is_done).map(|step| step.id.as_str()).collect()
    }

    /// Tries a step until it is done, or not worth another try. Only the work and the pauses are interrupted,
    /// never the writing of an event: so the log always knows which event comes next.
    async fn step<'s>(&self, step: &'s Step) -> Result<(&'s Step, StepEnd), RunError> {
        let mut pauses = step.retries.pauses(&self.run.transaction(step));
        if let Some(reason) = self.refusal(step).await {
            self.append(Event::StepSkipped { step: step.id.clone(), reason, at: self.clock.now() }).await?;
            return Ok((step, StepEnd::Skipped));
        }
        let (mut attempt, unended) = self
            .log
            .lock()
            .await
            .record()
            .step(&step.id)
            .map_or((0, 0), |record| (record.attempts, record.unended));
        if unended >= UNENDED {
            let message = format!(
                "its process was killed in {unended} attempts in a row: it may need more memory than there is; \
                 `tranche resume {}` tries once more",
                self.run.run_id
            );
            let failure = StepFailure::new(FailureClass::Internal, message);
            self.record_failure(step, &failure, attempt, 0.0, false).await?;
            self.observer.step_failed(step, &failure, None);
            return Ok((step, StepEnd::Failed));
        }
        loop {
            attempt += 1;
            tracing::Span::current().record("attempt", i64::from(attempt));
            self.append(Event::StepStarted { step: step.id.clone(), attempt, at: self.clock.now() }).await?;
            self.observer.step_started(step, attempt);
            let begun = Instant::now();
            let outcome = tokio::select! {
                biased;
                () = self.stop.cancel.cancelled() => return Ok((step, StepEnd::Interrupted)),
                outcome = self.attempt(step) => outcome,
            };
            let seconds = seconds_since(begun);
            let failure = match outcome {
                Ok(outcome) => {
                    self.record_done(step, &outcome, seconds).await?;
                    return Ok((step, StepEnd::Done));
                }
                Err(failure) => failure,
            };
            let pause = pauses.next().filter(|_| failure.class.is_retryable());
            self.record_failure(step, &failure, attempt, seconds, pause.is_some()).await?;
            self.observer.step_failed(step, &failure, pause);
            let Some(pause) = pause else { return Ok((step, StepEnd::Failed)) };
            tokio::select! {
                biased;
                () = self.stop.cancel.cancelled() => return Ok((step, StepEnd::Interrupted)),
                () = self.stop.drain.cancelled() => return Ok((step, StepEnd::LeftOver)),
                () = sleep(pause) => {}
            }
        }
    }

    /// Why a step is skipped, if it is.
    async fn refusal(&self, step: &Step) -> Option<String> {
        let condition = step.when.as_ref()?;
        let log = self.log.lock().await;
        condition.refusal(self.run.as_of, |id| log.record().step(id).map_or(0, |record| record.rows_written))
    }

    /// Does the work of a step once. A panic in it is a failure of this step, not the end of the scheduler.
    async fn attempt(&self, step: &Step) -> Result<StepOutcome, StepFailure> {
        let context = self.run.context(step);
        let work = AssertUnwindSafe(self.runner.run(step, &context)).catch_unwind();
        let notify = |message: &str| self.observer.step_progress(step, message);
        let work = with_reports(context.progress.clone(), work, notify);
        let ended = match step.timeout {
            None => work.await,
            Some(limit) => timeout(limit, work).await.map_err(|_| {
                let message = format!(
                    "took longer than its timeout of {limit:?}; set a longer `timeout` if it needs one"
                );
                StepFailure::new(FailureClass::Timeout, message)
            })?,
        };
        ended.unwrap_or_else(|panic| {
            let message = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Err(StepFailure::new(
                FailureClass::Internal,
                format!("the step panicked: {}", message.unwrap_or("no message")),
            ))
        })
    }

    async fn record_done(&self, step: &Step, outcome: &StepOutcome, seconds: f64) -> Result<(), RunError> {
        let event = Event::StepDone {
            step: step.id.clone(),
            seconds,
            rows_read: outcome.rows_read,
            rows_written: outcome.rows_written,
            detail: outcome.detail.clone(),
            at: self.clock.now(),
        };
        self.append(event).await?;
        tracing::Span::current()
            .record("rows_read", count(outcome.rows_read))
            .record("rows_written", count(outcome.rows_written));
        tracing::info!(
            seconds,
            rows_read = outcome.rows_read,
            rows_written = outcome.rows_written,
            "step done"
        );
        self.observer.step_done(step, outcome, seconds);
        Ok(())
    }

    async fn record_failure(
        &self,
        step: &Step,
        failure: &StepFailure,
        attempt: u32,
        seconds: f64,
        will_retry: bool,
    ) -> Result<(), RunError> {
        let (class, message) = (failure.class, failure.message.clone());
        if !will_retry {
            tracing::Span::current()
                .record("otel.status_code", "ERROR")
                .record("otel.status_description", message.as_str());
        }
        tracing::warn!(?class, attempt, will_retry, "step failed: {message}");
        let detail = failure.detail.clone().unwrap_or(Value::Null);
        let (step, at) = (step.id.clone(), self.clock.now());
        self.append(Event::StepFailed { step, attempt, seconds, class, message, detail, will_retry, at })
            .await
    }

    async fn end(&self, interrupted: bool) -> Result<RunRecord, RunError> {
        let message =
            interrupted.then(|| format!("interrupted; continue with `tranche resume {}`", self.run.run_id));
        let is_well = !interrupted && self.is_well().await;
        let status = if is_well { RunStatus::Done } else { RunStatus::Failed };
        self.append(Event::Ended { status, message, at: self.clock.now() }).await?;
        if !is_well {
            tracing::Span::current().record("otel.status_code", "ERROR");
        }
        tracing::info!(%status, "run ended");
        let report = self.log.lock().await.record().clone();
        self.observer.run_ended(&report);
        Ok(report)
    }

    /// Whether every step is done, skipped, or failed without harm.
    async fn is_well(&self) -> bool {
        let log = self.log.lock().await;
        let is_harmless =
            |id: &str| self.run.pipeline.step(id).is_some_and(|step| step.on_failure == OnFailure::Continue);
        log.record().steps.iter().all(|step| match step.status {
            StepStatus::Done | StepStatus::Skipped => true,
            StepStatus::Failed => is_harmless(&step.id),
            StepStatus::Pending | StepStatus::Running => false,
        })
    }

    async fn append(&self, event: Event) -> Result<(), RunError> {
        self.log.lock().await.append(event).await
    }
}

/// A step that brought its process down so often in a row is not tried again by itself: it would bring down
/// every daemon in turn.
const UNENDED: u32 = 5;

/// A count as an attribute of a span: OpenTelemetry has signed integers only.
fn count(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Seconds to the millisecond: more would be noise in a log that people read.
fn seconds_since(begun: Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests;
