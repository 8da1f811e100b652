//! Execution of a run: its plan ([`RunPlan`]), the work of its steps ([`StepRunner`]), its observers
//! ([`Observer`]), and [`execute`], which brings it to its end.

pub(crate) mod execute;
pub(crate) mod observer;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod step_runner;

pub use execute::execute;
pub use observer::Observer;
pub use plan::{RunPlan, Stop};
pub use progress::Progress;
pub use step_runner::{StepContext, StepFailure, StepOutcome, StepRunner};
