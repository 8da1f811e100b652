//! YAML pipelines, slots, runs.
//!
//! [`PipelineSpec`] is a `pipeline.yaml` as its author wrote it; [`PipelineSpec::validate`] turns it into a [`Pipeline`]: [`Schedule`]s,
//! which say at which instants (slots) it runs by itself, and [`Step`]s. [`execute`] runs a [`RunPlan`]: it gives each step to
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
//! let slot = pipeline.schedules[0].next_after(evening).unwrap();
//! assert_eq!(slot.to_string(), "2026-03-29T01:00:00Z");
//! ```

mod append_log;
mod arrivals;
mod backfill;
mod backlog;
mod calendar;
mod clock;
mod condition;
mod definition;
mod error;
mod event;
mod examine;
mod execute;
mod expire;
mod explain;
mod graph;
mod history;
mod lease;
mod ledger;
mod perform;
mod pinned;
mod progress;
mod record;
mod report;
mod runner;
mod schedule;
mod scheduler;
mod slot;
mod spec;
mod storage_clock;
mod timeline;
mod validate;

pub use arrivals::{Arrival, SourceFiles};
pub use backfill::{Backfill, BackfillMode, BackfillOrder, BackfillProgress, run_backfill};
pub use backlog::Backlog;
pub use calendar::{Calendar, DstClass};
pub use clock::{Clock, SystemClock, new_run_id};
pub use condition::{Condition, MonthDay};
pub use definition::{OnFailure, Pipeline, Retries, Step, Targets};
pub use error::RunError;
pub use event::{Event, FailureClass, RunStatus, Started, StepStatus};
pub use execute::{RunPlan, Stop, execute};
pub use expire::Expired;
pub use explain::{ExplainedSlot, SlotFate, explain};
pub use history::{History, HistorySlot, ScheduleEvent};
pub use lease::{Lease, LeaseWatch, Liveness};
pub use ledger::{Ledger, RunLog};
pub use progress::Progress;
pub use record::{RunRecord, RunSummary, StepRecord};
pub use report::{RunReport, StepReport};
pub use runner::{Observer, StepContext, StepFailure, StepOutcome, StepRunner};
pub use schedule::{Catchup, Overlap, Schedule, Trigger};
pub use scheduler::{Catalog, Equipment, Loaded, Scheduler, SchedulerOptions, Totals};
pub use slot::{Fate, SlotEntry};
pub use spec::{
    CatchupLimitsSpec, CatchupSpec, PipelineSpec, RetriesSpec, ScheduleSpec, SchedulesSpec, StepSpec,
    TargetsSpec, WhenSpec,
};
pub use storage_clock::StorageClock;
pub use timeline::{FailedAttempt, StepTimeline, Timeline};
