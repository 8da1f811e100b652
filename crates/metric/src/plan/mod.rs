//! What is to be computed: which columns of which populations, each once, and the formulas of metrics over
//! them.

mod column_spec;
mod fact_plan;
mod formula;
mod id_list;
mod population;
mod request;
mod window;

pub(crate) use column_spec::{Accumulator, ColumnId, ColumnSpec, QueryId, StepQuery};
pub(crate) use fact_plan::{FactPlan, FormulaId};
pub(crate) use formula::{Assembly, MetricFormula};
pub(crate) use id_list::{Id, IdList, id};
pub use population::Population;
pub(crate) use population::{PopulationId, UnitIndex};
pub use request::{Facts, Wanted};
pub use window::Span;
pub(crate) use window::Window;
