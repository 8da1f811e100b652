//! What a process does that stays up, and what it has in common with one run: observing runs, and ending cleanly.
//!
//! [`serve`] is the daemon: it runs due slots, reloads definitions that change, and answers scrapes. [`run_now`] does one run,
//! [`backfill`] past slots. All of them observe their runs by [`RunObservers`]: metrics, notifications, lineage, and a [`Console`].
//!
//! Nothing here knows what a step does: a run's steps come from a [`Tranche`](tranche_workspace::Tranche).
//!
//! ```
//! use tranche_daemon::Console;
//!
//! struct Lines(std::sync::Mutex<Vec<String>>);
//!
//! impl Console for Lines {
//!     fn line(&self, text: &str) {
//!         self.0.lock().unwrap().push(text.to_owned());
//!     }
//! }
//!
//! let lines = Lines(Default::default());
//! lines.line("shop 2026-11-01T01:00:00Z done");
//! assert_eq!(lines.0.lock().unwrap().len(), 1);
//! ```

mod backfill;
mod catalog;
mod console;
mod environment;
mod lineage;
mod notifications;
mod observers;
mod run_now;
mod serve;
mod shutdown;
mod telemetry;

pub use backfill::backfill;
pub use catalog::ProjectCatalog;
pub use console::Console;
pub use environment::environment_variable;
pub use observers::RunObservers;
pub use run_now::{RunRequest, failure_class, resume, run_now};
pub use serve::{DaemonOptions, serve};
pub use tranche_observe::Traces;
pub use tranche_pipeline::scheduler::Totals;
pub use tranche_pipeline::{FailureClass, Observer, RunRecord, RunStatus, Step, StepFailure, StepOutcome};
