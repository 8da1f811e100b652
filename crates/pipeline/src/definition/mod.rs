//! Pipelines as they are defined: `pipeline.yaml` as written ([`PipelineSpec`]), its validation, and what it
//! means ([`Pipeline`]).

pub(crate) mod condition;
pub(crate) mod graph;
pub(crate) mod pipeline;
pub(crate) mod spec;
mod validate;

pub use condition::{Condition, MonthDay};
pub use pipeline::{OnFailure, Pipeline, Retries, Step, Targets};
pub use spec::{
    CatchupLimitsSpec, CatchupSpec, PipelineSpec, RetriesSpec, ScheduleSpec, SchedulesSpec, StepSpec,
    TargetsSpec, WhenSpec,
};
