//! YAML pipelines, their schedules, slots and runs.
//!
//! [`definition`] turns a `pipeline.yaml` into a [`Pipeline`] of [`Step`]s; [`schedule`] says at which
//! instants (slots) it runs by itself, and remembers how that changed. [`execute`] runs a [`RunPlan`]: it
//! hands each step to a [`StepRunner`] and writes events into the [`Ledger`], from which a
//! [`RunRecord`] is read back, and resumed, by any process. A [`Scheduler`] decides about slots as they come,
//! and [`backfill`] about those of the past; [`retention`] removes old entries.
//!
//! This crate knows steps by a trait and by name. It knows nothing of SQL, metrics or columns, and of storage
//! only that an object can be created once: on that, and on no clock, rests that a run has one owner at a
//! time.
//!
//! ```
//! use tranche_pipeline::Pipeline;
//! use tranche_project::{Problems, Settings, SourceFile};
//!
//! let text = "
//! version: 1
//! pipeline: shop
//! schedule: {cron: '30 2 * * *', timezone: Europe/Berlin}
//! steps:
//!   - {id: load, ingest: all}
//!   - {id: segments, refresh: all, needs: [load]}
//! ";
//! let file = SourceFile::new("pipelines/shop/pipeline.yaml", text);
//! let mut problems = Problems::default();
//! let pipeline = Pipeline::read(&file, &["ingest", "refresh"], &Settings::default(), &mut problems).unwrap();
//! let order: Vec<&str> = pipeline.order().into_iter().map(|step| step.id.as_str()).collect();
//! assert_eq!(order, ["load", "segments"]);
//!
//! // That night the clock in Berlin goes from 02:00 to 03:00: the slot comes just after.
//! let evening = "2026-03-28T20:00:00Z".parse().unwrap();
//! let slot = pipeline.schedules[0].next_after(evening).unwrap();
//! assert_eq!(slot.to_string(), "2026-03-29T01:00:00Z");
//! ```

pub mod backfill;
mod clock;
pub mod definition;
mod error;
mod integrity;
pub mod ledger;
pub mod retention;
pub mod run;
pub mod schedule;
pub mod scheduler;
mod storage_clock;

pub use clock::{Clock, SystemClock, new_run_id};
pub use definition::{Pipeline, Step};
pub use error::RunError;
pub use ledger::{FailureClass, Ledger, RunRecord, RunStatus, StepStatus};
pub use run::{
    Observer, Progress, RunPlan, StepContext, StepFailure, StepOutcome, StepRunner, Stop, execute,
};
pub use schedule::Schedule;
pub use scheduler::Scheduler;
pub use storage_clock::StorageClock;
