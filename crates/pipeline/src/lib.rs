//! YAML pipelines, slots, runs.
//!
//! [`PipelineSpec`] is a `pipeline.yaml` as its author wrote it; [`PipelineSpec::validate`] turns it into a [`Pipeline`]: an optional
//! [`Schedule`], which says at which instants (slots) it runs, and [`Step`]s. [`execute`] runs a [`RunPlan`]: it gives each step to
//! a [`StepRunner`] and writes what happens into the [`Ledger`], from which a [`RunRecord`] is read back, and resumed, by anyone.
//!
//! This crate knows steps by a trait and by name. It knows nothing of SQL, metrics or columns, and of storage only that an object
//! can be created once: on that, and on no clock, rests that a run has one owner at a time.
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
//! let slot = pipeline.schedule.unwrap().next_after(evening).unwrap();
//! assert_eq!(slot.to_string(), "2026-03-29T01:00:00Z");
//! ```

mod clock;
mod definition;
mod error;
mod event;
mod execute;
mod graph;
mod ledger;
mod pinned;
mod record;
mod report;
mod runner;
mod schedule;
mod spec;
mod validate;

pub use clock::{Clock, SystemClock, new_run_id};
pub use definition::{Pipeline, Retries, Step, Targets};
pub use error::RunError;
pub use event::{Event, FailureClass, RunStatus, Started, StepStatus};
pub use execute::{RunPlan, execute};
pub use ledger::{Ledger, RunLog};
pub use record::{RunRecord, RunSummary, StepRecord};
pub use report::{RunReport, StepReport};
pub use runner::{Observer, StepContext, StepFailure, StepOutcome, StepRunner};
pub use schedule::{Catchup, Overlap, Schedule};
pub use spec::{PipelineSpec, RetriesSpec, ScheduleSpec, StepSpec, TargetsSpec};
