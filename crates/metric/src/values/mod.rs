//! From columns to the values of metrics, one per unit.

mod assemble;
mod funnel;
mod unit_values;

pub(crate) use assemble::assemble;
pub use unit_values::{EventValues, MetricValues, UnitValues, Values};
