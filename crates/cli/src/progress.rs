//! Progress on stderr: bars on a terminal, a line per step elsewhere.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tranche_daemon::{Observer, RunRecord, Step, StepFailure, StepOutcome};
use tranche_workspace::legible;

/// Shows how far a run is; its steps report to it too.
#[derive(Clone)]
pub(crate) struct Progress {
    bars: MultiProgress,
    terminal: bool,
    steps: Arc<Mutex<HashMap<String, ProgressBar>>>,
}

impl Progress {
    /// Progress on stderr.
    pub(crate) fn new() -> Self {
        Self { bars: MultiProgress::new(), terminal: std::io::stderr().is_terminal(), steps: Arc::default() }
    }

    fn line(&self, line: &str) {
        let line = legible(line);
        // A terminal or a pipe that went away is no reason to stop.
        let _ = match self.terminal {
            true => self.bars.println(line.as_ref()),
            false => writeln!(std::io::stderr().lock(), "{line}"),
        };
    }

    fn finish(&self, step: &Step, line: &str) {
        if let Some(bar) = self.steps.lock().unwrap_or_else(PoisonError::into_inner).remove(&step.id) {
            bar.finish_and_clear();
        }
        self.line(line);
    }
}

/// Work in a known number of parts.
pub(crate) struct Count {
    progress: Progress,
    bar: ProgressBar,
    what: String,
}

impl Progress {
    /// Starts to count up to `all`, such as the instants of `customer`.
    pub(crate) fn count(&self, what: &str, all: usize) -> Count {
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        // A bar that is not shown counts all the same.
        let mut bar = ProgressBar::hidden();
        if self.terminal {
            let style =
                ProgressStyle::with_template("{spinner} {prefix} {wide_bar} {pos} of {len}, {eta} left")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar = self.bars.add(ProgressBar::no_length()).with_style(style).with_prefix(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
        } else {
            self.line(&format!("… {what}: {all}"));
        }
        bar.set_length(all);
        Count { progress: self.clone(), bar, what: what.to_owned() }
    }
}

impl Count {
    /// Shows that so many parts are done; the last one ends the count.
    pub(crate) fn done(&self, done: usize) {
        self.bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        if Some(self.bar.position()) == self.bar.length() {
            let seconds = self.bar.elapsed().as_secs_f64();
            self.bar.finish_and_clear();
            self.progress.line(&format!("✓ {}: {done} in {seconds:.1} s", self.what));
        }
    }
}

impl Observer for Progress {
    fn step_started(&self, step: &Step, attempt: u32) {
        let again = if attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
        if !self.terminal {
            return self.line(&format!("… {}{again}", step.id));
        }
        let style = ProgressStyle::with_template("{spinner} {prefix} {msg} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = self
            .bars
            .add(ProgressBar::new_spinner())
            .with_style(style)
            .with_prefix(format!("{}{again}", step.id));
        bar.enable_steady_tick(Duration::from_millis(100));
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).insert(step.id.clone(), bar);
    }

    fn step_progress(&self, step: &Step, message: &str) {
        if let Some(bar) = self.steps.lock().unwrap_or_else(PoisonError::into_inner).get(&step.id) {
            bar.set_message(legible(message).into_owned());
        }
    }

    fn step_done(&self, step: &Step, outcome: &StepOutcome, seconds: f64) {
        let (read, written) = (outcome.rows_read, outcome.rows_written);
        self.finish(step, &format!("✓ {} in {seconds:.1} s: {read} rows read, {written} written", step.id));
    }

    fn step_failed(&self, step: &Step, failure: &StepFailure, retry_in: Option<Duration>) {
        let next = retry_in.map_or_else(String::new, |pause| format!("; retry in {} s", pause.as_secs()));
        self.finish(step, &format!("✗ {}: {}{next}", step.id, failure.message));
    }

    fn run_ended(&self, report: &RunRecord) {
        if let Some(message) = &report.message {
            self.line(message);
        }
    }
}
